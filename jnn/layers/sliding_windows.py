"""Sliding windows over the axes of space: size, strides, dilation, padding, and masks."""

import operator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jnn.errors import mistake
from jnn.integers import as_integer
from jnn.layers.checks import check_float, element_mask
from jnn.model import where
from jnn.wording import suggestion

AXES = {
    1: "(..., time, channels)",
    2: "(..., height, width, channels)",
    3: "(..., depth, height, width, channels)",
}
IMAGE_CHANNELS = (1, 3)


class Windows(NamedTuple):
    """Settings along each axis of space; padding by name, or ``(low, high)`` for each axis."""

    size: tuple[int, ...]
    strides: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: str | tuple[tuple[int, int], ...]

    @property
    def spans(self) -> tuple[int, ...]:
        """The number of elements from the first to the last of a window, both included."""
        return tuple((k - 1) * d + 1 for k, d in zip(self.size, self.dilation, strict=True))

    @property
    def keeps_length(self) -> bool:
        """Whether there is a window for each element, whatever the size of the input."""
        if any(s > 1 for s in self.strides):
            return False
        if isinstance(self.padding, str):
            return self.padding in ("SAME", "CAUSAL") or set(self.spans) == {1}
        totals = (low + high for low, high in self.padding)
        return all(total == span - 1 for total, span in zip(totals, self.spans, strict=True))


def windows(
    caller: str,
    name: str,
    size,
    *,
    strides: Any = 1,
    dilation: Any = 1,
    padding: Any = "VALID",
    names=("SAME", "VALID"),
) -> Windows:
    """The settings of a layer, checked; ``name`` is the layer's name for ``size``."""
    if not isinstance(size, tuple | list) or len(size) not in AXES:
        remedy = "Its length is the number of axes of space: (3,) for sequences, (3, 3) for images."
        raise mistake(
            caller, got=f"{name}={size!r}", expected="a tuple of 1 to 3 integers", remedy=remedy
        )
    rank = len(size)
    return Windows(
        per_axis(caller, rank, name, size),
        per_axis(caller, rank, "strides", strides),
        per_axis(caller, rank, "dilation", dilation),
        _padding(caller, rank, padding, names),
    )


def per_axis(caller: str, rank: int, name: str, value, least: int = 1) -> tuple[int, ...]:
    """One integer for all axes, or one each, as a tuple."""
    values = tuple(value) if isinstance(value, tuple | list) else (value,) * rank
    if len(values) != rank or not all(_is_integer(v, least) for v in values):
        raise mistake(
            caller,
            got=f"{name}={value!r}",
            expected=f"an integer >= {least}, or {rank} of them in a tuple",
        )
    return tuple(operator.index(v) for v in values)


def _padding(caller, rank, padding, names):
    if isinstance(padding, str):
        if padding not in names:
            raise mistake(
                caller,
                got=f"padding={padding!r}",
                expected=f"{', '.join(names)}, or numbers",
                remedy=suggestion(padding, names),
            )
        return padding
    axes = tuple(padding) if isinstance(padding, tuple | list) else (padding,) * rank
    pairs = tuple(tuple(axis) if isinstance(axis, tuple | list) else (axis, axis) for axis in axes)
    is_pair = lambda pair: len(pair) == 2 and all(_is_integer(p, 0) for p in pair)
    if len(pairs) != rank or not all(map(is_pair, pairs)):
        expected = f"an integer >= 0, or for each of {rank} axes an integer or (low, high)"
        raise mistake(caller, got=f"padding={padding!r}", expected=expected)
    return tuple((operator.index(low), operator.index(high)) for low, high in pairs)


def _is_integer(value, least):
    integer = as_integer(value)
    return integer is not None and integer >= least


def pads(caller: str, settings: Windows, space: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """``(low, high)`` along each axis for an input of this size.

    Raises `JnnError` for an empty input, and if no window fits into the padded one.
    """
    spans = settings.spans
    if settings.padding == "SAME":
        # ceil(size / strides) windows, an odd element of padding at the end, as in XLA and
        # TensorFlow. A symbol, as in an export for any size, cannot be compared to 0.
        missing = [
            0 if span == 1 else max((-(-n // s) - 1) * s + span - n, 0)
            for n, s, span in zip(space, settings.strides, spans, strict=True)
        ]
        result = tuple((m // 2, m - m // 2) for m in missing)
    elif settings.padding == "CAUSAL":
        result = tuple((span - 1, 0) for span in spans)
    else:
        result = ((0, 0),) * len(space) if isinstance(settings.padding, str) else settings.padding
    if any(n < 1 for n in space):
        expected = "one element at least along each axis of space"
        raise mistake(caller, got=f"an input of size {space}", expected=expected)
    along_axes = zip(space, result, spans, strict=True)
    if any(n + low + high < span for n, (low, high), span in along_axes):
        got = f"an input of size {space} and windows that span {spans}"
        raise mistake(
            caller,
            got=f"{got}, with padding {settings.padding!r}",
            expected="an input no smaller than a window",
            remedy="Use padding='SAME' or a smaller window.",
        )
    return result


class Real(NamedTuple):
    """The real elements of x as windows slide over them."""

    x: jax.Array
    """x with a number in place of all other elements."""
    is_real: jax.Array | None
    """True for each real element, ``(..., *space)``; None without a mask."""
    padding: tuple[tuple[int, int], ...]
    """What is still to be padded, with that number."""
    mask: jax.Array | None
    """Which windows are real, ``(..., *out)``."""


def real_elements(
    caller: str, x: jax.Array, mask: jax.Array | None, settings: Windows, outside: float = 0.0
) -> Real:
    """x such that windows slide over a padded sequence as over its real elements alone.

    Where every element has a window, windows stay in their places, and so does the mask. Where
    windows are fewer than elements, each sequence is moved so that its windows lie as on the real
    part ``x[first : last + 1]`` alone, and the windows that this part has are the real ones.
    """
    rank, space = len(settings.size), x.shape[-len(settings.size) - 1 : -1]
    padding = pads(caller, settings, space)
    mask = element_mask(caller, x, mask, space=rank)
    if mask is None:
        return Real(x, None, padding, None)
    if settings.keeps_length:
        return Real(where(mask, x, jnp.full_like(x, outside)), mask, padding, mask)
    if rank > 1:
        raise mistake(
            caller,
            got=f"a mask of pixels, of shape {mask.shape}, and fewer windows than pixels",
            expected="no padding within an image, or as many windows as pixels",
        )
    first, length = real_part(mask)
    low, number = _low(settings, length), _number(settings, length)
    size = (_number(settings, space[0]) - 1) * settings.strides[0] + settings.spans[0]
    place = places(size, low) - low[..., None]
    source = jnp.clip(place + first[..., None], 0, space[0] - 1)
    is_real = (place >= 0) & (place < length[..., None]) & jnp.take_along_axis(mask, source, -1)
    x = jnp.take_along_axis(x, source[..., None], axis=-2)
    x = where(is_real, x, jnp.full_like(x, outside))
    windows = places(_number(settings, space[0]), number) < number[..., None]
    return Real(x, is_real, ((0, 0),), windows)


def places(n: int, leading: jax.Array) -> jax.Array:
    """The numbers 0 ... n - 1 along a new last axis, with an axis of 1 for each one of leading."""
    return jnp.arange(n, dtype=jnp.int32).reshape((1,) * leading.ndim + (n,))


def real_part(mask: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The place of the first real element, and the length up to the last: 0 if there is none.

    >>> real_part(jnp.array([False, True, False, True, False]))
    (Array(1, dtype=int32), Array(3, dtype=int32))
    """
    first = jnp.argmax(mask, axis=-1).astype(jnp.int32)
    place = places(mask.shape[-1], first)
    end = jnp.max(jnp.where(mask, place + 1, 0), axis=-1)
    return first, jnp.maximum(end - first, 0)


def _low(settings: Windows, n: Any) -> Any:
    """The padding in front of a sequence of n elements, a number or an array."""
    if settings.padding == "SAME":
        (s,), (span,) = settings.strides, settings.spans
        return jnp.maximum((-(-n // s) - 1) * s + span - n, 0) // 2
    if settings.padding == "CAUSAL":
        return jnp.zeros_like(n) + settings.spans[0] - 1
    low = 0 if isinstance(settings.padding, str) else settings.padding[0][0]
    return jnp.zeros_like(n) + low


def _number(settings: Windows, n: Any) -> Any:
    """The number of windows on a sequence of n elements, a number or an array; 0 of none."""
    (s,), (span,) = settings.strides, settings.spans
    if settings.padding in ("SAME", "CAUSAL"):
        return -(-n // s)
    low, high = (0, 0) if isinstance(settings.padding, str) else settings.padding[0]
    count = (n + low + high - span) // s + 1
    return max(count, 0) if isinstance(n, int) else jnp.where(n > 0, jnp.maximum(count, 0), 0)


def check_space(caller: str, x, rank: int) -> None:
    """Check that x is floating-point and has the axes of space and channels."""
    check_float(caller, x)
    if x.ndim < rank + 1:
        remedy = "A single channel needs an axis too: x[..., None]."
        raise mistake(
            caller,
            got=f"x of shape {x.shape}",
            expected=f"at least {rank + 1} axes, {AXES[rank]}",
            remedy=remedy,
        )


def check_channels_last(caller: str, x, rank: int) -> None:
    """Refuse x that looks like images with channels first: 1 or 3 before two equal sizes."""
    if rank != 2:
        return
    first, height, width = x.shape[-3:]
    if first in IMAGE_CHANNELS and height == width > max(IMAGE_CHANNELS):
        remedy = (
            "Channels come last in jnn: jnp.moveaxis(x, -3, -1); "
            "an image without an axis of channels needs one: x[..., None]."
        )
        raise mistake(
            caller,
            got=f"x of shape {x.shape}, which has channels first",
            expected=AXES[rank],
            remedy=remedy,
        )


def check_channels(caller: str, x, rank: int, channels: int) -> None:
    """Check that the last axis of x has the channels that the params were made for."""
    if x.shape[-1] != channels:
        remedy = "Use the params that this model's init made for x."
        if x.shape[-rank - 1] == channels:
            remedy = f"Channels come last in jnn: jnp.moveaxis(x, {-rank - 1}, -1)."
        elif channels == 1:
            remedy = "A single channel needs an axis too: x[..., None]."
        raise mistake(
            caller,
            got=f"x of shape {x.shape}",
            expected=f"{channels} channels in its last axis, as in params",
            remedy=remedy,
        )
