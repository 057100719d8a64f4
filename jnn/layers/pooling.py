"""Pooling and resizing over the axes of space, channels last.

Windows are reduced axis by axis, as strided slices: on a CPU the gradient of ``lax.reduce_window``
with ``max`` takes ten to twelve times as long (``python -m benchmarks pooling``).
"""

import functools
import math
import operator
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jnn.errors import mistake
from jnn.layers.axes import split
from jnn.layers.checks import check_positive, element_mask, refuse_mask
from jnn.layers.sliding_windows import Real, Windows, check_space, real_elements, windows
from jnn.model import Model, no_params
from jnn.precision import numerics


def max_pool(
    window: tuple[int, ...],
    *,
    strides: int | tuple[int, ...] | None = None,
    padding: str | int | tuple = "VALID",
) -> Model:
    """The largest value of each window: x ``(..., *space, C)`` -> y ``(..., *out, C)``.

    ``window`` has one number for each axis of space; ``strides`` are by default the window;
    ``padding`` is as in `conv`, and its elements are never the largest. The gradient goes to the
    first of equal values, and NaN stays NaN, as in PyTorch.

    >>> import jax.numpy as jnp
    >>> max_pool((2,)).apply({}, {}, jnp.array([[1.0], [3.0], [2.0], [0.0]]))[0].tolist()
    [[3.0], [2.0]]
    """
    settings = _windows("max_pool", window, strides, padding)

    def largest(real: Real) -> jax.Array:
        y = _slide(real.x, real.padding, settings, -jnp.inf, _first_largest)
        if real.is_real is None:
            return y
        any_real = _slide(real.is_real[..., None], real.padding, settings, False, operator.or_)
        return jnp.where(any_real, y, 0)

    return _windowed("max_pool", settings, largest, outside=-jnp.inf)


def average_pool(
    window: tuple[int, ...],
    *,
    strides: int | tuple[int, ...] | None = None,
    padding: str | int | tuple = "VALID",
    count_include_pad: bool = False,
) -> Model:
    """The mean of each window, in float32 at least: x ``(..., *space, C)`` -> y ``(..., *out, C)``.

    Settings as in `max_pool`. Padding does not count, as in TensorFlow; with ``count_include_pad``
    it counts as zeros, the default of PyTorch and Flax.

    >>> import jax.numpy as jnp
    >>> average_pool((2,)).apply({}, {}, jnp.array([[1.0], [3.0], [2.0], [0.0]]))[0].tolist()
    [[2.0], [1.0]]
    """
    settings = _windows("average_pool", window, strides, padding)
    rank = len(settings.size)

    def average(real: Real) -> jax.Array:
        x, padding = real.x, real.padding
        total = _slide(numerics(x), padding, settings, 0.0, operator.add)
        if count_include_pad:
            return (total / math.prod(settings.size)).astype(x.dtype)
        if real.is_real is None:
            space = x.shape[-rank - 1 : -1]
            ones = jnp.ones((*(1,) * (x.ndim - rank - 1), *space, 1), total.dtype)
        else:
            ones = real.is_real[..., None].astype(total.dtype)
        count = _slide(ones, padding, settings, 0.0, operator.add)
        return (total / jnp.maximum(count, 1)).astype(x.dtype)

    return _windowed("average_pool", settings, average)


def global_average_pool(rank: int = 2) -> Model:
    """The mean over the last ``rank`` axes of space: x ``(..., *space, C)`` -> y ``(..., C)``.

    ``rank`` does not count the channels: it is 2 for images and 1 for sequences, where the mean is
    over the elements for which ``mask`` ``(..., T)`` is True, and 0 if there are none. Computed in
    float32 at least.

    >>> import jax.numpy as jnp
    >>> x, mask = jnp.array([[1.0], [3.0], [8.0]]), jnp.array([True, True, False])
    >>> global_average_pool(1).apply({}, {}, x, mask=mask)[0].tolist()
    [2.0]
    """

    def average(x, real, axes):
        total = jnp.sum(jnp.where(real, numerics(x), 0), axes)
        return (total / jnp.maximum(jnp.sum(real.astype(total.dtype), axes), 1)).astype(x.dtype)

    return _global_pool("global_average_pool", rank, average)


def global_max_pool(rank: int = 2) -> Model:
    """The maximum over the last ``rank`` axes of space: x ``(..., *space, C)`` -> y ``(..., C)``.

    Equal values share the gradient. ``rank`` and ``mask`` as in `global_average_pool`.

    >>> import jax.numpy as jnp
    >>> x, mask = jnp.array([[1.0], [3.0], [8.0]]), jnp.array([True, True, False])
    >>> global_max_pool(1).apply({}, {}, x, mask=mask)[0].tolist()
    [3.0]
    """

    def largest(x, real, axes):
        y = jnp.max(jnp.where(real, x, -jnp.inf), axes, initial=-jnp.inf)
        return jnp.where(jnp.any(real, axes), y, 0)

    return _global_pool("global_max_pool", rank, largest)


def adaptive_average_pool(size: tuple[int, ...]) -> Model:
    """The means of ``size`` windows that cover each axis of space.

    x ``(..., *space, C)`` -> y ``(..., *size, C)``, computed in float32 at least. Window i of m on
    n elements is ``[floor(i n / m), ceil((i + 1) n / m))``, as in PyTorch: windows may overlap.
    Where m does not divide n, the means are a product with a matrix, in which an infinity or NaN
    reaches all windows along its axis. Raises `JnnError` where an axis of space is empty.

    >>> import jax.numpy as jnp
    >>> adaptive_average_pool((2,)).apply({}, {}, jnp.array([[1.0], [3.0], [8.0]]))[0].tolist()
    [[2.0], [5.5]]
    """
    size = windows("adaptive_average_pool", "size", size).size

    def weights(n, m):
        i = np.arange(n)
        inside = np.stack([(i >= start) & (i < end) for start, end in _bounds(n, m)], axis=1)
        return inside / inside.sum(0)

    def average(x):
        _check_elements("adaptive_average_pool", x, len(size))
        y = numerics(x)
        for axis, m in enumerate(size, x.ndim - len(size) - 1):
            n = y.shape[axis]
            y = _combine(y, axis, weights(n, m)) if n % m else jnp.mean(split(y, m, axis), axis + 1)
        return y.astype(x.dtype)

    return _of_whole_examples("adaptive_average_pool", len(size), average)


def adaptive_max_pool(size: tuple[int, ...]) -> Model:
    """The largest values of ``size`` windows that cover each axis of space.

    Windows are those of `adaptive_average_pool`; equal values share the gradient.

    >>> import jax.numpy as jnp
    >>> adaptive_max_pool((2,)).apply({}, {}, jnp.array([[1.0], [3.0], [8.0]]))[0].tolist()
    [[3.0], [8.0]]
    """
    size = windows("adaptive_max_pool", "size", size).size

    def largest(x):
        _check_elements("adaptive_max_pool", x, len(size))
        for axis, m in enumerate(size, x.ndim - len(size) - 1):
            bounds = _bounds(x.shape[axis], m)
            parts = [jax.lax.slice_in_dim(x, start, end, axis=axis) for start, end in bounds]
            x = jnp.concatenate([jnp.max(part, axis, keepdims=True) for part in parts], axis)
        return x

    return _of_whole_examples("adaptive_max_pool", len(size), largest)


def upsample(factor: tuple[int, ...], method: str = "nearest") -> Model:
    """Upsampling of each axis of space by ``factor``.

    x ``(..., *space, C)`` -> y ``(..., *(factor space), C)``. ``"nearest"`` repeats each element;
    ``"linear"`` (bilinear for images) interpolates between the centres of elements and is constant
    beyond the outermost, in float32 at least, as do ``jax.image.resize`` and PyTorch's
    ``interpolate`` with ``align_corners=False``. That is a product with a matrix, in which an
    infinity or NaN reaches all elements along its axis.

    >>> import jax.numpy as jnp
    >>> upsample((2,), "linear").apply({}, {}, jnp.array([[0.0], [4.0]]))[0].tolist()
    [[0.0], [1.0], [3.0], [4.0]]
    """
    factor = windows("upsample", "factor", factor).size
    if method not in ("nearest", "linear"):
        raise mistake("upsample", got=f"method={method!r}", expected="'nearest' or 'linear'")

    def weights(n, m):
        position = np.clip((np.arange(m) + 0.5) * n / m - 0.5, 0, n - 1)
        return np.maximum(1 - abs(np.arange(n)[:, None] - position), 0)

    def nearest(x):
        for axis, times in enumerate(factor, x.ndim - len(factor) - 1):
            x = jnp.repeat(x, times, axis=axis)
        return x

    def linear(x):
        y = numerics(x)
        for axis, times in enumerate(factor, x.ndim - len(factor) - 1):
            n = y.shape[axis]
            y = _combine(y, axis, weights(n, times * n))
        return y.astype(x.dtype)

    if method == "linear":
        return _of_whole_examples("upsample", len(factor), linear)

    def apply(params, state, x, *, key=None, train=False, mask=None):
        check_space("upsample", x, len(factor))
        element_mask("upsample", x, mask, space=len(factor))
        return nearest(x), state

    def follow(params, state, x, mask):
        if element_mask("upsample", x, mask, space=len(factor)) is None:
            return mask
        return nearest(mask[..., None])[..., 0]

    return Model(no_params, apply, follow=follow)


def _windows(caller, window, strides, padding) -> Windows:
    settings = windows(
        caller, "window", window, strides=window if strides is None else strides, padding=padding
    )
    if isinstance(settings.padding, tuple):
        for k, pair in zip(settings.size, settings.padding, strict=True):
            if max(pair) >= k:
                got = f"padding={padding!r} for window={window!r}"
                raise mistake(caller, got=got, expected="padding smaller than the window")
    return settings


def _windowed(
    caller: str, settings: Windows, f: Callable[[Real], jax.Array], outside: float = 0.0
) -> Model:
    """The model of a function of windows over the real elements of x."""

    def apply(params, state, x, *, key=None, train=False, mask=None):
        check_space(caller, x, len(settings.size))
        return f(real_elements(caller, x, mask, settings, outside)), state

    def follow(params, state, x, mask):
        is_real = real_elements(caller, x, mask, settings).mask
        return mask if is_real is None else is_real

    apply.__qualname__ = caller
    return Model(no_params, apply, follow=follow)


def _of_whole_examples(caller: str, rank: int, f: Callable[[jax.Array], jax.Array]) -> Model:
    """The model of a function of the whole size of an example, in which nothing is padding."""

    def apply(params, state, x, *, key=None, train=False, mask=None):
        check_space(caller, x, rank)
        why = "Its windows depend on the size of x: cut x to its real elements, without a mask."
        refuse_mask(caller, x, mask, axes=rank + 1, why=why)
        return f(x), state

    apply.__qualname__ = caller
    return Model(no_params, apply)


def _slide(x, padding, settings: Windows, outside: Any, combine: Callable) -> jax.Array:
    """``combine`` over the elements of each window, in their order in the image.

    The last axis of space comes first.
    """
    first = x.ndim - len(settings.size) - 1
    edges = [(0, 0, 0)] * first + [(low, high, 0) for low, high in padding] + [(0, 0, 0)]
    x = jax.lax.pad(x, jnp.asarray(outside, x.dtype), edges)
    for i in reversed(range(len(settings.size))):
        axis, k, stride = first + i, settings.size[i], settings.strides[i]
        end = x.shape[axis] - k + 1
        shifted = [jax.lax.slice_in_dim(x, j, j + end, stride, axis) for j in range(k)]
        x = functools.reduce(combine, shifted)
    return x


def _first_largest(a, b):
    return jnp.where((a >= b) | jnp.isnan(a), a, b)


def _global_pool(caller: str, rank: int, f: Callable) -> Model:
    """``f(x, real, axes)`` over the axes of space; ``real`` is the mask of their elements."""
    check_positive(caller, rank=rank)

    def apply(params, state, x, *, key=None, train=False, mask=None):
        check_space(caller, x, rank)
        mask = element_mask(caller, x, mask, space=rank)
        real = jnp.ones(x.shape[:-1], bool) if mask is None else mask
        return f(x, real[..., None], tuple(range(x.ndim - rank - 1, x.ndim - 1))), state

    def follow(params, state, x, mask):
        return mask if element_mask(caller, x, mask, space=rank) is None else None

    apply.__qualname__ = caller
    return Model(no_params, apply, follow=follow)


def _check_elements(caller: str, x: jax.Array, rank: int) -> None:
    """Refuse x with an empty axis of space: each window of it would be empty."""
    if 0 in x.shape[-rank - 1 : -1]:
        got, expected = f"x of shape {x.shape}", "one element at least along each axis of space"
        raise mistake(caller, got=got, expected=expected)


def _bounds(n: int, m: int) -> list[tuple[int, int]]:
    return [(i * n // m, -(-(i + 1) * n // m)) for i in range(m)]


def _combine(x: jax.Array, axis: int, weights: np.ndarray) -> jax.Array:
    """An axis of x times a matrix, from n elements to m."""
    matrix = jnp.asarray(weights, x.dtype)
    return jnp.moveaxis(jnp.tensordot(x, matrix, (axis, 0), precision="highest"), -1, axis)
