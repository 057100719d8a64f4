"""Convolutions over one to three axes of space, channels last: plain, depthwise, transposed."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp

from jnn.errors import mistake
from jnn.initializers import draw, lecun_normal, zeros
from jnn.layers.bilinear_convolution import convolution
from jnn.layers.checks import (
    check_carry,
    check_params,
    check_positive,
    element_mask,
    refuse_mask,
)
from jnn.layers.convolution_forms import Geometry, output_sizes
from jnn.layers.sliding_windows import (
    Windows,
    check_channels,
    check_channels_last,
    check_space,
    per_axis,
    places,
    real_elements,
    real_part,
    windows,
)
from jnn.model import Model, check_key
from jnn.precision import parameter_dtype
from jnn.threefry import split


def conv(
    features: int,
    kernel_size: tuple[int, ...],
    *,
    strides: int | tuple[int, ...] = 1,
    padding: str | int | tuple = "SAME",
    dilation: int | tuple[int, ...] = 1,
    groups: int = 1,
    use_bias: bool = True,
    kernel_init=lecun_normal(),
    bias_init=zeros,
) -> Model:
    """The convolution: every output is a weighted sum over a window.

        y[t] = Σ_τ x[t strides + τ dilation - low] kernel[τ] + bias,   x zero outside

    x ``(..., *space, C)`` -> y ``(..., *out, features)``; ``kernel_size`` has one number for each
    axis of space: ``(3,)`` for sequences, ``(3, 3)`` for images. Params ``kernel``
    ``(*kernel_size, C / groups, features)``, ``bias`` ``(features,)``.

    ``padding``  by name, or numbers: one for all axes, or for each axis one or ``(low, high)``
                 ``"SAME"``: ``ceil(size / strides)`` outputs, an odd element of padding at the end,
                 as in TensorFlow; with strides, PyTorch's ``padding=k // 2`` differs
                 ``"VALID"``: none
                 ``"CAUSAL"``, for sequences: all in front, so that y[t] depends on x[:t+1]; with
                 strides of 1 the model streams, and remembers ``(k - 1) dilation`` elements
    ``groups``   output group i depends on input group i alone
    ``mask``     of sequences, ``(..., T)``: masked elements count as zero, as padding does, and
                 windows lie as on the real elements alone, first to last; in a stream those before
                 the first and after the last real one that are read at once are left out

    PyTorch's ``weight[o, i, τ]`` is ``kernel[τ, i, o]``. Raises `JnnError` for channels first,
    other channels than in params, groups that do not divide, a window larger than the padded input,
    and integer x.

    >>> import jax, jax.numpy as jnp
    >>> layer = conv(8, (3, 3), strides=2)
    >>> params, state = layer.init(jax.random.key(0), jnp.ones((28, 28, 1)))
    >>> layer.apply(params, state, jnp.ones((5, 28, 28, 1)))[0].shape
    (5, 14, 14, 8)
    """
    check_positive("conv", features=features, groups=groups)
    if features % groups:
        raise mistake(
            "conv",
            got=f"features={features} in groups={groups}",
            expected="features that groups divide",
        )

    def sizes(channels):
        if channels % groups:
            raise mistake(
                "conv",
                got=f"{channels} channels in groups={groups}",
                expected="channels that groups divide",
            )
        return channels // groups, features, groups

    window = _windows("conv", kernel_size, strides, dilation, padding)
    return _layer(
        "conv",
        window,
        sizes,
        lambda kernel: kernel.shape[-2] * groups,
        kernel_init,
        bias_init if use_bias else None,
    )


def depthwise_conv(
    kernel_size: tuple[int, ...],
    multiplier: int = 1,
    *,
    strides: int | tuple[int, ...] = 1,
    padding: str | int | tuple = "SAME",
    dilation: int | tuple[int, ...] = 1,
    use_bias: bool = True,
    kernel_init=lecun_normal(),
    bias_init=zeros,
) -> Model:
    """`conv` of each channel alone, ``multiplier`` outputs from each.

    x ``(..., *space, C)`` -> y ``(..., *out, C multiplier)``, the outputs of one channel next to
    each other; params ``kernel`` ``(*kernel_size, 1, C multiplier)``, ``bias`` ``(C multiplier,)``.
    It is `conv` with as many groups as channels; settings are those of `conv`.

    >>> import jax, jax.numpy as jnp
    >>> layer = depthwise_conv((3,), 2, padding="CAUSAL")
    >>> params, state = layer.init(jax.random.key(0), jnp.ones((7, 4)))
    >>> layer.apply(params, state, jnp.ones((7, 4)))[0].shape
    (7, 8)
    """
    check_positive("depthwise_conv", multiplier=multiplier)
    window = _windows("depthwise_conv", kernel_size, strides, dilation, padding)
    sizes = lambda channels: (1, channels * multiplier, channels)
    return _layer(
        "depthwise_conv",
        window,
        sizes,
        lambda kernel: kernel.shape[-1] // multiplier,
        kernel_init,
        bias_init if use_bias else None,
    )


def conv_transpose(
    features: int,
    kernel_size: tuple[int, ...],
    *,
    strides: int | tuple[int, ...] = 1,
    padding: str | int | tuple = "SAME",
    output_padding: int | tuple[int, ...] = 0,
    dilation: int | tuple[int, ...] = 1,
    use_bias: bool = True,
    kernel_init=lecun_normal(),
    bias_init=zeros,
) -> Model:
    """The transposed convolution: every input is spread over a window of outputs.

        y[t strides + τ dilation - low] += x[t] kernel[τ]

    x ``(..., *space, C)`` -> y ``(..., *out, features)``, where ``out`` is
    ``(size - 1) strides + (k - 1) dilation + 1 - low - high + output_padding``; params ``kernel``
    ``(*kernel_size, C, features)``, ``bias`` ``(features,)``. Mask and errors as in `conv`.

    ``padding``         the outputs that are cropped, by name, or numbers as in `conv`
                        ``"SAME"``: ``size strides`` outputs, the transpose of a `conv` with
                        ``"SAME"``
                        ``"VALID"``: none
    ``output_padding``  additional outputs at the end of each axis, unless padding is ``"SAME"``: a
                        strided `conv` maps several sizes to one, and this chooses among them, as in
                        PyTorch

    Numbers are as in PyTorch's ``ConvTranspose``, whose ``weight[i, o, τ]`` is ``kernel[τ, i, o]``:
    nothing is flipped. Flax's ``ConvTranspose`` flips: its ``kernel[τ]`` is ``kernel[k - 1 - τ]``
    here.

    >>> import jax, jax.numpy as jnp
    >>> layer = conv_transpose(3, (4, 4), strides=2)
    >>> params, state = layer.init(jax.random.key(0), jnp.ones((7, 7, 8)))
    >>> layer.apply(params, state, jnp.ones((7, 7, 8)))[0].shape
    (14, 14, 3)
    """
    check_positive("conv_transpose", features=features)
    window = windows(
        "conv_transpose",
        "kernel_size",
        kernel_size,
        strides=strides,
        dilation=dilation,
        padding=padding,
    )
    rank = len(window.size)
    more = per_axis("conv_transpose", rank, "output_padding", output_padding, least=0)
    padding = _transposed_pads(window, more)
    geometry = Geometry((1,) * rank, padding, window.strides, window.dilation, 1)

    def init(key, x):
        check_space("conv_transpose", x, rank)
        check_channels_last("conv_transpose", x, rank)
        shape = (*window.size, x.shape[-1], features)
        return _params(
            "conv_transpose", key, x, shape, kernel_init, bias_init if use_bias else None
        ), {}

    def apply(params, state, x, *, key=None, train=False, mask=None):
        check_space("conv_transpose", x, rank)
        bias = (features,) if use_bias else None
        check_params("conv_transpose", params, kernel=(*window.size, None, features), bias=bias)
        kernel = params["kernel"]
        check_channels("conv_transpose", x, rank, kernel.shape[-2])
        space = x.shape[-rank - 1 : -1]
        _check_not_empty(space, tuple(output_sizes(space, window.size, geometry)))
        x, flipped = _from_the_start(x, mask, rank), jnp.flip(kernel, range(rank))
        return _over_leading_axes(x, flipped, params.get("bias"), geometry), state

    def follow(params, state, x, mask):
        if element_mask("conv_transpose", x, mask, space=rank) is None:
            return mask
        number = lambda n: output_sizes((n,), window.size, geometry)[0]
        _, length = real_part(mask)
        size = max(number(mask.shape[-1]), 0)
        return (places(size, length) < number(length)[..., None]) & (length > 0)[..., None]

    return Model(init, apply, follow=follow)


def _check_not_empty(space: tuple[int, ...], sizes: tuple[int, ...]) -> None:
    """Refuse an input from which all outputs are cropped, or that has none."""
    if any(n < 1 for n in (*space, *sizes)):
        raise mistake(
            "conv_transpose",
            got=f"an input of size {space} and outputs of size {sizes}",
            expected="at least one element of both",
            remedy="Lower the padding, which is cropped from the outputs.",
        )


def _from_the_start(x: jax.Array, mask: jax.Array | None, rank: int) -> jax.Array:
    """x with each sequence moved so that its real part comes first, zeros elsewhere."""
    mask = element_mask("conv_transpose", x, mask, space=rank)
    if mask is None:
        return x
    if rank > 1:
        refuse_mask("conv_transpose", x, mask, axes=rank + 1, why="Crop the images instead.")
    first, _ = real_part(mask)
    order = (places(mask.shape[-1], first) + first[..., None]) % mask.shape[-1]
    x = jnp.where(mask[..., None], x, jnp.zeros((), x.dtype))
    return jnp.take_along_axis(x, order[..., None], axis=-2)


def _transposed_pads(window: Windows, more: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """The padding of the convolution of x, dilated by the strides, that is the transposed one."""
    if window.padding == "SAME":
        cut = [max(span - s, 0) // 2 for span, s in zip(window.spans, window.strides, strict=True)]
        return tuple(
            (span - 1 - low, s - 1 + low)
            for low, span, s in zip(cut, window.spans, window.strides, strict=True)
        )
    cut = ((0, 0),) * len(more) if isinstance(window.padding, str) else window.padding
    return tuple(
        (span - 1 - low, span - 1 - high + n)
        for span, (low, high), n in zip(window.spans, cut, more, strict=True)
    )


def _windows(caller, kernel_size, strides, dilation, padding) -> Windows:
    is_sequence = isinstance(kernel_size, tuple | list) and len(kernel_size) == 1
    names = ("SAME", "VALID", "CAUSAL") if is_sequence else ("SAME", "VALID")
    return windows(
        caller,
        "kernel_size",
        kernel_size,
        strides=strides,
        dilation=dilation,
        padding=padding,
        names=names,
    )


def _layer(
    caller: str, window: Windows, sizes: Callable, channels: Callable, kernel_init, bias_init
) -> Model:
    """The model of a convolution.

    ``sizes(C)`` are the channels of one group, the outputs, and the groups; ``channels(kernel)`` is
    C.
    """
    rank = len(window.size)

    def init(key, x):
        check_space(caller, x, rank)
        check_channels_last(caller, x, rank)
        shape = (*window.size, *sizes(x.shape[-1])[:2])
        return _params(caller, key, x, shape, kernel_init, bias_init), {}

    def check_kernel(params):
        bias = None if bias_init is None else (None,)
        check_params(caller, params, kernel=(*window.size, None, None), bias=bias)

    def slide(params, x, padding):
        check_kernel(params)
        check_channels(caller, x, rank, channels(params["kernel"]))
        of_group, features, groups = sizes(x.shape[-1])
        shape, bias = (*window.size, of_group, features), None if bias_init is None else (features,)
        check_params(caller, params, kernel=shape, bias=bias)
        geometry = Geometry(window.strides, padding, (1,) * rank, window.dilation, groups)
        return _over_leading_axes(x, params["kernel"], params.get("bias"), geometry)

    def apply(params, state, x, *, key=None, train=False, mask=None):
        check_space(caller, x, rank)
        real = real_elements(caller, x, mask, window)
        return slide(params, real.x, real.padding), state

    def follow(params, state, x, mask):
        is_real = real_elements(caller, x, mask, window).mask
        return mask if is_real is None else is_real

    last = window.spans[0] - 1  # elements that a stream remembers

    def carry(params, x_t, length):
        return jnp.zeros((*x_t.shape[:-1], last, x_t.shape[-1]), x_t.dtype)

    def after(carry, params, x):
        """x after the elements that are remembered."""
        check_space(caller, x, rank)
        check_kernel(params)
        check_channels(caller, x, rank, channels(params["kernel"]))
        shape = *x.shape[:-2], last, x.shape[-1]
        check_carry(caller, carry, jax.ShapeDtypeStruct(shape, x.dtype))
        return jnp.concatenate([carry, x], axis=-2)

    def step(params, state, carry, x_t):
        x = after(carry, params, x_t[..., None, :])
        return slide(params, x, ((0, 0),))[..., 0, :], x[..., 1:, :]

    def read(params, state, carry, x, *, key=None, train=False, mask=None):
        mask = element_mask(caller, x, mask)
        if mask is None:
            x = after(carry, params, x)
            return slide(params, x, ((0, 0),)), x[..., x.shape[-2] - last :, :]
        along = lambda x, index: jnp.take_along_axis(x, index[..., None], axis=-2)
        first, length = (of_part[..., None] for of_part in real_part(mask))
        # The real part comes first, wherever padding is.
        place, T = places(mask.shape[-1], mask[..., 0]), mask.shape[-1]
        x = jnp.where(mask[..., None], x, jnp.zeros((), x.dtype))
        x = after(carry, params, along(x, (place + first) % T))
        y = along(slide(params, x, ((0, 0),)), (place - first) % T)
        return y, along(x, length + places(last, mask[..., 0]))

    apply.__qualname__ = caller
    if window.padding != "CAUSAL" or window.strides != (1,):
        return Model(init, apply, follow=follow)
    return Model(init, apply, carry, step, read, follow)


def _params(caller: str, key, x, shape, kernel_init, bias_init) -> dict[str, jax.Array]:
    check_key(caller, key)
    kernel_key, bias_key = split(key)
    params = {"kernel": draw(kernel_init, kernel_key, shape, parameter_dtype(x))}
    if bias_init is not None:
        params["bias"] = draw(bias_init, bias_key, shape[-1:], parameter_dtype(x))
    return params


def _over_leading_axes(x, kernel, bias, geometry: Geometry) -> jax.Array:
    """The convolution of x ``(..., *space, C)``, all leading axes as one batch."""
    leading = x.ndim - kernel.ndim + 1
    dtype = jnp.result_type(x, kernel)
    flat = x.reshape(math.prod(x.shape[:leading]), *x.shape[leading:])
    y = convolution(flat.astype(dtype), kernel.astype(dtype), geometry)
    if bias is not None:
        y = y + bias.reshape((1,) * (y.ndim - 1) + (-1,))
    return y.reshape(*x.shape[:leading], *y.shape[1:])
