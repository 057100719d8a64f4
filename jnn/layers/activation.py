"""Activation functions by name, and those with params.

Functions of x alone are JAX's own and are used in a chain directly:
``chain(dense(32), jax.nn.relu)``.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp

from jnn.compose import parallel
from jnn.errors import mistake
from jnn.initializers import Init, lecun_normal, zeros
from jnn.integers import check_number
from jnn.layers.checks import check_features, check_float, check_params
from jnn.layers.dense import dense
from jnn.model import Model, pointwise
from jnn.precision import numerics, parameter_dtype
from jnn.wording import suggestion


def softmax(x: jax.Array, axis: int = -1) -> jax.Array:
    """``exp(x) / sum(exp(x))`` along ``axis``, in float32 at least; y has the dtype of x."""
    return jax.nn.softmax(numerics(x), axis).astype(x.dtype)


def log_softmax(x: jax.Array, axis: int = -1) -> jax.Array:
    """``x - log(sum(exp(x)))`` along ``axis``, in float32 at least; y has the dtype of x."""
    return jax.nn.log_softmax(numerics(x), axis).astype(x.dtype)


ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "celu": jax.nn.celu,
    "elu": jax.nn.elu,
    "gelu": functools.partial(jax.nn.gelu, approximate=False),
    "gelu_tanh": functools.partial(jax.nn.gelu, approximate=True),
    "glu": jax.nn.glu,
    "hard_sigmoid": jax.nn.hard_sigmoid,
    "hard_silu": jax.nn.hard_silu,
    "hard_tanh": jax.nn.hard_tanh,
    "identity": jax.nn.identity,
    "leaky_relu": jax.nn.leaky_relu,
    "log_sigmoid": jax.nn.log_sigmoid,
    "log_softmax": log_softmax,
    "mish": jax.nn.mish,
    "relu": jax.nn.relu,
    "relu6": jax.nn.relu6,
    "selu": jax.nn.selu,
    "sigmoid": jax.nn.sigmoid,
    "silu": jax.nn.silu,
    "soft_sign": jax.nn.soft_sign,
    "softmax": softmax,
    "softplus": jax.nn.softplus,
    "squareplus": jax.nn.squareplus,
    "tanh": jnp.tanh,
}


def activation(name: str) -> Callable[[jax.Array], jax.Array]:
    """The function called ``name`` in `ACTIVATIONS`, for settings that are text.

    ``gelu`` is the exact one, ``x Φ(x)``, as in PyTorch; the default of ``jax.nn.gelu`` is
    ``gelu_tanh``, its approximation. ``glu`` halves the features: ``a * sigmoid(b)`` of the halves
    a and b. Raises `JnnError` for an unknown name.

    >>> float(activation("relu")(-1.0))
    0.0
    """
    if name not in ACTIVATIONS:
        own_function = "Any other function can be used in a chain directly."
        remedy = suggestion(str(name), ACTIVATIONS) or own_function
        expected = f"one of {', '.join(ACTIVATIONS)}"
        raise mistake("activation", got=f"{name!r}", expected=expected, remedy=remedy)
    return ACTIVATIONS[name]


def prelu(*, slope: float = 0.25) -> Model:
    """The parametric ReLU: ``y = x`` where x >= 0, else ``slope * x``, learned for each feature.

    x ``(..., D)`` -> y ``(..., D)``; params ``slope`` ``(D,)``, at first ``slope``. PyTorch's
    ``PReLU()`` has one slope for all features, ``PReLU(D)`` is this one. Raises `JnnError` for
    another D than in params and for integer x.

    Source: He et al. 2015, https://arxiv.org/abs/1502.01852.

    >>> import jax, jax.numpy as jnp
    >>> layer, x = prelu(), jnp.array([-4.0, 4.0])
    >>> layer.apply(*layer.init(jax.random.key(0), x), x)[0].tolist()
    [-1.0, 4.0]
    """
    slope = check_number("prelu", "slope", slope)

    def init(key, x):
        check_float("prelu", x, min_rank=1)
        return {"slope": jnp.full(x.shape[-1:], slope, parameter_dtype(x))}, {}

    def apply(params, state, x, *, key=None, train=False, mask=None):
        check_float("prelu", x, min_rank=1)
        check_params("prelu", params, slope=(None,))
        check_features("prelu", x, params["slope"].shape[0])
        slopes = params["slope"].astype(x.dtype).reshape((1,) * (x.ndim - 1) + (-1,))
        return jnp.where(x >= 0, x, slopes * x), state

    return pointwise(init, apply)


def gated(
    features: int,
    activation: Callable[[jax.Array], jax.Array] = jax.nn.silu,
    *,
    use_bias: bool = False,
    kernel_init: Init = lecun_normal(),
    bias_init: Init = zeros,
) -> Model:
    """A gated linear unit: ``y = activation(x W + b) * (x V + c)``.

    x ``(..., D)`` -> y ``(..., features)``; params ``gate`` (W, b) and ``value`` (V, c), each those
    of `dense`. The ``activation`` names the variant: silu SwiGLU, gelu GEGLU, relu ReGLU, sigmoid
    GLU, identity the bilinear layer. The feed-forward block of a transformer is
    ``chain(gated(8 * D // 3), dense(D))``.

    Source: Shazeer 2020, https://arxiv.org/abs/2002.05202.

    >>> import jax, jax.numpy as jnp
    >>> layer, x = gated(8), jnp.ones(3)
    >>> params, state = layer.init(jax.random.key(0), x)
    >>> jax.tree.map(jnp.shape, params)
    {'gate': {'kernel': (3, 8)}, 'value': {'kernel': (3, 8)}}
    """
    project = dense(features, use_bias=use_bias, kernel_init=kernel_init, bias_init=bias_init)
    return parallel(
        gate=project, value=project, combine=lambda gate, value: activation(gate) * value
    )
