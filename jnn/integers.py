"""Whether a setting is an integer or a number: Python's and NumPy's are, a bool is neither."""

from __future__ import annotations

import math
import operator
from numbers import Real
from typing import Any

from jnn.errors import mistake


def as_integer(value: Any) -> int | None:
    """``value`` as a Python int, or None where it is no integer.

    >>> import numpy as np
    >>> as_integer(np.int8(3)), as_integer(3.0), as_integer(True)
    (3, None, None)
    """
    try:
        return None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        return None


def check_integer(caller: str, name: str, value: Any, *, least: int = 1) -> int:
    """``value`` as a Python int; raises JnnError unless it is an integer >= ``least``.

    Integers are what can be an index, such as ``labels.max() + 1`` of an integer array.

    >>> import numpy as np
    >>> check_integer("dense", "features", np.int64(3))
    3
    >>> check_integer("dense", "features", np.float64(3))
    Traceback (most recent call last):
    jnn.errors.JnnError: dense: got features=3.0, expected an integer >= 1.
    """
    integer = as_integer(value)
    if integer is None or integer < least:
        got, expected = f"{name}={spelled(value)}", f"an integer >= {least}"
        raise mistake(caller, got=got, expected=expected)
    return integer


def as_number(value: Any) -> float | None:
    """``value`` as a Python float, or None where it is no real number.

    A number of NumPy would promote an array of lower precision to its own.

    >>> import numpy as np
    >>> as_number(np.float32(0.5)), as_number(3), as_number(True), as_number("3")
    (0.5, 3.0, None, None)
    """
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    return float(value) if is_number else None


def check_number(
    caller: str, name: str, value: Any, *, least: float = -math.inf, above: float = -math.inf
) -> float:
    """``value`` as a Python float; raises JnnError unless it is finite, >= least and > above.

    >>> check_number("layer_norm", "epsilon", 0, above=0)
    Traceback (most recent call last):
    jnn.errors.JnnError: layer_norm: got epsilon=0, expected a number > 0.
    """
    number = as_number(value)
    if number is None or not (least <= number < math.inf and above < number):
        bound = f" > {above:g}" if above > -math.inf else f" >= {least:g}"
        expected = "a number" + (bound if max(least, above) > -math.inf else "")
        raise mistake(caller, got=f"{name}={spelled(value)}", expected=expected)
    return number


def check_fraction(caller: str, name: str, value: Any, *, ends: str = "()") -> float:
    """``value`` as a Python float; raises JnnError unless it is a number between 0 and 1.

    ``ends`` says which of the two are in the interval: ``"[)"`` is 0 <= value < 1.

    >>> import numpy as np
    >>> check_fraction("dropout", "rate", np.float32(0.5), ends="[)")
    0.5
    >>> check_fraction("dropout", "rate", False, ends="[)")
    Traceback (most recent call last):
    jnn.errors.JnnError: dropout: got rate=False, expected a fraction in [0, 1).
    """
    number = as_number(value)
    at_end = (number == 0 and ends[0] == "[") or (number == 1 and ends[1] == "]")
    if number is None or not (0 < number < 1 or at_end):
        expected = f"a fraction in {ends[0]}0, 1{ends[1]}"
        raise mistake(caller, got=f"{name}={spelled(value)}", expected=expected)
    return number


def spelled(value: Any) -> str:
    """``value`` as Python writes it, numbers of NumPy as the equal ones of Python.

    >>> import numpy as np
    >>> spelled(np.int64(3)), spelled("3")
    ('3', "'3'")
    """
    is_scalar = hasattr(value, "dtype") and getattr(value, "ndim", None) == 0
    try:
        return repr(value.item()) if is_scalar and hasattr(value, "item") else repr(value)
    except TypeError:  # a traced number has no value
        return repr(value)
