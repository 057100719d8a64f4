"""Checks of a dict of equally long NumPy arrays and of fractions of it, and its fingerprint.

A data set is a plain dict, such as ``{"image": (N, H, W, C), "label": (N,)}``: entry i of every
array belongs to example i. It is checked once, on the host. In messages, ``caller`` is the name of
the function or of the data.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np

from jnn.errors import mistake

Arrays = Mapping[str, np.ndarray]

FLOAT32_MAX = float(np.finfo(np.float32).max)

_INT32 = np.iinfo(np.int32)
_REMEDIES = {
    "U": "Encode the values as numbers.",
    "S": "Encode the values as numbers.",
    "M": "Encode times as numbers, as jnn.data.calendar does.",
    "m": "Encode times as numbers: x / numpy.timedelta64(1, 's').",
    "c": "Give the real and the imaginary part as two arrays.",
    "V": "Convert it to a type of NumPy's own: x.astype(numpy.float32).",
}
"""For arrays by the kind of their dtype: V is that of bfloat16, float8 and int4."""


def check_arrays(arrays: Arrays, caller: str = "data") -> int:
    """The number of examples N, after checking that every array has N and fits on a device.

    Raises JnnError for no arrays, no examples, unequal lengths, scalars, anything but NumPy's own
    booleans, integers and real floats (ragged lists become object arrays), floats of more than 64
    bits and other byte orders, which JAX does not have, and integers beyond int32, which it would
    wrap silently.

    >>> check_arrays({"image": np.zeros((3, 8, 8, 1)), "label": np.zeros(3, int)})
    3
    """
    if not isinstance(arrays, Mapping):
        expected = 'arrays by name, as in {"image": images, "label": labels}'
        raise mistake(caller, got=f"a {type(arrays).__name__}", expected=expected)
    if not arrays:
        expected = 'at least one, as in {"image": images, "label": labels}'
        raise mistake(caller, got="no arrays", expected=expected)
    for name, array in arrays.items():
        _check_array(array, f"{caller}[{name!r}]")
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        expected = "one entry per example in every array"
        raise mistake(caller, got=f"unequal lengths {lengths}", expected=expected)
    size = next(iter(lengths.values()))
    if size == 0:
        raise mistake(caller, got="empty arrays", expected="at least one example")
    return size


def _check_array(array: np.ndarray, caller: str) -> None:
    if not hasattr(array, "dtype") or not hasattr(array, "shape"):
        got, remedy = f"a {type(array).__name__}", "Use numpy.asarray."
        raise mistake(caller, got=got, expected="an array", remedy=remedy)
    if array.ndim == 0:
        expected = "an array whose first axis counts the examples"
        raise mistake(caller, got="a scalar", expected=expected)
    if array.dtype == object:
        raise mistake(
            caller,
            got="an array of Python objects",
            expected="numbers in a rectangular array",
            remedy="Ragged rows: pad them to one length, and keep a mask.",
        )
    if array.dtype.kind not in "biuf":
        got, remedy = f"dtype {array.dtype}", _REMEDIES[array.dtype.kind]
        if fields := array.dtype.names:
            remedy = f"Give each field as an array of its own: x[{fields[0]!r}], ..."
        raise mistake(caller, got=got, expected="booleans, integers or real floats", remedy=remedy)
    if array.dtype.itemsize > 8:
        got, remedy = f"dtype {array.dtype}", "Convert them: x.astype(numpy.float64)."
        raise mistake(caller, got=got, expected="at most 64 bits a number", remedy=remedy)
    if not array.dtype.isnative:
        remedy = 'Convert it: x.astype(x.dtype.newbyteorder("=")).'
        expected = "the byte order of this machine"
        raise mistake(caller, got=f"dtype {array.dtype.str}", expected=expected, remedy=remedy)
    check_int32(array, caller)


def check_int32(array: np.ndarray, caller: str) -> None:
    """Raise JnnError for integers beyond int32, which would be wrapped silently."""
    wide = array.dtype.kind in "iu" and array.dtype.itemsize >= 4 and array.size > 0
    if wide and (array.min() < _INT32.min or array.max() > _INT32.max):
        worst = array.max() if array.max() > _INT32.max else array.min()
        raise mistake(
            caller,
            got=f"the integer {worst}",
            expected="integers within int32",
            remedy="Renumber them from 0.",
        )


def check_finite(x: np.ndarray, caller: str = "data") -> None:
    """Raise JnnError naming the first row and column where ``x``, (N, ...), is NaN or infinite.

    Also for what are no numbers.
    """
    x = np.asarray(x)
    try:
        is_finite = np.isfinite(x)
    except TypeError:  # of words and Python objects
        raise mistake(caller, got=f"dtype {x.dtype}", expected="numbers") from None
    bad = np.argwhere(~is_finite)
    if len(bad):
        rows = len(np.unique(bad[:, 0]))
        got = f"{x[tuple(bad[0])]} at {_place(bad[0])}"
        remedy = f"Drop or fill the {rows} row{'s' if rows > 1 else ''} that hold such values."
        raise mistake(caller, got=got, expected="finite numbers", remedy=remedy)


def check_float32(x: np.ndarray, caller: str = "data", narrowed: np.ndarray | None = None) -> None:
    """Raise JnnError for a finite number of ``x``, (N, ...), that is infinite as float32.

    ``narrowed`` is float32 already, such as ``x`` scaled; a device has float32 alone.

    >>> check_float32(np.array([1.0, 1e39]))
    Traceback (most recent call last):
    jnn.errors.JnnError: data: got 1e+39 at row 1, expected numbers in float32's range, at most \
3.4e+38 in size. Choose a larger unit.
    """
    if narrowed is None:
        if x.dtype.kind != "f" or x.dtype.itemsize <= 4:
            return
        with np.errstate(over="ignore"):
            narrowed = x.astype(np.float32)
    bad = np.argwhere(np.isinf(narrowed) & np.isfinite(x))
    if len(bad):
        raise mistake(
            caller,
            got=f"{x[tuple(bad[0])]} at {_place(bad[0])}",
            expected=f"numbers in float32's range, at most {FLOAT32_MAX:.1e} in size",
            remedy="Choose a larger unit.",
        )


def _place(index: np.ndarray) -> str:
    row, *column = index.tolist()
    return f"row {row}" + (f", column {', '.join(map(str, column))}" if column else "")


def fingerprint(arrays: Arrays) -> str:
    """The sha256 over the names, dtypes, shapes and bytes of ``arrays``, by name.

    It is the same on every machine.

    >>> x = np.arange(3, dtype=np.int32)
    >>> fingerprint({"x": x}) == fingerprint({"x": x.copy()})
    True
    >>> fingerprint({"x": x}) == fingerprint({"x": x.astype(np.uint32)})
    False
    """
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.asarray(arrays[name])
        little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        digest.update(repr((name, array.dtype.name, array.shape)).encode())
        digest.update(little.tobytes())
    return digest.hexdigest()
