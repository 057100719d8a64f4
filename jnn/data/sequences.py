"""Sequences of unequal lengths as rectangular arrays: padded, one a row, or packed, several a
row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from jnn.errors import mistake


class Padded(NamedTuple):
    """``tokens`` (N, T) int32, and ``mask`` (N, T) bool, True where a token is real; padding comes
    after the real ones.
    """

    tokens: np.ndarray
    mask: np.ndarray


class Packed(NamedTuple):
    """Rows of several sequences, all arrays (R, T): ``tokens`` and ``positions``, counted from each
    sequence's own start, int32.

    ``documents`` int32 has the number of the sequence that a token is from, and -1 for padding.
    """

    tokens: np.ndarray
    documents: np.ndarray
    positions: np.ndarray


def pad(
    sequences: Sequence[ArrayLike],
    length: int | None = None,
    *,
    value: int = 0,
    truncate: bool = False,
) -> Padded:
    """Each sequence in a row of ``length`` tokens, by default that of the longest, filled up with
    ``value``.

    Raises JnnError for no sequences, an empty one, one that holds no integers, and one longer than
    ``length`` unless ``truncate`` keeps its first ``length`` tokens.

    >>> pad([[5, 6, 7], [8]]).tokens.tolist(), pad([[5, 6, 7], [8]]).mask.sum(axis=1).tolist()
    ([[5, 6, 7], [8, 0, 0]], [3, 1])
    """
    arrays = _checked(sequences, "pad")
    length = max(map(len, arrays)) if length is None else length
    _check_length(
        arrays, length, "pad", "Choose a larger length, or truncate=True." if not truncate else None
    )
    tokens = np.full((len(arrays), length), value, np.int32)
    for row, array in zip(tokens, arrays, strict=True):
        row[: len(array)] = array[:length]
    lengths = np.array([len(array) for array in arrays])
    return Padded(tokens, np.arange(length)[None, :] < lengths[:, None])


def pack(sequences: Sequence[ArrayLike], length: int, *, value: int = 0) -> Packed:
    """All sequences in few rows of ``length`` tokens, none of them cut: each goes into the first
    row that has room for it.

    Such a first fit takes at most 1.7 times the rows of the best one, and hardly more than the best
    for many short sequences. The layer that looks across a row has to be kept within a sequence:
    attention by `same_document`, positions by ``positions``. A `transformer` that is given
    ``documents`` does both.

    Raises JnnError as `pad` does, and for a sequence longer than ``length``.

    >>> packed = pack([[1, 2, 3], [4, 5, 6, 7], [8]], 5)
    >>> packed.tokens.tolist(), packed.documents.tolist()
    ([[1, 2, 3, 8, 0], [4, 5, 6, 7, 0]], [[0, 0, 0, 2, -1], [1, 1, 1, 1, -1]])
    """
    arrays = _checked(sequences, "pack")
    _check_length(arrays, length, "pack", "Choose a larger length, or cut it.")
    free, rows, used = np.full(len(arrays), length), [], 0
    for array in arrays:
        row = int(np.argmax(free[: used + 1] >= len(array)))
        rows.append((row, length - free[row]))
        free[row] -= len(array)
        used = max(used, min(row + 1, len(arrays) - 1))
    shape = (max(row for row, _ in rows) + 1, length)
    packed = Packed(
        np.full(shape, value, np.int32), np.full(shape, -1, np.int32), np.zeros(shape, np.int32)
    )
    for number, (array, (row, start)) in enumerate(zip(arrays, rows, strict=True)):
        place = (row, slice(start, start + len(array)))
        packed.tokens[place], packed.documents[place], packed.positions[place] = (
            array,
            number,
            np.arange(len(array)),
        )
    return packed


def same_document(documents: Any) -> Any:
    """(..., T, T) bool from ``documents`` (..., T): True where two tokens are of one sequence;
    padding sees padding alone.

    For numpy and JAX arrays; as a mask of attention, query by key.

    >>> same_document(np.array([0, 0, 1])).tolist()
    [[True, True, False], [True, True, False], [False, False, True]]
    """
    return documents[..., :, None] == documents[..., None, :]


def _checked(sequences: Sequence[ArrayLike], where: str) -> list[np.ndarray]:
    arrays = [np.asarray(sequence) for sequence in sequences]
    if not arrays:
        raise mistake(where, got="no sequences", expected="at least one")
    for number, array in enumerate(arrays):
        if array.size == 0:
            remedy = "Leave it out: there is nothing in it to look at."
            raise mistake(
                where,
                got=f"sequence {number} without a token",
                expected="at least one in each",
                remedy=remedy,
            )
        if array.ndim != 1 or not np.issubdtype(array.dtype, np.integer):
            raise mistake(
                where,
                got=f"sequence {number}: {array.dtype} of shape {array.shape}",
                expected="integers of shape (T,)",
            )
    return arrays


def _check_length(
    arrays: Sequence[np.ndarray], length: int, where: str, remedy: str | None
) -> None:
    if length < 1:
        raise mistake(where, got=f"length={length}", expected="an integer >= 1")
    longest = int(np.argmax([len(array) for array in arrays]))
    if remedy is not None and len(arrays[longest]) > length:
        got = f"sequence {longest} of {len(arrays[longest])} tokens"
        raise mistake(where, got=got, expected=f"at most length={length}", remedy=remedy)
