"""Labels of your own, numbers or words, as the numbers 0, 1, 2, ... of the classes that occur."""

from __future__ import annotations

from typing import Any

import numpy as np

from jnn.errors import mistake
from jnn.integers import spelled


def number_classes(labels: Any, caller: str = "labels") -> tuple[np.ndarray, tuple[str, ...]]:
    """``labels`` (N,) as int32 indices of the classes that occur, and the names of these classes.

    Numbers are in their order, as are words where all of them spell numbers, such as ``1.0`` for 1;
    other words are in that of the alphabet. A number without a label is no class, so that a network
    has an output for each class that occurs and for no other. Pass the names on with the data, as
    in ``from_arrays(..., classes=names)``, and predictions are those names.

    Raises JnnError for anything but whole numbers and words, with the row.

    >>> number_classes([0.0, 5.0, 2.0, 5.0])
    (array([0, 2, 1, 2], dtype=int32), ('0', '2', '5'))
    >>> number_classes(["red", "blue"])[1]
    ('blue', 'red')
    """
    array = np.asarray(labels)
    if array.dtype.kind in "OT" and all(isinstance(word, str) for word in array.flat):
        array = array.astype(np.str_)  # words of pandas, or of NumPy's own strings
    if array.ndim != 1 or array.dtype.kind not in "biufU" or not len(array):
        got = f"dtype {array.dtype} and shape {array.shape}"
        raise mistake(caller, got=got, expected="one whole number or word a row")
    if array.dtype.kind == "U" and (numbers := _numbers(array.tolist())):
        array = np.array(numbers)
    if array.dtype.kind == "f":
        array = array.astype(np.float64)
        whole = (array == np.floor(array)) & (np.abs(array) < 2**53)
        if len(wrong := np.flatnonzero(~whole)):
            got = f"{spelled(array[wrong[0]])} at row {wrong[0]}"
            remedy = "A quantity is the target of a regression, not a class."
            raise mistake(caller, got=got, expected="classes, whole numbers", remedy=remedy)
        array = array.astype(np.int64)
    classes, index = np.unique(array, return_inverse=True)
    return index.astype(np.int32), tuple(str(name) for name in classes.tolist())


def _numbers(words: list[str]) -> list[float] | None:
    """What the words spell, where all of them are numbers."""
    try:
        return None if any("_" in word for word in words) else list(map(float, words))
    except ValueError:
        return None
