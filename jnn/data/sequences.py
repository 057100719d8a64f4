"""Sequences of unequal lengths as rectangular arrays: padded, one a row, or packed, several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from jnn.data.checks import check_int32
from jnn.errors import mistake
from jnn.integers import check_integer

_INT32 = np.iinfo(np.int32)


class Padded(NamedTuple):
    """One sequence a row, followed by padding."""

    tokens: np.ndarray
    """(N, T) int32."""
    mask: np.ndarray
    """(N, T) bool, True where a token is real."""


class Packed(NamedTuple):
    """Several sequences a row, as arrays (R, T) int32."""

    tokens: np.ndarray
    documents: np.ndarray
    """The index of the sequence that a token is from, and -1 for padding."""
    positions: np.ndarray
    """The position of a token within its sequence."""


def pad(
    sequences: Sequence[ArrayLike],
    length: int | None = None,
    *,
    value: int = 0,
    truncate: bool = False,
) -> Padded:
    """Each sequence in a row of ``length`` tokens, filled up with ``value``.

    ``length`` is by default that of the longest sequence. Raises JnnError for no sequences, an
    empty one, one that is not of integers, and one longer than ``length`` unless ``truncate`` keeps
    its first ``length`` tokens.

    >>> padded = pad([[5, 6, 7], [8]])
    >>> padded.tokens.tolist(), padded.mask.sum(axis=1).tolist()
    ([[5, 6, 7], [8, 0, 0]], [3, 1])
    """
    arrays = _checked(sequences, value, "pad")
    longest = max(map(len, arrays))
    remedy = None if truncate else "Choose a larger length, or truncate=True."
    length = _check_length(arrays, longest if length is None else length, "pad", remedy)
    tokens = np.full((len(arrays), length), value, np.int32)
    for row, array in zip(tokens, arrays, strict=True):
        row[: len(array)] = array[:length]
    lengths = np.array([len(array) for array in arrays])
    return Padded(tokens, np.arange(length)[None, :] < lengths[:, None])


def pack(sequences: Sequence[ArrayLike], length: int, *, value: int = 0) -> Packed:
    """All sequences in few rows of ``length`` tokens, none of them cut, by first fit.

    Each sequence goes into the first row that has room for it. That takes at most 1.7 times the
    rows of the optimal packing, and hardly more than the optimum for many short sequences.

    Layers that mix the elements of a row have to be restricted to a sequence: attention by
    `same_document`, position encodings by ``positions``. A `transformer` with ``documents`` as
    input does both.

    Raises JnnError as `pad` does, and for a sequence longer than ``length``.

    >>> packed = pack([[1, 2, 3], [4, 5, 6, 7], [8]], 5)
    >>> packed.tokens.tolist(), packed.documents.tolist()
    ([[1, 2, 3, 8, 0], [4, 5, 6, 7, 0]], [[0, 0, 0, 2, -1], [1, 1, 1, 1, -1]])
    """
    arrays = _checked(sequences, value, "pack")
    length = _check_length(arrays, length, "pack", "Choose a larger length, or cut it.")
    free, rows, used = np.full(len(arrays), length), [], 0
    for array in arrays:
        row = int(np.argmax(free[: used + 1] >= len(array)))
        rows.append((row, length - free[row]))
        free[row] -= len(array)
        used = max(used, min(row + 1, len(arrays) - 1))
    shape = (max(row for row, _ in rows) + 1, length)
    tokens, documents = np.full(shape, value, np.int32), np.full(shape, -1, np.int32)
    positions = np.zeros(shape, np.int32)
    for number, (array, (row, start)) in enumerate(zip(arrays, rows, strict=True)):
        place = row, slice(start, start + len(array))
        tokens[place] = array
        documents[place] = number
        positions[place] = np.arange(len(array))
    return Packed(tokens, documents, positions)


def same_document(documents: Any) -> Any:
    """(..., T, T) bool, True where two tokens are of one sequence: an attention mask, query by key.

    ``documents`` (..., T) is a NumPy or JAX array; padding attends to padding only.

    >>> same_document(np.array([0, 0, 1])).tolist()
    [[True, True, False], [True, True, False], [False, False, True]]
    """
    return documents[..., :, None] == documents[..., None, :]


def _checked(sequences: Sequence[ArrayLike], value: int, caller: str) -> list[np.ndarray]:
    check_integer(caller, "value", value, least=_INT32.min)
    if value > _INT32.max:
        raise mistake(caller, got=f"value={value}", expected=f"at most {_INT32.max}")
    arrays = [np.asarray(sequence) for sequence in sequences]
    if not arrays:
        raise mistake(caller, got="no sequences", expected="at least one")
    for number, array in enumerate(arrays):
        if array.size == 0:
            raise mistake(
                caller,
                got=f"sequence {number} without a token",
                expected="at least one in each",
                remedy="Omit empty sequences.",
            )
        if array.ndim != 1 or not np.issubdtype(array.dtype, np.integer):
            raise mistake(
                caller,
                got=f"sequence {number}: {array.dtype} of shape {array.shape}",
                expected="integers of shape (T,)",
            )
        check_int32(array, f"{caller}: sequence {number}")
    return arrays


def _check_length(
    arrays: Sequence[np.ndarray], length: int, caller: str, remedy: str | None
) -> int:
    length = check_integer(caller, "length", length)
    longest = int(np.argmax([len(array) for array in arrays]))
    if remedy is not None and len(arrays[longest]) > length:
        got = f"sequence {longest} of {len(arrays[longest])} tokens"
        raise mistake(caller, got=got, expected=f"at most length={length}", remedy=remedy)
    return length
