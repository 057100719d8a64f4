"""Checks on a dict of equally long numpy arrays, done once on the host, and its fingerprint.

A set of data is a plain dict, such as ``{"image": (N, H, W, C), "label": (N,)}``: entry i of every
array belongs to example i.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np

from jnn.errors import mistake

Arrays = Mapping[str, np.ndarray]

_INT32 = np.iinfo(np.int32)


def check_arrays(arrays: Arrays, where: str = "data") -> int:
    """The number of examples N, after checking that every array has as many and can live on a
    device.

    Raises JnnError for no arrays, no examples, unequal lengths, scalars, anything but booleans,
    integers and real floats (ragged lists become object arrays), and integers beyond int32, which
    JAX would wrap silently.

    >>> check_arrays({"image": np.zeros((3, 8, 8, 1)), "label": np.zeros(3, int)})
    3
    """
    if not arrays:
        raise mistake(
            where,
            got="no arrays",
            expected='at least one, as in {"image": images, "label": labels}',
        )
    for name, array in arrays.items():
        _check_array(array, f"{where}[{name!r}]")
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise mistake(
            where, got=f"unequal lengths {lengths}", expected="one entry per example in every array"
        )
    size = next(iter(lengths.values()))
    if size == 0:
        raise mistake(where, got="empty arrays", expected="at least one example")
    return size


def _check_array(array: np.ndarray, where: str) -> None:
    if not hasattr(array, "dtype") or not hasattr(array, "shape"):
        raise mistake(
            where, got=f"a {type(array).__name__}", expected="an array", remedy="Use numpy.asarray."
        )
    if array.ndim == 0:
        raise mistake(
            where, got="a scalar", expected="an array whose first axis counts the examples"
        )
    if array.dtype == object:
        remedy = "Ragged rows: pad them to one length, and keep a mask."
        raise mistake(
            where,
            got="an array of Python objects",
            expected="numbers in a rectangular array",
            remedy=remedy,
        )
    if not (
        np.issubdtype(array.dtype, np.floating)
        or np.issubdtype(array.dtype, np.integer)
        or array.dtype == bool
    ):
        raise mistake(
            where,
            got=f"dtype {array.dtype}",
            expected="booleans, integers or real floats",
            remedy="Encode the values as numbers.",
        )
    wide = np.issubdtype(array.dtype, np.integer) and array.dtype.itemsize >= 4 and array.size > 0
    if wide and (array.min() < _INT32.min or array.max() > _INT32.max):
        worst = array.max() if array.max() > _INT32.max else array.min()
        raise mistake(
            where,
            got=f"the integer {worst}",
            expected="integers within int32",
            remedy="Renumber them from 0.",
        )


def check_finite(x: np.ndarray, where: str = "data") -> None:
    """Raise JnnError naming the first row and column where ``x``, (N, ...), is NaN or infinite."""
    bad = np.argwhere(~np.isfinite(x))
    if len(bad):
        row, *column = (int(i) for i in bad[0])
        place = f"row {row}" + (f", column {', '.join(map(str, column))}" if column else "")
        rows = len(np.unique(bad[:, 0]))
        remedy = f"Drop or fill the {rows} row{'s' if rows > 1 else ''} that hold such values."
        raise mistake(
            where, got=f"{x[tuple(bad[0])]} at {place}", expected="finite numbers", remedy=remedy
        )


def check_labels(labels: np.ndarray, classes: int, where: str = "label") -> None:
    """Raise JnnError unless ``labels`` are integers in 0 .. classes - 1, of shape (N,)."""
    if labels.ndim == 2 and labels.shape[1] == classes:
        raise mistake(
            where,
            got=f"shape {labels.shape}",
            expected="integers of shape (N,)",
            remedy="One-hot? Take labels.argmax(axis=1).",
        )
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise mistake(
            where, got=f"{labels.dtype} of shape {labels.shape}", expected="integers of shape (N,)"
        )
    wrong = np.flatnonzero((labels < 0) | (labels >= classes))
    if len(wrong):
        one_based = labels.min() >= 1 and labels.max() == classes
        remedy = "One-based? Subtract 1." if one_based else ""
        raise mistake(
            where,
            got=f"{labels[wrong[0]]} at row {wrong[0]}",
            expected=f"labels from 0 to {classes - 1}",
            remedy=remedy,
        )


def fingerprint(arrays: Arrays) -> str:
    """The sha256 over the names, dtypes, shapes and bytes of ``arrays``, in the order of the names;
    the same on every machine.

    >>> a = {"x": np.arange(3, dtype=np.int32)}
    >>> fingerprint(a) == fingerprint({"x": a["x"].copy()}), fingerprint(a) == fingerprint({"x": a["x"].astype(np.uint32)})
    (True, False)
    """
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.asarray(arrays[name])
        little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        digest.update(repr((name, array.dtype.name, array.shape)).encode())
        digest.update(little.tobytes())
    return digest.hexdigest()
