"""Sliding windows over the axes of space: size, strides, dilation and padding, checked."""

import difflib
from typing import Any, NamedTuple

from jnn.errors import mistake
from jnn.layers.checks import check_float

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
    return values


def _padding(caller, rank, padding, names):
    if isinstance(padding, str):
        if padding not in names:
            near = difflib.get_close_matches(padding.upper(), names, n=1)
            remedy = f"Did you mean {near[0]!r}?" if near else ""
            raise mistake(
                caller,
                got=f"padding={padding!r}",
                expected=f"{', '.join(names)}, or numbers",
                remedy=remedy,
            )
        return padding
    axes = tuple(padding) if isinstance(padding, tuple | list) else (padding,) * rank
    pairs = tuple(tuple(axis) if isinstance(axis, tuple | list) else (axis, axis) for axis in axes)
    is_pair = lambda pair: len(pair) == 2 and all(_is_integer(p, 0) for p in pair)
    if len(pairs) != rank or not all(map(is_pair, pairs)):
        expected = f"an integer >= 0, or for each of {rank} axes an integer or (low, high)"
        raise mistake(caller, got=f"padding={padding!r}", expected=expected)
    return pairs


def _is_integer(value, least):
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def pads(caller: str, settings: Windows, space: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """``(low, high)`` along each axis for an input of this size.

    Raises `JnnError` if no window fits into the padded input.
    """
    spans = settings.spans
    if settings.padding == "SAME":
        # ceil(size / strides) windows, an odd element of padding at the end, as in XLA and
        # TensorFlow
        missing = [
            max((-(-n // s) - 1) * s + span - n, 0)
            for n, s, span in zip(space, settings.strides, spans, strict=True)
        ]
        result = tuple((m // 2, m - m // 2) for m in missing)
    elif settings.padding == "CAUSAL":
        result = tuple((span - 1, 0) for span in spans)
    else:
        result = ((0, 0),) * len(space) if isinstance(settings.padding, str) else settings.padding
    along_axes = zip(space, result, spans, strict=True)
    if any(n < 1 or n + low + high < span for n, (low, high), span in along_axes):
        got = f"an input of size {space} and windows that span {spans}"
        raise mistake(
            caller,
            got=f"{got}, with padding {settings.padding!r}",
            expected="an input no smaller than a window",
            remedy="Use padding='SAME' or a smaller window.",
        )
    return result


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
