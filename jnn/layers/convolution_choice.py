"""The choice of the form in which a CPU computes a convolution.

XLA:CPU is fast where channels, features and images are neither few nor small, and windows small:
`plain`. Time of that over the time of the form that is chosen in its place, value alone, float32,
two cores with AVX-512, jax 0.10.2:

    few channels    64 x 28x28, 3x3       1 ->  4  15     1 -> 64  3.6    4 -> 16  4
    few features    64 x 28x28, 3x3      16 ->  1  3.5   64 ->  1  6.4   16 ->  8  1.3
    small images    128 -> 128 features   32 x 2x2, 3x3  8       512 -> 512, 128 x 2x2  80
                    of a dilated gradient to x, 32 x 2x2, strides of 2  2.4
    windows apart   32 x 28x28, 1x1  64 -> 256  2.2   2x2, strides of 2  96 -> 192  1.8
    taps apart      their gradients to the kernels  4.1, 2.1
    elements apart  their gradients to x  2.5, 1.2    of patches of 16x16, 3 -> 192  27
    single element  transposed, 64 x 1x1, 100 -> 512, 4x4  10     120 -> 16, 5x5  17
    by outputs      gradient, depthwise   32 x 28x28 x 64, 3x3  6      2 x 56x56 x 96, 7x7  25
    exchanged       gradient, 32 x 28x28, 3x3    64 -> 1  8   64 -> 8  1.8   64 -> 16  1.1

Outside of these bounds they lose: 6 -> 64 features as a sum takes 1.4 times as long as plain,
8 -> 8 of 5x5 as shifted products 2.6 times, 64 -> 32 of 2x2 windows apart 1.4 times, and a small
image as rows for many outputs, 64 -> 32 of 128 x 2x2, 4x4, dilated by 2, 6 times: the rows have 196
times as many elements as the image.
"""

import contextvars
import functools
import math
import operator

import jax.numpy as jnp
from jax import lax

from jnn.layers.axes import merge, split
from jnn.layers.convolution_forms import (
    Geometry,
    by_outputs,
    in_chunks,
    of_all_groups,
    of_elements_apart,
    of_few_channels,
    of_few_features,
    of_small_images,
    of_taps_apart,
    of_windows_apart,
    output_sizes,
    plain,
)
from jnn.placement import is_for_mesh
from jnn.precision import wide
from jnn.processor import instructions

FEW_CHANNELS, FEW_FEATURES = 4, 8  # of a convolution, or of one of its groups
MOST_TERMS = 64  # of a sum, which is unrolled and compiles longer the larger it is
LEAST_OF_WINDOWS = 64  # features, below which windows of many channels are not worth copying
MOST_CHANNELS_OF_A_GROUP = 8  # of which each is read apart from the others
MOST_OF_A_GROUP = 128  # terms of all features of a group, for each of which x is copied
SHORT_SUM = 9  # terms that are few for any number of features
MOST_COPIES = 3  # of a small image, as rows that outputs see, for each feature
MOST_ELEMENTS = 2**24  # of the products with all taps, which are in memory at once
MOST_OUTPUTS = 64  # of the gradient to a small kernel
FAR_MORE = 4  # so many times as many taps as outputs are a large window
MOST_SUMMED = 2**14  # elements of a window and its channels, beyond which chunks are faster
MOST_WRITTEN_OUT = 8  # groups that are computed one by one, without a loop


is_for_all_cores = contextvars.ContextVar("is_for_all_cores", default=False)
"""Whether the program that is lowered is compiled with options: see `jnn.train.compilation`."""


def in_sequence(x, kernel, *, geometry):
    """One member after the other, in the form that is fast on a CPU.

    x is ``(M, N, *space, C)``, and kernel ``(M, *window, C / groups, O)``.
    """
    one = _form(x.shape[1:], kernel.shape[1:], geometry)
    if kernel.shape[0] == 1:
        return one(x[0], kernel[0], geometry)[None]
    return lax.map(lambda member: one(member[0], member[1], geometry), (x, kernel))


def _form(x, kernel, geometry):
    """The form of a convolution on a CPU, by the shapes of x and of the kernel, and the processor.

    Not by trial, so that a run repeats its bits on a machine.
    """
    (N, *space, _), (*window, channels, features) = x, kernel
    taps, groups = math.prod(window), geometry.groups
    is_known = _is_known(space)
    is_whole = not is_for_mesh()  # XLA's partitioner sends the least for its own form
    outputs = output_sizes(space, window, geometry)
    if not _is_known([channels * taps]):  # of a gradient to a kernel, in an export
        return plain
    if not channels * taps or (is_known and min(outputs) < 1):
        return plain
    together = _form_of_one if groups == 1 else _form_of_groups
    if is_whole and (form := together(x, kernel, outputs, geometry)):
        return form
    if is_known and len(window) > 2:
        return _by_slices
    if is_known and math.prod(outputs) <= min(MOST_OUTPUTS, taps // FAR_MORE):
        return _form_of_gradient(x, kernel, geometry)
    if groups > 1:
        return _by_groups
    is_narrow = features <= min(FEW_FEATURES, channels // 2) and 1 < taps <= MOST_TERMS
    is_dense = is_whole and max(geometry.strides + geometry.input_dilation) == 1
    if is_narrow and is_dense and _is_known([N, *space]):
        products = N * math.prod(space) * taps * features
        if products <= _most_elements(taps, channels, features):
            return of_few_features
    return plain


def _is_known(sizes):
    """Whether all sizes are numbers, and no symbols, as in an export for any size."""
    return all(isinstance(n, int) for n in sizes)


def _form_of_one(x, kernel, outputs, geometry):
    """The form of a convolution without groups that is one product or sum, or else None."""
    (_, *space, _), (*window, channels, features) = x, kernel
    taps, is_known = math.prod(window), _is_known(space)
    if is_known and (form := _apart(space, kernel, outputs, geometry)):
        return form
    if channels <= FEW_CHANNELS and channels * taps <= _most_terms(features):
        return of_few_channels
    is_small = is_known and features >= FEW_FEATURES and math.prod(space) < taps <= MOST_TERMS
    if is_small and math.prod(outputs) * taps <= MOST_COPIES * features * math.prod(space):
        return of_small_images
    return None


def _form_of_groups(x, kernel, outputs, geometry):
    """The form of a convolution of groups that are computed together, or else None.

    Time of groups one by one over that of this form, as in `_most_terms`:

        a sum      of 1 to 9 terms 2 to 25, of 32 for 4 features of a group 0.9 to 1.2
                   of 49, depthwise, 1.8 to 3.6, of 50 for 2 features 1.2 to 5
                   but of 36 for 4 features 0.4 to 1.5, as in a ResNeXt
        pointwise  value and gradient to x 1 to 6, to the kernel 1 to 3
    """
    (N, *space, _), (*window, channels, features) = x, kernel
    of_one, taps = features // geometry.groups, math.prod(window)
    terms = channels * taps
    is_short = terms <= SHORT_SUM or (terms <= MOST_TERMS and terms * of_one <= MOST_OF_A_GROUP)
    if is_short and channels <= MOST_CHANNELS_OF_A_GROUP:
        return of_few_channels
    is_pointwise = taps == 1 or (N != 1 and math.prod(outputs) == 1)  # or the gradient of one
    if not is_pointwise or not _is_known(space):
        return None
    form = _apart(space, (*window, channels, of_one), outputs, geometry)
    return form and of_all_groups(form)


def _apart(space, kernel, outputs, geometry):
    """The form of a convolution that is a single product, where nothing overlaps; or else None."""
    strides, _, input_dilation, dilation, _ = geometry
    *window, channels, features = kernel
    axes = list(zip(space, window, outputs, strides, input_dilation, dilation, strict=True))
    is_fast = math.prod(window) == 1 or features >= LEAST_OF_WINDOWS or channels <= FEW_CHANNELS
    if is_fast and all(k <= s and b == d == 1 for _, k, _, s, b, d in axes):
        return of_windows_apart
    is_within = math.prod(window) <= math.prod(space)
    if is_within and all(b == 1 and (t == 1 or (s == 1 and t <= d)) for _, _, t, s, b, d in axes):
        return of_taps_apart
    is_kept = math.prod(space + window) <= 2 * math.prod(outputs)
    if is_kept and all(n == 1 or (s == 1 and (k - 1) * d < b) for n, k, _, s, b, d in axes):
        return of_elements_apart
    return None


def _most_terms(features):
    """The longest sum over window and channels for `of_few_channels` to be ahead of plain.

    Time of it over that of plain, 64 x 28x28 and 128 x 7x7, float32, two cores with AVX-512, jax
    0.10.2, alone and with `jnn.train.compiler_options`:

                                     alone       with options
        27 terms, 1 to 256 features   0.1 to 0.8   0.2 to 1.0
        36 to 50, of 16               0.3 to 0.6   0.2 to 0.6
        36 to 50, of 24 to 48         0.9 to 2.5   0.1 to 1.3
        36 to 50, of 128 and 256      0.4 to 3     0.5 to 3
    """
    return MOST_TERMS if features <= (64 if is_for_all_cores.get() else 16) else MOST_TERMS // 2


def _most_elements(taps, channels, features):
    """The most products with all taps, all in memory, for `of_few_features` to be ahead of plain.

    Time of it over that of plain, as in `_most_terms`, 32 x 28x28, 128 x 14x14 and 64 x 7x7:

                                       alone         with options
        4 to 49 taps, 1 or 3 features  0.1 to 1.1    0.1 to 0.5
        4 and 9 taps, 8 features       0.3 to 1.1    0.2 to 0.8
        16 to 49 taps, 8 features      0.6 to 2.5    of 16 channels 0.6 to 2, of more 0.1 to 0.9
            of them 64 x 7x7           0.5 to 1.4    0.1 to 0.8
    """
    is_ahead = features <= FEW_FEATURES // 2 or (is_for_all_cores.get() and channels >= 64)
    return MOST_ELEMENTS if taps < 16 or is_ahead else MOST_ELEMENTS // 8


def _form_of_gradient(x, kernel, geometry):
    """The form of a convolution of a large window with few outputs, as gradients to kernels are."""
    (N, *space, _), (*window, _, features) = x, kernel
    if geometry.groups > 1 and N == 1:
        return by_outputs
    steps = geometry.strides + geometry.input_dilation + geometry.kernel_dilation
    is_single = max(steps) == geometry.groups == 1 and not is_for_mesh()
    is_covered = all(map(operator.le, space, window))  # by a gradient, where there is padding
    is_wider = _is_known([N]) and features <= min(N // 2, _most_features_to_exchange())
    if is_single and is_covered and is_wider:
        return _exchanged
    return _plain_or_chunks(kernel, geometry.groups)


def _plain_or_chunks(kernel, groups):
    """The form of the gradient to a kernel, a convolution whose channels are the batch.

    Milliseconds, 3x3, float32, two cores of a processor with AVX-512, and of the same one while
    that was hidden from the libraries. With `jnn.train.compiler_options`, the last columns, plain
    is as fast as chunks and compiles faster, a cnn in 0.7 of the time: `fit` and `sweep` lower so.

                             AVX-512                       AVX2                        plain with
                             jax 0.10      jax 0.12        jax 0.10      jax 0.12      options
                             plain chunks  plain chunks    plain chunks  plain chunks  AVX-512 AVX2
        64 x 28x28,   3 -> 64  2.8    2.1    2.4    2.1      7.7    3.6    7.1    5.1      2.0  3.1
        64 x 28x28,  64 -> 64   43     42     22     25      186     74     84     55       26   25
       128 x 14x14,  64 -> 64   24     19     12     12       37     29     17     18       13   20
       128 x 28x28,  32 -> 64   65     42     43     35      508     52    269     67       44   34
       256 x 28x28,  32 -> 64  196     69    131     69     1103    113    553    132       85   89
       512 x 14x14,  64 -> 64  504    107    219     64      554    162    271     89       66   65
        32 x   4x4, 512 -> 512  15     16     17     16       17     18     26     19       13   13
    """
    if "avx2" not in instructions():
        return plain  # others were not measured
    is_short = math.prod(kernel[:-1]) <= MOST_SUMMED
    return plain if groups == 1 and (is_short or is_for_all_cores.get()) else in_chunks


def _most_features_to_exchange():
    """How many features a gradient to a kernel may have for `_exchanged` to be ahead of chunks.

    Its convolution has few rows and a large window, for which the kernels of YNNPACK are slow
    where there is AVX2 alone: 128 x 28x28, 64 -> 16 took 40 ms, chunks 22.
    """
    is_fast = is_for_all_cores.get() or "avx512f" in instructions()
    return math.inf if is_fast else FEW_FEATURES


def _by_groups(x, kernel, geometry):
    """One group after the other.

    Few are written out, so that XLA reads each where it lies in x. In a loop all are put in order
    first, and 2 to 8 groups take 1 to 2.9 times as long, 1.4 in the mean of 40 geometries; a step
    of a ResNeXt of 4 or 8 groups 1.1. They compile alike: 32 groups written out take 4 times as
    long to compile.
    """
    groups, one = geometry.groups, geometry._replace(groups=1)
    if groups > MOST_WRITTEN_OUT:
        members = [jnp.moveaxis(split(array, groups), -2, 0) for array in (x, kernel)]
        return merge(jnp.moveaxis(in_sequence(*members, geometry=one), 0, -2))
    parts, kernels = (jnp.split(array, groups, axis=-1) for array in (x, kernel))
    form = _form(parts[0].shape, kernels[0].shape, one)
    y = [form(part, kernel, one) for part, kernel in zip(parts, kernels, strict=True)]
    return jnp.concatenate(y, axis=-1)


def _by_slices(x, kernel, geometry):
    """A convolution over three axes or more as a sum of those over all but the first of them.

    Each has the slices of x that one tap of the window sees, or, where outputs are fewer than taps,
    all that one output sees.
    """
    strides, padding, input_dilation, dilation, groups = geometry
    s, (low, high), b, d = strides[0], padding[0], input_dilation[0], dilation[0]
    inner = Geometry(strides[1:], padding[1:], input_dilation[1:], dilation[1:], groups)
    outputs, *_ = output_sizes(x.shape[1:-1], kernel.shape[:-2], geometry)
    x = lax.pad(
        x, jnp.zeros((), x.dtype), [(0, 0, 0), (low, high, b - 1), *[(0, 0, 0)] * (x.ndim - 2)]
    )
    taps, N = kernel.shape[0], x.shape[0]
    convolve = lambda x, kernel: _form(x.shape, kernel.shape, inner)(x, kernel, inner)

    def of_tap(i):
        seen = x[:, i * d : i * d + (outputs - 1) * s + 1 : s]
        return convolve(merge(seen, 0), kernel[i]).astype(wide(x.dtype))

    def of_output(i):
        seen = split(x[:, i * s : i * s + (taps - 1) * d + 1 : d], groups)
        seen = merge(jnp.moveaxis(seen, 1, -2))  # slices as channels of each group
        return convolve(merge(seen), merge(jnp.moveaxis(kernel, 0, -3), -3))

    if outputs < taps:
        return jnp.stack([of_output(i) for i in range(outputs)], axis=1)
    y = functools.reduce(jnp.add, map(of_tap, range(taps))).astype(x.dtype)
    return y.reshape(N, outputs, *y.shape[1:])


def _exchanged(x, kernel, geometry):
    """The kernel as images, with x as their kernel: a product with wider rows.

    y[n, t, o] = Σ_{s, c} kernel[s - t, c, o] x[n, s, c]

    Not where x is larger than the kernel, as it is in the gradient of a convolution without
    padding: XLA:CPU takes 8 to 20 times as long there (64 x 28x28, 16 -> 8, 5x5: 66 in place of 9
    ms), also with the zeros as elements.
    """
    sizes, (*window, _, _) = x.shape[1:-1], kernel.shape
    outputs = output_sizes(sizes, window, geometry)
    padding = [
        (t - 1 - low, n - k + low)
        for n, k, t, (low, _) in zip(sizes, window, outputs, geometry.padding, strict=True)
    ]
    geometry = geometry._replace(padding=tuple(padding))
    images, kernel = jnp.moveaxis(kernel, -1, 0), jnp.moveaxis(x, 0, -1)
    y = _plain_or_chunks(kernel.shape, geometry.groups)(images, kernel, geometry)
    return jnp.flip(jnp.swapaxes(y, 0, -1), range(1, y.ndim - 1))
