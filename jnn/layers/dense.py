"""The fully connected layer, and the flattening of examples."""

import math

import jax
import jax.numpy as jnp

from jnn.errors import mistake
from jnn.initializers import Init, draw, lecun_normal, zeros
from jnn.layers.checks import check_features, check_float, check_params, check_positive, refuse_mask
from jnn.model import Model, check_key, no_params, pointwise
from jnn.precision import parameter_dtype
from jnn.threefry import split


def dense(
    features: int, *, use_bias: bool = True, kernel_init=lecun_normal(), bias_init=zeros
) -> Model:
    """The fully connected layer: ``y = x W + b``.

    x ``(..., D)`` -> y ``(..., features)``; params ``kernel`` W ``(D, features)``, ``bias`` b
    ``(features,)``. Raises `JnnError` for a last axis other than D and for integer x.

    PyTorch's ``Linear`` has the transpose of ``kernel``, and draws both from
    ``U(-1/sqrt(D), 1/sqrt(D))``.

    >>> import jax, jax.numpy as jnp
    >>> layer = dense(2)
    >>> params, state = layer.init(jax.random.key(0), jnp.ones(3))
    >>> layer.apply(params, state, jnp.ones((5, 3)))[0].shape
    (5, 2)
    """
    check_positive("dense", features=features)

    def init(key, x):
        check_float("dense", x, min_rank=1)
        check_key("dense", key)
        kernel_key, bias_key = split(key)
        dtype = parameter_dtype(x)
        params = {"kernel": draw(kernel_init, kernel_key, (x.shape[-1], features), dtype)}
        if use_bias:
            params["bias"] = draw(bias_init, bias_key, (features,), dtype)
        return params, {}

    def apply(params, state, x, *, key=None, train=False, mask=None):
        check_float("dense", x, min_rank=1)
        bias = (features,) if use_bias else None
        check_params("dense", params, kernel=(None, features), bias=bias)
        check_features("dense", x, params["kernel"].shape[0])
        return linear(x, params["kernel"], params.get("bias")), state

    return pointwise(init, apply)


def linear(x: jax.Array, kernel: jax.Array, bias: jax.Array | None = None) -> jax.Array:
    """``x @ kernel + bias`` as one matrix product.

    All leading axes are flattened into one: the gradient of ``kernel`` is then one matrix product
    too, which XLA runs fast on every device.
    """
    y = x.reshape(math.prod(x.shape[:-1]), x.shape[-1]) @ kernel
    if bias is not None:
        y = y + bias[None]
    return y.reshape(*x.shape[:-1], kernel.shape[-1])


def added_bias(*, bias_init: Init = zeros) -> Model:
    """``y = x + b``, such as the bias of logits whose kernel is that of the embedding.

    x ``(..., D)`` -> y ``(..., D)``; params ``bias`` b ``(D,)``.

    >>> import jax.numpy as jnp
    >>> added_bias().apply({"bias": jnp.array([1.0, 2.0])}, {}, jnp.zeros(2))[0].tolist()
    [1.0, 2.0]
    """

    def init(key, x):
        check_float("added_bias", x, min_rank=1)
        check_key("added_bias", key)
        return {"bias": draw(bias_init, key, x.shape[-1:], parameter_dtype(x))}, {}

    def apply(params, state, x, *, key=None, train=False, mask=None):
        check_params("added_bias", params, bias=(None,))
        check_features("added_bias", x, params["bias"].shape[0])
        return x + params["bias"].reshape((1,) * (x.ndim - 1) + (-1,)), state

    return pointwise(init, apply)


def flatten(rank: int) -> Model:
    """The last ``rank`` axes, those of one example with its channels, as one axis.

    For ``rank=3``, an image: x ``(..., a, b, c)`` -> y ``(..., a b c)``.

    >>> import jax.numpy as jnp
    >>> flatten(3).apply({}, {}, jnp.ones((5, 2, 2, 3)))[0].shape
    (5, 12)
    """
    check_positive("flatten", rank=rank)

    def apply(params, state, x, *, key=None, train=False, mask=None):
        if x.ndim < rank:
            raise mistake(
                "flatten",
                got=f"x of shape {x.shape}",
                expected=f"at least {rank} axes",
                remedy="rank is that of one example.",
            )
        why = "Padding would become features: pool over time first, as jnn.global_average_pool(1)."
        refuse_mask("flatten", x, mask, axes=rank, why=why)
        shape = *x.shape[: x.ndim - rank], math.prod(x.shape[x.ndim - rank :])
        return jnp.reshape(x, shape), state

    return Model(no_params, apply)
