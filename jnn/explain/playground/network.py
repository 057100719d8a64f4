"""Any network of up to 4 layers of 8 neurons, as one function that is compiled once.

What kind of network it is, is an argument, ``settings``:

    features    (8,)    1 for each of `FEATURES` that the network sees, else 0
    layers      (4,)    1 for each hidden layer that there is; x passes through the others
    neurons     (4, 8)  1 for each neuron that there is; the others are 0
    activation  (4,)    the number of one of `NAMES` for each layer
    loss        ()      the number of one of `LOSSES`
    dropout     ()      the fraction of hidden activities that is dropped in training
    l1          ()      the weight of the sum of all absolute weights in the loss

A neuron that is not there gives 0 and has no gradient, so that a step of the network is that of the
small one.
"""

from typing import Any

import jax
import jax.numpy as jnp

from jnn.layers.activation import ACTIVATIONS
from jnn.losses import absolute_error, binary_cross_entropy, hinge, huber, squared_error
from jnn.model import child_key
from jnn.tags import tag

LAYERS, WIDTH = 4, 8
FEATURES = ("x", "y", "x²", "y²", "xy", "sin x", "sin y", "r")
"""What the first layer may see of a point: r is its distance from the origin."""
NAMES = ("tanh", "relu", "sigmoid", "identity", "gelu", "leaky_relu", "silu", "softplus")
LOSSES = {
    "cross_entropy": lambda z, y: binary_cross_entropy(z, (1 + y) / 2),
    "hinge": hinge,
    "squared": squared_error,
    "absolute": absolute_error,
    "huber": huber,
}
"""Element-wise, of the network's output z and the target y, which is -1 or 1 for a class."""

_ACTIVATIONS = [ACTIVATIONS[name] for name in NAMES]
_IDENTITY = NAMES.index("identity")


def features(x: jax.Array) -> jax.Array:
    """`FEATURES` of points ``(N, 2)``: ``(N, 8)``."""
    a, b = x[:, 0], x[:, 1]
    columns = [a, b, a * a, b * b, a * b, jnp.sin(a), jnp.sin(b), jnp.sqrt(a * a + b * b)]
    return jnp.stack(columns, -1)


def init_params(arguments: dict[str, Any]) -> dict[str, Any]:
    """Weights and biases, normal with a standard deviation of ``scale / sqrt(inputs)``.

    Of ``seed``, ``scale`` and ``settings``. The biases of hidden layers are drawn too, so that the
    lines that neurons draw are spread over the plane. A neuron has as many inputs as the layer
    before has neurons. All are drawn as if they were there, so that the others stay as they are
    when one is added.
    """
    key, settings = jax.random.key(arguments["seed"]), arguments["settings"]
    params, inputs = {}, jnp.sum(settings["features"])
    for i in range(LAYERS):
        params[f"hidden{i}"] = _dense(child_key(key, f"hidden{i}"), inputs, WIDTH, arguments)
        exists = settings["layers"][i] > 0
        inputs = jnp.where(exists, jnp.sum(settings["neurons"][i]), inputs)
    out = _dense(child_key(key, "out"), inputs, 1, arguments)
    return params | {"out": out | {"bias": jnp.zeros(1)}}


def _dense(key, inputs, width, arguments):
    drawn = jax.random.normal(key, (WIDTH + 1, width)) * arguments["scale"]
    drawn /= jnp.sqrt(jnp.maximum(inputs, 1))
    return {"kernel": drawn[:WIDTH], "bias": drawn[WIDTH]}


def forward(
    params: dict[str, Any], settings: dict[str, Any], x: jax.Array, key: jax.Array | None = None
) -> jax.Array:
    """The output for points ``(N, 2)``: ``(N,)``. With a key, hidden activities are dropped.

    Tagged values: ``features``, and for each layer ``hidden0/before`` and ``hidden0/after`` its
    activation, ``(N, 8)``.
    """
    h = tag(features(x) * settings["features"], "features")
    for i in range(LAYERS):
        layer, exists = params[f"hidden{i}"], settings["layers"][i] > 0
        which = jnp.where(exists, settings["activation"][i], _IDENTITY)  # which costs least
        z = tag(h @ layer["kernel"] + layer["bias"], f"hidden{i}/before")
        y = activate(which, z) * settings["neurons"][i]
        if key is not None:
            y *= _kept(child_key(key, f"hidden{i}"), settings["dropout"], y.shape)
        h = tag(jnp.where(exists, y, h), f"hidden{i}/after")
    return (h @ params["out"]["kernel"] + params["out"]["bias"])[:, 0]


@jax.custom_jvp
def activate(which: jax.Array, z: jax.Array) -> jax.Array:
    """The activation of number ``which`` in `NAMES`.

    Its derivative is chosen like itself, so that backpropagation keeps z alone, and not what the
    derivatives of all of them need.
    """
    return jax.lax.switch(which, _ACTIVATIONS, z)


@activate.defjvp
def _activate_jvp(primals, tangents):
    which, z = primals
    slope = lambda f: lambda z: jax.jvp(f, (z,), (jnp.ones_like(z),))[1]
    slopes = jax.lax.switch(which, [slope(f) for f in _ACTIVATIONS], z)
    return activate(which, z), slopes * tangents[1]


def _kept(key, rate, shape):
    """The factors of dropout at a rate that is an argument: 0, or ``1 / (1 - rate)``."""
    draw = lambda: jnp.where(jax.random.bernoulli(key, 1 - rate, shape), 1 / (1 - rate), 0.0)
    return jax.lax.cond(rate > 0, draw, lambda: jnp.ones(shape))


def losses(settings: dict[str, Any], outputs: jax.Array, y: jax.Array) -> jax.Array:
    """The loss of each example, without regularization."""
    return jax.lax.switch(settings["loss"], list(LOSSES.values()), outputs, y)


def absolute_weights(params: dict[str, Any], settings: dict[str, Any]) -> jax.Array:
    """The sum of the absolute weights of connections that are there."""
    total, before = jnp.float32(0), settings["features"]
    for i in range(LAYERS):
        exists, neurons = settings["layers"][i], settings["neurons"][i]
        weights = jnp.abs(params[f"hidden{i}"]["kernel"]) * before[:, None] * neurons
        total += exists * jnp.sum(weights)
        before = jnp.where(exists > 0, neurons, before)
    return total + jnp.sum(jnp.abs(params["out"]["kernel"]) * before[:, None])
