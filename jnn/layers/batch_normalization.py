"""Batch normalization, in which the examples of a batch influence each other."""

import math

import jax
import jax.numpy as jnp

from jnn.errors import mistake
from jnn.integers import check_fraction, check_number
from jnn.layers.checks import check_features, check_float, check_params, wide_mask
from jnn.layers.normalization import affine_params, check_affine, moments, normalized, real
from jnn.model import Model, State, pointwise
from jnn.precision import numerics, parameter_dtype


def batch_norm(
    *,
    momentum: float = 0.9,
    epsilon: float = 1e-5,
    use_scale: bool = True,
    use_bias: bool = True,
    axis_name: str | tuple[str, ...] | None = None,
) -> Model:
    """Normalization of each feature over the batch.

        y = (x - mean) / sqrt(variance + epsilon) * scale + bias

    x ``(..., D)`` -> y ``(..., D)``; params ``scale``, ``bias`` ``(D,)``; state ``mean``,
    ``variance`` ``(D,)``, at first zeros and ones.

    In training, mean and biased variance are those of the batch, over all axes of x but the last.
    The state keeps running averages, ``new = momentum * old + (1 - momentum) * batch``, of the mean
    and of the unbiased variance, ``n / (n - 1) variance``. In evaluation these replace the
    statistics of the batch, and do not change.

    ``axis_name``  an axis of ``jax.vmap`` or ``jax.shard_map`` to take statistics over too;
                   ``jax.jit`` with a sharded batch needs none
    ``mask``       of shape ``x.shape[:-1]``: the statistics are those of the real elements. Where
                   there is none, the state stays as it is, and where there is one, its variance

    Statistics are computed in float32 at least, in two passes. Raises `JnnError` in training for a
    single value a feature, which has no variance, and for a mask of another shape, another D than
    in params, and integer x.

    PyTorch's ``momentum`` is one minus this one; Flax keeps the biased variance. Source: Ioffe &
    Szegedy 2015, https://arxiv.org/abs/1502.03167.

    >>> import jax, jax.numpy as jnp
    >>> layer, x = batch_norm(momentum=0.5), jnp.array([[1.0], [3.0]])
    >>> params, state = layer.init(jax.random.key(0), x)
    >>> y, state = layer.apply(params, state, x, train=True)
    >>> y.round(3).tolist(), state["mean"].tolist(), state["variance"].tolist()
    ([[-1.0], [1.0]], [1.0], [1.5])
    """
    momentum = check_fraction("batch_norm", "momentum", momentum, ends="[)")
    epsilon = check_number("batch_norm", "epsilon", epsilon, above=0)

    def init(key, x):
        check_float("batch_norm", x, min_rank=1)
        shape, dtype = x.shape[-1:], parameter_dtype(x)
        return affine_params(x, use_scale, use_bias), {
            "mean": jnp.zeros(shape, dtype),
            "variance": jnp.ones(shape, dtype),
        }

    def apply(params, state, x, *, key=None, train=False, mask=None):
        check_float("batch_norm", x, min_rank=1)
        check_affine("batch_norm", x, params, use_scale, use_bias)
        check_params("batch_norm", state, kind="state", mean=(None,), variance=(None,))
        for statistic in state.values():
            check_features("batch_norm", x, statistic.shape[0], kind="state")
        mask = wide_mask("batch_norm", x, mask)
        h = real(numerics(x), mask)
        if train:
            _check_number(x, axis_name)
            axes, is_real = tuple(range(x.ndim - 1)), None if mask is None else mask[..., None]
            mean, variance, n = moments(h, axes, is_real, axis_name)
            unbiased = variance * n / jnp.maximum(n - 1, 1)
            updated = _updated(state, {"mean": mean, "variance": unbiased}, momentum)
            state = updated if mask is None else _where_known(n, updated, state)
        else:
            row = lambda leaf: leaf.astype(h.dtype).reshape((1,) * (x.ndim - 1) + (-1,))
            mean, variance = row(state["mean"]), row(state["variance"])
        return normalized(params, h, mean, variance, epsilon).astype(x.dtype), state

    return pointwise(init, apply)


def _updated(state: State, batch: State, momentum: float) -> State:
    def average(old, new):
        return momentum * old + (1 - momentum) * new.reshape(old.shape).astype(old.dtype)

    return jax.lax.stop_gradient(jax.tree.map(average, state, batch))


def _where_known(n: jax.Array, updated: State, state: State) -> State:
    """The updated statistics, but for those that a batch of ``n`` real elements does not have."""
    is_known = {"mean": n.ravel() >= 1, "variance": n.ravel() >= 2}
    return jax.tree.map(jnp.where, is_known, updated, state)


def _check_number(x, axis_name) -> None:
    """Check that in training a feature has more than one value, over all devices and members."""
    try:
        copies = 1 if axis_name is None else jax.lax.psum(1, axis_name)
    except NameError:
        raise mistake(
            "batch_norm",
            got=f"axis_name={axis_name!r} where no axis has this name",
            expected="a call inside jax.vmap or jax.shard_map",
            remedy=f"Name the axis: jax.vmap(..., axis_name={axis_name!r}).",
        ) from None
    if math.prod(x.shape[:-1]) * copies < 2:
        raise mistake(
            "batch_norm",
            got=f"x of shape {x.shape} in training",
            expected="more than one value of each feature, to take a variance of",
            remedy=(
                "Pass a batch; inside jax.vmap, name its axis: "
                "batch_norm(axis_name='batch') and jax.vmap(..., axis_name='batch')."
            ),
        )
