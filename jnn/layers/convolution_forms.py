"""The forms in which a CPU computes a convolution, each ``form(x, kernel, geometry) -> y``.

x is ``(N, *space, C)``, the kernel ``(*window, C / groups, O)``, and y ``(N, *out, O)``. Each form
says what it computes; which one is fastest, and by how much, is in ``convolution_choice.py``.
"""

import functools
import itertools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jnn.layers.axes import merge, split
from jnn.precision import numerics, wide

MOST_ROWS = 16  # of a large window, summed as one expression
LEAST_CHUNK, MOST_CHUNKS = 16, 16  # channels of a chunk, and chunks, which are unrolled


class Geometry(NamedTuple):
    """The settings of a convolution along each axis of space, and its groups.

    ``padding`` is ``(low, high)`` for each axis; a negative number crops.
    """

    strides: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    input_dilation: tuple[int, ...]
    kernel_dilation: tuple[int, ...]
    groups: int


def output_sizes(space, window, geometry):
    """The size of y along each axis of space, for these of x and of the kernel."""
    strides, padding, input_dilation, dilation, _ = geometry
    return [
        ((n - 1) * b + 1 + low + high - ((k - 1) * d + 1)) // s + 1
        for n, k, s, (low, high), b, d in zip(
            space, window, strides, padding, input_dilation, dilation, strict=True
        )
    ]


def plain(x, kernel, geometry):
    """XLA's own form, of x ``(N, *space, C)`` and a kernel ``(*window, C / groups, O)``."""
    axis = x.ndim - 1
    orders = lax.ConvDimensionNumbers(
        (0, axis, *range(1, axis)), (axis, axis - 1, *range(axis - 1)), (0, axis, *range(1, axis))
    )
    if not all(isinstance(n, int) for pair in geometry.padding for n in pair):
        # XLA takes no symbols as padding, as in an export for any size with strides.
        nothing = ((0, 0),) * (axis - 1)
        x = _padded(x, geometry)
        geometry = geometry._replace(padding=nothing, input_dilation=(1,) * (axis - 1))
    strides, padding, input_dilation, dilation, groups = geometry
    return lax.conv_general_dilated(
        x, kernel, strides, padding, input_dilation, dilation, orders, feature_group_count=groups
    )


def _once(form):
    """The form, with y as an array of its own.

    XLA:CPU would compute y again within a sum that follows, as the mean of a normalization is,
    element by element, in 15 times the time. It drops a barrier before it fuses, but no branch that
    it cannot decide.
    """

    @functools.wraps(form)
    def computed(x, kernel, geometry):
        whole = functools.partial(form, geometry=geometry)
        zeros = lambda x, kernel: jnp.zeros_like(whole(x, kernel))
        return lax.cond(lax.optimization_barrier(True), whole, zeros, x, kernel)

    return computed


@_once
def of_few_channels(x, kernel, geometry):
    """The sum over window and channels of shifted x times a row of features."""
    *window, channels, features = kernel.shape
    x = jnp.repeat(
        split(_padded(x, geometry), geometry.groups), features // geometry.groups, axis=-2
    )

    def products(*index):
        *tap, channel = index
        seen = _seen(x[..., channel], tap, window, geometry)
        return numerics(seen) * numerics(kernel[index])

    indices = itertools.product(*map(range, (*window, channels)))
    return functools.reduce(jnp.add, itertools.starmap(products, indices)).astype(x.dtype)


@_once
def of_few_features(x, kernel, geometry):
    """The sum over the window of shifted products of x with the kernel, all of them as one."""
    *window, channels, features = kernel.shape
    rows = jnp.moveaxis(kernel.reshape(-1, channels, features), 0, 1)
    products = split(_product(x, rows.reshape(channels, -1)), len(rows[0]))
    taps = itertools.product(*map(range, window))
    seen = [
        _seen(_padded(products[..., i, :], geometry), tap, window, geometry)
        for i, tap in enumerate(taps)
    ]
    return functools.reduce(jnp.add, seen).astype(x.dtype)


def of_windows_apart(x, kernel, geometry):
    """A product of blocks of x, each of which one output sees, with the kernel.

    Such are pointwise convolutions, and those that cut an image into patches.
    """
    window, space = kernel.shape[:-2], range(x.ndim - 2)
    outputs = output_sizes(x.shape[1:-1], window, geometry)
    blocks = _in_blocks(x, outputs, geometry.strides, window, geometry.padding)
    axes = (*(2 * axis + 2 for axis in space), blocks.ndim - 1), tuple(range(kernel.ndim - 1))
    return _product(blocks, kernel, axes).astype(x.dtype)


def of_taps_apart(x, kernel, geometry):
    """A product of what each output sees, one element of every block of x, with the kernel.

    Such are gradients to the kernels of `of_windows_apart`, whose channels are the batch: they are
    the first axis of the sum, so that XLA finds both operands in order (5 in place of 10 ms, 32 x
    28x28, 64 -> 128).
    """
    window, space = kernel.shape[:-2], range(x.ndim - 2)
    outputs = output_sizes(x.shape[1:-1], window, geometry)
    blocks = _in_blocks(x, window, geometry.kernel_dilation, outputs, geometry.padding)
    axes = (blocks.ndim - 1, *(2 * axis + 1 for axis in space)), (x.ndim - 2, *space)
    return _product(blocks, kernel, axes).astype(x.dtype)


def of_elements_apart(x, kernel, geometry):
    """A product of x with all taps, of which no two make the same output.

    Such are gradients to x of `of_windows_apart`, and transposed convolutions of single elements.
    """
    strides, padding, _, dilation, _ = geometry
    window, space = kernel.shape[:-2], x.shape[1:-1]
    outputs = output_sizes(space, window, geometry)
    reaches = [(k - 1) * d + 1 for k, d in zip(window, dilation, strict=True)]
    blocks = [max(pair) for pair in zip(geometry.input_dilation, reaches, strict=True)]
    y = _product(x, kernel, ((x.ndim - 1,), (kernel.ndim - 2,))).astype(x.dtype)
    y = jnp.flip(y, range(x.ndim - 1, y.ndim - 1))
    zero, none = jnp.zeros((), y.dtype), (0, 0, 0)
    to_blocks = [(0, b - r, d - 1) for b, r, d in zip(blocks, reaches, dilation, strict=True)]
    y = lax.pad(y, zero, [none] * (x.ndim - 1) + to_blocks + [none])
    for axis in range(1, x.ndim - 1):  # an element, and its block
        y = merge(jnp.moveaxis(y, x.ndim - 1, axis + 1), axis)
    axes = zip(space, blocks, reaches, outputs, strides, padding, strict=True)
    edges = [(low - r + 1, (t - 1) * s + r - low - n * b, 0) for n, b, r, t, s, (low, _) in axes]
    y = lax.pad(y, zero, [none, *edges, none])
    return y[:, *[slice(None, None, s) for s in strides]]


def _in_blocks(x, counts, sizes, kept, padding):
    """x, padded, as so many blocks along each axis in space, and the first elements of each.

    ``(N, count, kept, count, kept, ..., C)``.
    """
    axes = zip(x.shape[1:-1], counts, sizes, padding, strict=True)
    edges = [(low, count * size - n - low, 0) for n, count, size, (low, _) in axes]
    x = lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *edges, (0, 0, 0)])
    blocks = itertools.chain(*zip(counts, sizes, strict=True))
    x = x.reshape(x.shape[0], *blocks, x.shape[-1])
    first = itertools.chain(*((slice(None), slice(n)) for n in kept))
    return x[:, *first]


def of_small_images(x, kernel, geometry):
    """One product of all that each output sees, as a row, with the kernel."""
    window, x = kernel.shape[:-2], _padded(x, geometry)
    taps = itertools.product(*map(range, window))
    rows = jnp.concatenate([_seen(x, tap, window, geometry) for tap in taps], axis=-1)
    return _product(rows, kernel.reshape(-1, kernel.shape[-1])).astype(x.dtype)


def of_all_groups(form):
    """The form, of all groups at once, as one product with an axis for them."""

    def convolve(x, kernel, geometry):
        one = functools.partial(form, geometry=geometry._replace(groups=1))
        groups = [split(array, geometry.groups) for array in (x, kernel)]
        return merge(jax.vmap(one, (-2, -2), -2)(*groups))

    return convolve


def by_outputs(x, kernel, geometry):
    """A convolution with few outputs and a large window, each output a sum of products.

    Such is the gradient to a depthwise kernel, whose channels are the batch. XLA adds the elements
    of all but the last axis one by one: here it adds up to `MOST_ROWS` rows of the window as one
    expression, of which it computes many at once, and the rest by a product with ones.
    """
    strides, padding, _, dilation, groups = geometry
    length, features = kernel.shape[0], kernel.shape[-1]
    outputs = output_sizes(x.shape[1:-1], kernel.shape[:-2], geometry)
    parts = -(-length // MOST_ROWS)
    rows = -(-length // parts)
    missing = parts * rows - length
    (low, high), *others = padding
    longer = geometry._replace(padding=((low, high + missing * dilation[0]), *others))
    x = _padded(jnp.moveaxis(split(x[0], groups), -1, 0), longer)
    x = jnp.repeat(x, features // groups, axis=-1)
    kernel = jnp.moveaxis(kernel, -2, 0)
    kernel = jnp.pad(kernel, [(0, 0), (0, missing), *[(0, 0)] * (kernel.ndim - 2)])
    step = [rows * dilation[0], *dilation[1:]]
    sizes = [(k - 1) * d + 1 for k, d in zip((parts, *kernel.shape[2:-1]), step, strict=True)]

    def products(tap, row):
        start = tap * jnp.array(strides)
        start = start.at[0].add(row * dilation[0])
        seen = lax.dynamic_slice(x, (0, *start, 0), (x.shape[0], *sizes, features))
        seen = seen[:, *[slice(None, None, d) for d in step]]
        return numerics(seen) * numerics(kernel[:, row::rows])

    def output(tap):
        sums = functools.reduce(jnp.add, [products(tap, row) for row in range(rows)])
        sums = sums.reshape(-1, features)
        return jnp.ones(sums.shape[0], sums.dtype) @ sums

    taps = jnp.array(list(itertools.product(*map(range, outputs))))
    return lax.map(output, taps).reshape(1, *outputs, features).astype(x.dtype)


def in_chunks(x, kernel, geometry):
    """The sum over a few chunks of the channels, each a convolution that stays in the cache.

    Chunk i has every n-th channel, from the i-th on: of a batch that is split over devices, a part
    of each.
    """
    channels = kernel.shape[-2]
    chunk = next(
        d
        for d in range(1, channels + 1)
        if channels % d == 0 and d >= min(channels, LEAST_CHUNK) and d * MOST_CHUNKS >= channels
    )
    dtype, n = wide(x.dtype), channels // chunk
    x, kernel = split(split(x, geometry.groups), chunk), split(kernel, chunk, -2)
    parts = [plain(merge(x[..., i]), kernel[..., i, :], geometry).astype(dtype) for i in range(n)]
    return functools.reduce(jnp.add, parts).astype(x.dtype)


def _padded(x, geometry):
    """x ``(N, *space, C)`` with the zeros between its elements and around it."""
    edges = zip(geometry.padding, geometry.input_dilation, strict=True)
    config = [(0, 0, 0), *[(low, high, d - 1) for (low, high), d in edges], (0, 0, 0)]
    return lax.pad(x, jnp.zeros((), x.dtype), config)


def _seen(x, tap, window, geometry):
    """The elements of a padded x that one tap of the window sees, one for each output."""
    axes = zip(x.shape[1:-1], tap, window, geometry.strides, geometry.kernel_dilation, strict=True)
    return x[:, *[slice(i * d, i * d + n - (k - 1) * d, s) for n, i, k, s, d in axes]]


def _product(x, kernel, axes=None):
    """The product over ``axes`` of x and of the kernel, summed in float32 at least.

    By default over the last axis of x and the first of the kernel.
    """
    axes = axes or ((x.ndim - 1,), (0,))
    return lax.dot_general(x, kernel, (axes, ((), ())), preferred_element_type=wide(x.dtype))
