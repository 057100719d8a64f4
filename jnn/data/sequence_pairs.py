"""Pairs of sequences, such as sentences and their translations, as arrays to train on."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from jnn.data.sequences import pad
from jnn.errors import mistake


def sequence_pairs(
    sources: Sequence[np.ndarray],
    targets: Sequence[np.ndarray],
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

    Raises JnnError for unequal numbers of sources and targets, and where no pair is left.

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
    tokens = rows([np.append(start, targets[i]) for i in kept])
    following = rows([np.append(targets[i], end) for i in kept])
    return {
        "source": source.tokens,
        "source_mask": source.mask,
        "tokens": tokens.tokens,
        "targets": following.tokens,
        "target_mask": tokens.mask,
    }
