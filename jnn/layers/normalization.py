"""Layer, RMS, group and instance normalization, each of one example alone.

All compute

    y = (x - mean) / sqrt(variance + epsilon) * scale + bias

and differ in the axes of mean and variance. Statistics are computed in float32 at least, in two
passes: the one-pass ``E[x²] - E[x]²`` loses all digits if the mean is far from zero. Batch
normalization, in which examples influence each other, is in ``batch_normalization.py``.
"""

import math

import jax
import jax.numpy as jnp

from jnn.errors import mistake
from jnn.integers import check_number
from jnn.layers.checks import check_features, check_float, check_params, check_positive, wide_mask
from jnn.model import Model, Params, pointwise
from jnn.precision import numerics, parameter_dtype


def layer_norm(*, epsilon: float = 1e-5, use_scale: bool = True, use_bias: bool = True) -> Model:
    """Layer normalization, over the features of each element.

        y = (x - mean) / sqrt(variance + epsilon) * scale + bias

    x ``(..., D)`` -> y ``(..., D)``; params ``scale`` ``(D,)`` of ones, ``bias`` ``(D,)`` of zeros.
    The mean and the biased variance are over the last axis alone, in float32 at least. Raises
    `JnnError` for another D than in params and for integer x.

    PyTorch has the same epsilon, Flax 1e-6. Source: Ba et al. 2016,
    https://arxiv.org/abs/1607.06450.

    >>> import jax, jax.numpy as jnp
    >>> layer, x = layer_norm(), jnp.array([1.0, 3.0])
    >>> layer.apply(*layer.init(jax.random.key(0), x), x)[0].round(3).tolist()
    [-1.0, 1.0]
    """
    epsilon = check_number("layer_norm", "epsilon", epsilon, above=0)

    def init(key, x):
        check_float("layer_norm", x, min_rank=1)
        return affine_params(x, use_scale, use_bias), {}

    def apply(params, state, x, *, key=None, train=False, mask=None):
        check_float("layer_norm", x, min_rank=1)
        check_affine("layer_norm", x, params, use_scale, use_bias)
        h = numerics(x)
        mean, variance, _ = moments(h, axes=(-1,))
        y = (h - mean) * jax.lax.rsqrt(variance + epsilon)
        return affine(params, y).astype(x.dtype), state

    return pointwise(init, apply)


def rms_norm(*, epsilon: float = 1e-6, use_scale: bool = True, scale_offset: float = 0.0) -> Model:
    """RMS normalization: ``y = x / sqrt(mean(x²) + epsilon) * (scale_offset + scale)``.

    x ``(..., D)`` -> y ``(..., D)``; params ``scale`` ``(D,)``, first ``1 - scale_offset``: with an
    offset of 1, as in Gemma, weight decay draws the factor to 1. The mean is over the
    features; everything is computed in float32 at least. Raises `JnnError` for another D than in
    params and for integer x.

    PyTorch's default epsilon is the machine epsilon of x's type. Source: Zhang & Sennrich 2019,
    https://arxiv.org/abs/1910.07467.

    >>> import jax, jax.numpy as jnp
    >>> layer, x = rms_norm(), jnp.array([3.0, 4.0, 0.0, 0.0])
    >>> layer.apply(*layer.init(jax.random.key(0), x), x)[0].round(3)
    Array([1.2, 1.6, 0. , 0. ], dtype=float32)
    """
    epsilon = check_number("rms_norm", "epsilon", epsilon, above=0)
    scale_offset = check_number("rms_norm", "scale_offset", scale_offset)

    def init(key, x):
        check_float("rms_norm", x, min_rank=1)
        params = affine_params(x, use_scale, use_bias=False)
        return jax.tree.map(lambda ones: ones - scale_offset, params), {}

    def apply(params, state, x, *, key=None, train=False, mask=None):
        check_float("rms_norm", x, min_rank=1)
        check_affine("rms_norm", x, params, use_scale, use_bias=False)
        h = numerics(x)
        mean_square = jnp.mean(jnp.square(h), axis=-1, keepdims=True)
        factors = jax.tree.map(lambda scale: numerics(scale) + scale_offset, params)
        return affine(factors, h * jax.lax.rsqrt(mean_square + epsilon)).astype(x.dtype), state

    return pointwise(init, apply)


def group_norm(
    groups: int, rank: int, *, epsilon: float = 1e-5, use_scale: bool = True, use_bias: bool = True
) -> Model:
    """Group normalization, of each example over space and the channels of one group.

    x ``(..., *space, C)`` -> y of the same shape, where the last ``rank`` axes are one example: 3
    for an image ``(H, W, C)``, 2 for a sequence ``(T, C)``. The C channels form ``groups`` groups
    of neighbours; params ``scale`` and ``bias`` ``(C,)``. Statistics are in float32 at least, and
    with a mask ``(..., *space)`` those of the real elements.

    Raises `JnnError` if ``groups`` does not divide C, for fewer axes than ``rank``, and for a mask
    of another shape. Source: Wu & He 2018, https://arxiv.org/abs/1803.08494.

    >>> import jax, jax.numpy as jnp
    >>> layer, image = group_norm(2, rank=3), jnp.arange(16.0).reshape(2, 2, 4)
    >>> y, _ = layer.apply(*layer.init(jax.random.key(0), image), image)
    >>> bool(abs(y.reshape(4, 2, 2).mean((0, 2))).max() < 1e-6)
    True
    """
    check_positive("group_norm", groups=groups, rank=rank)
    return _grouped("group_norm", groups, rank, epsilon, use_scale, use_bias)


def instance_norm(
    rank: int, *, epsilon: float = 1e-5, use_scale: bool = True, use_bias: bool = True
) -> Model:
    """Instance normalization, of each channel of each example over space.

    It is `group_norm` with one channel in each group, and has its arguments; ``rank`` is at least
    2. There are no running statistics. Raises `JnnError` as `group_norm`, and if the space is a
    single element, where y would be the bias.

    PyTorch's ``InstanceNorm`` has no scale and bias by default. Source: Ulyanov et al. 2016,
    https://arxiv.org/abs/1607.08022.

    >>> import jax, jax.numpy as jnp
    >>> layer, sequence = instance_norm(rank=2), jnp.array([[1.0, 30.0], [3.0, 10.0]])
    >>> layer.apply(*layer.init(jax.random.key(0), sequence), sequence)[0].round(3).tolist()
    [[-1.0, 1.0], [1.0, -1.0]]
    """
    check_positive("instance_norm", rank=rank)
    if rank < 2:
        raise mistake(
            "instance_norm",
            got=f"rank={rank}",
            expected="at least 2 axes, (space, channels)",
            remedy="rank is that of one example.",
        )
    return _grouped("instance_norm", None, rank, epsilon, use_scale, use_bias)


def _grouped(
    caller: str, groups: int | None, rank: int, epsilon: float, use_scale: bool, use_bias: bool
) -> Model:
    """Group normalization; one channel in each group if ``groups`` is None."""
    epsilon = check_number(caller, "epsilon", epsilon, above=0)

    def check(x):
        check_float(caller, x, min_rank=rank)
        space = x.shape[x.ndim - rank : -1]
        if groups is None and math.prod(space) == 1:
            raise mistake(
                caller,
                got=f"x of shape {x.shape} with rank={rank}",
                expected="more than one element of space to normalize over",
            )
        if groups is not None and x.shape[-1] % groups:
            raise mistake(
                caller,
                got=f"{x.shape[-1]} channels in {groups} groups",
                expected="a number of groups that divides the channels",
            )

    def init(key, x):
        check(x)
        return affine_params(x, use_scale, use_bias), {}

    def apply(params, state, x, *, key=None, train=False, mask=None):
        check(x)
        check_affine(caller, x, params, use_scale, use_bias)
        mask = wide_mask(caller, x, mask, space=rank - 1)
        h = real(numerics(x), mask)
        space = tuple(range(x.ndim - rank, x.ndim - 1))
        is_real = None if mask is None else mask[..., None]
        mean, variance, _ = moments(h, space, is_real, groups=groups)
        return normalized(params, h, mean, variance, epsilon).astype(x.dtype), state

    apply.__qualname__ = caller
    return Model(init, apply)


def moments(
    x: jax.Array,
    axes: tuple[int, ...],
    mask: jax.Array | None = None,
    axis_name=None,
    groups: int | None = None,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Mean, biased variance and number of values of ``x`` over ``axes``, kept with length one.

    ``axis_name`` is an axis of ``jax.vmap`` or ``jax.shard_map`` to reduce over too. ``mask`` has
    the rank of x, and is True where a value counts; if none does, mean and variance are zero. With
    ``groups``, those of each group of neighbouring channels, at each of its channels.
    """

    def total(values):
        values = values if mask is None else jnp.where(mask, values, 0)
        values = jnp.sum(values, axes, keepdims=True)
        if groups is not None:  # each channel first: a CPU adds neighbours one by one
            size = values.shape[-1] // groups
            of_groups = values.reshape(*values.shape[:-1], groups, size).sum(-1)
            values = jnp.repeat(of_groups, size, axis=-1)
        return values if axis_name is None else jax.lax.psum(values, axis_name)

    n = total(jnp.ones_like(x))
    mean = total(x) / jnp.maximum(n, 1)
    return mean, total(jnp.square(x - mean)) / jnp.maximum(n, 1), n


def normalized(
    params: Params, x: jax.Array, mean: jax.Array, variance: jax.Array, epsilon: float
) -> jax.Array:
    """``(x - mean) / sqrt(variance + epsilon) * scale + bias``, of statistics by channel.

    The factors of a channel are multiplied first: with gradients this takes a CPU 0.8 of the time
    of one after the other, and 0.4 to 0.7 in one call, where fewer large arrays are allocated.
    """
    only = lambda name: {name: params[name]} if name in params else {}
    factor = affine(only("scale"), jax.lax.rsqrt(variance + epsilon))
    return affine(only("bias"), (x - mean) * factor)


def affine_params(x: jax.Array, use_scale: bool, use_bias: bool) -> Params:
    """``scale`` of ones and ``bias`` of zeros, for each feature, if they are used."""
    shape, dtype = x.shape[-1:], parameter_dtype(x)
    scale = {"scale": jnp.ones(shape, dtype)} if use_scale else {}
    return scale | ({"bias": jnp.zeros(shape, dtype)} if use_bias else {})


def affine(params: Params, x: jax.Array) -> jax.Array:
    """``x * scale + bias`` in the type of x, with those that are in params."""
    wide = lambda leaf: leaf.astype(x.dtype).reshape((1,) * (x.ndim - 1) + leaf.shape)
    x = x * wide(params["scale"]) if "scale" in params else x
    return x + wide(params["bias"]) if "bias" in params else x


def real(x: jax.Array, mask: jax.Array | None) -> jax.Array:
    """``x`` with zeros as padding, so that no NaN there reaches statistics or gradients."""
    return x if mask is None else jnp.where(mask[..., None], x, 0)


def check_affine(
    caller: str, x: jax.Array, params: Params, use_scale: bool, use_bias: bool
) -> None:
    """Check that params have the scale and the bias that are used, for the features of x."""
    scale, bias = ((None,) if is_used else None for is_used in (use_scale, use_bias))
    check_params(caller, params, scale=scale, bias=bias)
    for leaf in params.values():
        check_features(caller, x, leaf.shape[0])
