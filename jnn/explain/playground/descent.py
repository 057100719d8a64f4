"""Gradient descent on the loss surface of two params, a and b."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jnn.explain.playground.training import make_optimizer
from jnn.losses import binary_cross_entropy
from jnn.model import child_key

_X = np.array([-2.5, -1.8, -1.1, -0.6, -0.2, 0.4, 0.9, 1.5, 2.0, 2.6], np.float32)
_Y = np.array([0, 0, 0, 1, 0, 0, 1, 1, 1, 1])
"""Ten examples of one feature and two classes, of which two are on the wrong side."""


def _neuron(a, b):
    logits = jnp.multiply.outer(a, _X) + b[..., None]
    return jnp.mean(binary_cross_entropy(logits, jnp.broadcast_to(_Y, logits.shape)), axis=-1)


SURFACES = {
    "bowl": lambda a, b: (a**2 + b**2) / 4,
    "valley": lambda a, b: a**2 / 20 + b**2,
    "two": lambda a, b: (a**2 - 3) ** 2 / 8 + a / 4 + b**2 / 4 + 0.45,
    "saddle": lambda a, b: (b**2 - a**2) / 4 + a**4 / 40 + 0.9,
    "plateau": lambda a, b: 1 - jnp.exp(-(a**2 + b**2) / 1.5),
    "neuron": _neuron,
}
"""Losses of two params; that of ``neuron`` is the cross entropy of one with weight a and bias b."""


def heights(arguments: dict[str, Any]) -> jax.Array:
    """The loss at points ``x (N, 2)`` of the ``surface`` with this number: ``(N,)``."""
    return jax.lax.switch(arguments["surface"], list(SURFACES.values()), *arguments["x"].T)


def begin(arguments: dict[str, Any]) -> dict[str, Any]:
    """The state of an optimizer with ``hyper`` at the point ``a``, ``b``."""
    params = {"a": arguments["a"], "b": arguments["b"]}
    return {"params": params, "optimizer": make_optimizer(arguments["hyper"]).init(params)}


def descend(arguments: dict[str, Any]) -> dict[str, Any]:
    """The state after one step from a ``state``.

    ``noise`` is the standard deviation of what is added to the gradient, as small batches do, drawn
    for ``seed`` and ``step``.
    """
    state, which = arguments["state"], arguments["surface"]
    loss = lambda params: jax.lax.switch(which, list(SURFACES.values()), params["a"], params["b"])
    gradient = jax.grad(loss)(state["params"])
    key = jax.random.fold_in(jax.random.key(arguments["seed"]), arguments["step"])
    draw = lambda name, slope: slope + arguments["noise"] * jax.random.normal(child_key(key, name))
    noisy = {name: draw(name, slope) for name, slope in gradient.items()}
    optimizer = make_optimizer(arguments["hyper"])
    updates, optimizer_state = optimizer.update(noisy, state["optimizer"], state["params"])
    params = optax.apply_updates(state["params"], updates)
    return {"params": params, "optimizer": optimizer_state}
