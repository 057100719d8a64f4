"""Normalization of each example by itself: layer, root mean square, group, and instance
normalization.

All make ``y = (x - mean) / sqrt(variance + epsilon) * scale + bias`` and differ in what the mean
and the variance are taken over. Statistics are computed in float32 at least, in two passes: the
one-pass ``E[x²] - E[x]²`` loses all digits where the mean is far from zero. Batch normalization, in
which examples influence each other, is in ``batch_normalization.py``.
"""

import math

import jax
import jax.numpy as jnp

from jnn.errors import mistake
from jnn.layers.checks import check_features, check_float, check_positive
from jnn.model import Model, Params, pointwise
from jnn.precision import numerics, parameter_dtype


def layer_norm(*, epsilon: float = 1e-5, use_scale: bool = True, use_bias: bool = True) -> Model:
    """Normalization over the features of each element:
    ``y = (x - mean) / sqrt(variance + epsilon) * scale + bias``.

    x ``(..., D)`` -> y ``(..., D)``; params ``scale`` ``(D,)`` of ones, ``bias`` ``(D,)`` of zeros.
    The mean and the biased variance are over the last axis alone, in float32 at least. Raises
    `JnnError` for another D than in params and for integer x. PyTorch has the same epsilon, Flax
    1e-6. Source: Ba et al. 2016, https://arxiv.org/abs/1607.06450.

    >>> import jax, jax.numpy as jnp
    >>> layer, x = layer_norm(), jnp.array([1.0, 3.0])
    >>> layer.apply(*layer.init(jax.random.key(0), x), x)[0].round(3).tolist()
    [-1.0, 1.0]
    """
    check_epsilon("layer_norm", epsilon)

    def init(key, x):
        check_input("layer_norm", x)
        return affine_params(x, use_scale, use_bias), {}

    def apply(params, state, x, *, key=None, train=False, mask=None):
        check_input("layer_norm", x, params)
        h = numerics(x)
        mean, variance, _ = moments(h, axes=(-1,))
        return affine(params, standardize(h, mean, variance, epsilon)).astype(x.dtype), state

    return pointwise(init, apply)


def rms_norm(*, epsilon: float = 1e-6, use_scale: bool = True) -> Model:
    """Division by the root mean square of the features:
    ``y = x / sqrt(mean(x²) + epsilon) * scale``.

    x ``(..., D)`` -> y ``(..., D)``; params ``scale`` ``(D,)`` of ones. Computed in float32 at
    least, the scaling too. Raises `JnnError` for another D than in params and for integer x.
    PyTorch's default epsilon is the machine epsilon of x's type. Source: Zhang & Sennrich 2019,
    https://arxiv.org/abs/1910.07467.

    >>> import jax, jax.numpy as jnp
    >>> layer, x = rms_norm(), jnp.array([3.0, 4.0, 0.0, 0.0])
    >>> layer.apply(*layer.init(jax.random.key(0), x), x)[0].round(3)
    Array([1.2, 1.6, 0. , 0. ], dtype=float32)
    """
    check_epsilon("rms_norm", epsilon)

    def init(key, x):
        check_input("rms_norm", x)
        return affine_params(x, use_scale, use_bias=False), {}

    def apply(params, state, x, *, key=None, train=False, mask=None):
        check_input("rms_norm", x, params)
        h = numerics(x)
        mean_square = jnp.mean(jnp.square(h), axis=-1, keepdims=True)
        return affine(params, h * jax.lax.rsqrt(mean_square + epsilon)).astype(x.dtype), state

    return pointwise(init, apply)


def group_norm(
    groups: int, rank: int, *, epsilon: float = 1e-5, use_scale: bool = True, use_bias: bool = True
) -> Model:
    """Normalization of each example over its space and the channels of one group: the C channels
    form ``groups`` groups of neighbours.

    x ``(..., *space, C)`` -> y of the same shape, where the last ``rank`` axes are one example: 3
    for an image ``(H, W, C)``, 2 for a sequence ``(T, C)``. params ``scale`` and ``bias`` ``(C,)``.
    With a mask ``(..., *space)`` the statistics are those of the real elements. Statistics in
    float32 at least. Raises `JnnError` where ``groups`` does not divide C, for fewer axes than
    ``rank``, and for a mask of another shape. Source: Wu & He 2018,
    https://arxiv.org/abs/1803.08494.

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
    """Normalization of each channel of each example over its space: `group_norm` with one channel a
    group.

    The arguments are those of `group_norm`; ``rank`` is 2 at least. It keeps no running statistics.
    PyTorch's ``InstanceNorm`` has no scale and bias unless asked. Raises `JnnError` also where the
    space is one element, for each channel would become its bias. Source: Ulyanov et al. 2016,
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
    """Group normalization; one channel a group where ``groups`` is None."""
    check_epsilon(caller, epsilon)

    def check(x, params=None):
        check_input(caller, x, params, min_rank=rank)
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
        check(x, params)
        check_mask(caller, x, mask)
        number = groups or x.shape[-1]
        h = real(numerics(x), mask).reshape(*x.shape[:-1], number, x.shape[-1] // number)
        space_and_group = (*range(x.ndim - rank, x.ndim - 1), x.ndim)
        mean, variance, _ = moments(
            h, space_and_group, None if mask is None else mask[..., None, None]
        )
        y = standardize(h, mean, variance, epsilon).reshape(x.shape)
        return affine(params, y).astype(x.dtype), state

    return Model(init, apply)


def moments(
    x: jax.Array, axes: tuple[int, ...], mask: jax.Array | None = None, axis_name=None
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Mean, biased variance and number of values of ``x`` over ``axes``, kept with length one, and
    over the axis called ``axis_name``.

    ``mask`` has the rank of x, and True where a value counts. Where none does, mean and variance
    are zero.
    """

    def total(values):
        values = values if mask is None else jnp.where(mask, values, 0)
        values = jnp.sum(values, axes, keepdims=True)
        return values if axis_name is None else jax.lax.psum(values, axis_name)

    n = total(jnp.ones_like(x))
    mean = total(x) / jnp.maximum(n, 1)
    return mean, total(jnp.square(x - mean)) / jnp.maximum(n, 1), n


def standardize(x: jax.Array, mean: jax.Array, variance: jax.Array, epsilon: float) -> jax.Array:
    """``(x - mean) / sqrt(variance + epsilon)``."""
    return (x - mean) * jax.lax.rsqrt(variance + epsilon)


def affine_params(x, use_scale: bool, use_bias: bool) -> Params:
    """``scale`` of ones and ``bias`` of zeros, one for each feature, as far as they are used."""
    shape, dtype = x.shape[-1:], parameter_dtype(x)
    scale = {"scale": jnp.ones(shape, dtype)} if use_scale else {}
    return scale | ({"bias": jnp.zeros(shape, dtype)} if use_bias else {})


def affine(params: Params, x: jax.Array) -> jax.Array:
    """``x * scale + bias`` in the type of x, as far as params has them."""
    wide = lambda leaf: leaf.astype(x.dtype).reshape((1,) * (x.ndim - 1) + leaf.shape)
    x = x * wide(params["scale"]) if "scale" in params else x
    return x + wide(params["bias"]) if "bias" in params else x


def real(x: jax.Array, mask: jax.Array | None) -> jax.Array:
    """``x`` with zeros where the mask has padding, so that NaN there reaches neither the statistics
    nor a gradient.
    """
    return x if mask is None else jnp.where(mask[..., None], x, 0)


def check_epsilon(caller: str, epsilon: float) -> None:
    """``epsilon`` is a positive number: without it a constant input divides by zero."""
    if not isinstance(epsilon, int | float) or not 0 < epsilon < math.inf:
        raise mistake(caller, got=f"epsilon={epsilon!r}", expected="a small number above 0")


def check_input(caller: str, x, params: Params | None = None, min_rank: int = 1) -> None:
    """``x`` is floating-point, with the features that scale and bias were made for."""
    check_float(caller, x, min_rank=min_rank)
    for leaf in (params or {}).values():
        check_features(caller, x, leaf.shape[0])


def check_mask(caller: str, x, mask) -> None:
    """The mask has one value for each element of ``x``, which is all its axes but the last."""
    if mask is not None and mask.shape != x.shape[:-1]:
        raise mistake(
            caller,
            got=f"a mask of shape {mask.shape} for x of shape {x.shape}",
            expected=f"a mask of shape {x.shape[:-1]}",
            remedy="A mask says of each element, all axes of x but the last, whether it is real.",
        )
