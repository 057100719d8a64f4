"""Values in JavaScript: views of buffers, and expressions that are not stored."""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

ARRAYS = {
    "float32": "Float32Array",
    "int32": "Int32Array",
    "uint32": "Uint32Array",
    "bool": "Uint8Array",
}
"""The typed array of each dtype that there is."""

HALVES = {"bfloat16": "bfloat16({0})", "float16": "float16({0})"}
"""Dtypes whose numbers are kept as float32, and how a number is rounded to them."""

Index = Sequence[str]
"""An expression for each axis."""


class View(NamedTuple):
    """A part of a buffer: ``buffer[offset + Σ index · stride]``.

    ``offset`` is an expression, since in a loop it may depend on the iteration.
    """

    buffer: str
    dtype: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: str = "0"

    def at(self, index: Index) -> str:
        """The element at an index."""
        return f"{self.buffer}[{self.place(index)}]"

    def place(self, index: Index) -> str:
        """Where an element is in the buffer."""
        terms = [] if self.offset == "0" else [self.offset]
        for i, stride, n in zip(index, self.strides, self.shape, strict=True):
            if stride and n != 1 and i != "0":
                terms.append(i if stride == 1 else f"{_atom(i)}*{stride}")
        return "+".join(terms) or "0"

    @property
    def is_contiguous(self) -> bool:
        """Whether the elements lie one after the other, in C order."""
        expected = contiguous(self.shape)
        pairs = zip(self.strides, expected, self.shape, strict=True)
        return all(n == 1 or stride == other for stride, other, n in pairs)

    def moved(self, shape: Sequence[int], strides: Sequence[int], offset: str = "0") -> "View":
        """Another view of the same buffer, ``offset`` further on."""
        return self._replace(
            shape=tuple(shape), strides=tuple(strides), offset=plus(self.offset, offset)
        )


class Expression(NamedTuple):
    """A value that is computed where it is read, for an index."""

    dtype: str
    shape: tuple[int, ...]
    text: Callable[[Index], str]
    size: int
    """Operations in it."""

    def at(self, index: Index) -> str:
        """The element at an index."""
        return self.text(index)


Value = View | Expression


def view(buffer: str, dtype: str, shape: Sequence[int], offset: str = "0") -> View:
    """A whole buffer, or a contiguous part of it."""
    return View(buffer, dtype, tuple(shape), contiguous(shape), offset)


def contiguous(shape: Sequence[int]) -> tuple[int, ...]:
    """The strides of C order.

    >>> contiguous((2, 3, 4))
    (12, 4, 1)
    """
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


def plus(a: str, b: str) -> str:
    """The sum of two expressions, those that are numbers added up."""
    if _is_number(a) and _is_number(b):
        return str(int(a) + int(b))
    return b if a == "0" else a if b == "0" else f"{a}+{_atom(b) if b.startswith('-') else b}"


def times(a: str, n: int) -> str:
    """An expression times a number."""
    if _is_number(a):
        return str(int(a) * n)
    return a if n == 1 else f"{_atom(a)}*{n}"


def literal(value: object) -> str:
    """A number as JavaScript has it."""
    array = np.asarray(value)
    number = array.astype(bool).item() if array.dtype == jax.dtypes.float0 else array.item()
    if isinstance(number, bool):
        return "1" if number else "0"
    if isinstance(number, float):
        if math.isnan(number):
            return "NaN"
        if math.isinf(number):
            return "Infinity" if number > 0 else "(-Infinity)"
    text = repr(number)
    return f"({text})" if text.startswith("-") else text


def dtype_of(aval: Any) -> str:
    """The dtype of a value here; keys are their uint32 data, and what has no gradient is false."""
    if aval.dtype == jax.dtypes.float0:
        return "bool"
    if is_half(aval):
        return "float32"
    return "uint32" if is_key(aval) else str(aval.dtype)


def is_half(aval: Any) -> bool:
    """Whether its numbers are kept as float32, rounded."""
    return str(aval.dtype) in HALVES


def shape_of(aval: Any) -> tuple[int, ...]:
    """The shape of a value; keys have two numbers on a last axis."""
    return (*aval.shape, 2) if is_key(aval) else tuple(aval.shape)


def is_key(aval: Any) -> bool:
    """Whether it is an array of random keys."""
    return jax.numpy.issubdtype(aval.dtype, jax.dtypes.prng_key)


def _atom(text: str) -> str:
    return text if text.isidentifier() or _is_number(text) else f"({text})"


def _is_number(text: str) -> bool:
    return text.lstrip("-").isdecimal()
