"""Pairs of sequences, such as sentences and their translations, as arrays to train on."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from jnn.data.checks import check_int32
from jnn.data.sequences import pad
from jnn.errors import mistake


def sequence_pairs(
    sources: Sequence[Sequence[int] | np.ndarray],
    targets: Sequence[Sequence[int] | np.ndarray],
    *,
    start: int,
    end: int,
    padding: int = 0,
    longest: int | None = None,
) -> dict[str, np.ndarray]:
    """Arrays ``(N, T)`` for teacher forcing: each target token is predicted from those before it.

    ``source``       the tokens of the source, and ``source_mask``, True where they are real
    ``tokens``       the input of the decoder: ``start``, then the target
    ``targets``      what it predicts: the target, then ``end``; ``target_mask`` is that of both

    T is that of the longest row of all, or ``longest``: pairs of more tokens on a side are omitted.

    Raises JnnError for unequal numbers of sources and targets, for what are no integers ``(T,)``,
    for a source without a token, and where no pair is left.

    >>> sources, targets = [np.array([5, 6, 7]), np.array([8])], [np.array([3]), np.array([4, 4])]
    >>> arrays = sequence_pairs(sources, targets, start=1, end=2)
    >>> arrays["tokens"].tolist(), arrays["targets"].tolist()
    ([[1, 3, 0], [1, 4, 4]], [[3, 2, 0], [4, 4, 2]])
    """
    if len(sources) != len(targets) or not len(sources):
        got = f"{len(sources)} sources and {len(targets)} targets"
        raise mistake("sequence_pairs", got=got, expected="as many, and one at least")
    pairs = zip(sources, targets, strict=True)
    lengths = np.array([max(len(source), len(target) + 1) for source, target in pairs])
    longest = int(lengths.max()) if longest is None else longest
    kept = np.flatnonzero(lengths <= longest).tolist()
    if not kept:
        got = f"longest={longest}, the shortest pair of {lengths.min()} tokens"
        raise mistake("sequence_pairs", got=got, expected="a pair that is short enough")
    rows = partial(pad, length=longest, value=padding)
    source = rows([sources[i] for i in kept])
    kept_targets = [_integers(targets[i], i) for i in kept]
    tokens = rows([np.append(start, target) for target in kept_targets])
    following = rows([np.append(target, end) for target in kept_targets])
    return {
        "source": source.tokens,
        "source_mask": source.mask,
        "tokens": tokens.tokens,
        "targets": following.tokens,
        "target_mask": tokens.mask,
    }


def _integers(target: Sequence[int] | np.ndarray, number: int) -> np.ndarray:
    """A target as int64, to which a token can be appended: uint64 and [] would become floats."""
    array = np.asarray(target)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        got = f"target {number}: {array.dtype} of shape {array.shape}"
        raise mistake("sequence_pairs", got=got, expected="integers of shape (T,)")
    check_int32(array, f"sequence_pairs: target {number}")
    return array.astype(np.int64)
