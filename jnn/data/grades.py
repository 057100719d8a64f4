"""Columns of a table whose values are grades: words in an order, of which each is its place."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jnn.data.array_files import parse_number
from jnn.errors import mistake

Grades = Mapping[str, tuple[str, ...]]
"""The words of each such column, by its name, in their order."""


def numbered(values: Sequence[Any] | np.ndarray, words: Sequence[str], caller: str) -> np.ndarray:
    """Words, or numbers of their places, as such numbers, float64.

    Raises `JnnError` that names the row, from 1, of what is neither.

    >>> numbered(["low", "high", "1", 0], ("low", "high"), "example").tolist()
    [0.0, 1.0, 1.0, 0.0]
    """
    places = {word: float(i) for i, word in enumerate(words)}
    numbers = np.empty(len(values))
    for row, value in enumerate(values, start=1):
        place = places.get(value) if isinstance(value, str) else None
        place = _number(value) if place is None else place
        if not (0 <= place < len(words) and place.is_integer()):
            expected = f"one of {', '.join(words)}, or of the numbers 0 to {len(words) - 1}"
            raise mistake(f"{caller}, row {row}", got=repr(str(value)), expected=expected)
        numbers[row - 1] = place
    return numbers


def _number(value: Any) -> float:
    """The number that a value is; -1, which is no place, where it is none."""
    try:
        return parse_number(value) if isinstance(value, str) else float(value)
    except (TypeError, ValueError):
        return -1.0
