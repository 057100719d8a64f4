"""The simple recurrent network of Elman."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jnn.initializers import draw, lecun_normal, orthogonal, zeros
from jnn.layers.activation import activation as activation_called
from jnn.layers.cells import cell, memory_dtype
from jnn.layers.checks import check_positive
from jnn.model import Model
from jnn.precision import numerics, parameter_dtype
from jnn.tags import tag
from jnn.threefry import split


def elman(
    features: int,
    *,
    activation: str | Callable[[jax.Array], jax.Array] = "tanh",
    kernel_init=lecun_normal(),
    recurrent_init=orthogonal(),
    bias_init=zeros,
) -> Model:
    """The simple recurrent network: ``h_t = activation(x_t W + h_{t-1} R + b)``, ``y_t = h_t``.

    x ``(..., T, D)`` -> y ``(..., T, features)``; params ``kernel`` W ``(D, features)``,
    ``recurrent_kernel`` R ``(features, features)``, ``bias`` ``(features,)``. The memory,
    ``{"hidden": (..., features)}``, starts at zero. ``activation`` is a function, or its name in
    `ACTIVATIONS`, and is computed in float32 at least. With a ``mask`` ``(..., T)``, padding
    changes nothing.

    Tags: "hidden", within the scan, so that `jnn.capture` returns ``(T, ..., features)``. Raises
    `JnnError` as `recurrent`, and for another D than in params.

    PyTorch's ``RNN`` has two biases, of which this is the sum, the transposed matrices, and draws
    all from ``U(-1/sqrt(features), 1/sqrt(features))``; Keras calls it ``SimpleRNN``. Source: Elman
    1990, https://doi.org/10.1207/s15516709cog1402_1.

    >>> import jax, jax.numpy as jnp
    >>> layer, x = elman(4), jnp.ones((7, 3))
    >>> params, state = jax.jit(layer.init)(jax.random.key(0), x)
    >>> jax.jit(layer.apply)(params, state, x)[0].shape
    (7, 4)
    """
    check_positive("elman", features=features)
    f = activation if callable(activation) else activation_called(activation)

    def init(key, x_t):
        keys, dtype = split(key, 3), parameter_dtype(x_t)
        return {
            "kernel": draw(kernel_init, keys[0], (x_t.shape[-1], features), dtype),
            "recurrent_kernel": draw(recurrent_init, keys[1], (features, features), dtype),
            "bias": draw(bias_init, keys[2], (features,), dtype),
        }

    def carry(params, x_t):
        return {"hidden": jnp.zeros((*x_t.shape[:-1], features), memory_dtype(params, x_t))}

    def step(product, params, memory, x_t):
        z = product("recurrent_kernel", memory["hidden"])
        h = tag(f(numerics(z)).astype(z.dtype), "hidden")
        return h, {"hidden": h}

    named = lambda a: {"recurrent_kernel": a}
    weights = lambda params: {"recurrent_kernel": params["recurrent_kernel"]}
    shapes = {
        "kernel": (None, features),
        "recurrent_kernel": (features, features),
        "bias": (features,),
    }
    return cell("elman", shapes, init, carry, named, step, weights)
