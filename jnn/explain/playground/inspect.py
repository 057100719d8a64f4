"""What is inside the playground's network: activities, losses, and gradients of one example."""

from typing import Any

import jax
import jax.numpy as jnp

import jnn
from jnn.explain.playground.network import LAYERS, LOSSES, forward, losses
from jnn.explain.playground.training import mean


def look(arguments: dict[str, Any]) -> dict[str, jax.Array]:
    """What each neuron and the network give for points ``x (N, 2)``.

    Of ``params`` and ``settings``. ``neurons`` is ``(5, N, 8)``: features, then each layer after
    its activation; ``output`` is ``(N,)``, ``2 p - 1`` for the cross entropy.
    """
    settings, x = arguments["settings"], arguments["x"]
    z, values = jnn.capture(forward)(arguments["params"], settings, x)
    names = ["features", *(f"hidden{i}/after" for i in range(LAYERS))]
    return {"neurons": jnp.stack([values[name] for name in names]), "output": _shown(settings, z)}


def _shown(settings, z):
    is_logit = settings["loss"] == list(LOSSES).index("cross_entropy")
    return jnp.where(is_logit, jnp.tanh(z / 2), z)


def evaluate(arguments: dict[str, Any]) -> dict[str, jax.Array]:
    """The mean loss without regularization, and the fraction of signs that are right.

    Of ``params``, ``settings``, and points ``x``, ``y`` weighted by ``weight``, as `step` has them.
    """
    settings, y, weight = arguments["settings"], arguments["y"], arguments["weight"]
    z = forward(arguments["params"], settings, arguments["x"])
    is_right = jnp.where((z > 0) == (y > 0), 1.0, 0.0)
    return {"loss": mean(losses(settings, z, y), weight), "accuracy": mean(is_right, weight)}


def gradients(arguments: dict[str, Any]) -> dict[str, Any]:
    """The gradient of the mean loss, without regularization, with respect to the params.

    Of ``params``, ``settings``, and points ``x``, ``y`` weighted by ``weight``.
    """
    settings, y, weight = arguments["settings"], arguments["y"], arguments["weight"]

    def loss(params):
        return mean(losses(settings, forward(params, settings, arguments["x"]), y), weight)

    return jax.grad(loss)(arguments["params"])


def backpropagate(arguments: dict[str, Any]) -> dict[str, Any]:
    """Every number of one example: forwards, and backwards from its loss.

    Of ``params``, ``settings``, and a point ``x (1, 2)`` with its target ``y (1,)``. ``values`` has
    what `forward` tags, ``gradients`` the derivative of the loss with respect to each of them and
    to the ``output``, and ``slopes`` those with respect to the params.
    """
    settings, x, y = arguments["settings"], arguments["x"], arguments["y"]
    z, values = jnn.capture(forward)(arguments["params"], settings, x)

    def loss(params, added):
        adding = lambda change: lambda value: value + change
        changes = {name: adding(change) for name, change in added.items()}
        return losses(settings, jnn.intervene(forward, changes)(params, settings, x), y)[0]

    added = jax.tree.map(jnp.zeros_like, values)
    slopes, gradients = jax.grad(loss, argnums=(0, 1))(arguments["params"], added)
    of_output = jax.grad(lambda z: losses(settings, z, y)[0])(z)
    return {
        "values": values | {"output": z},
        "gradients": gradients | {"output": of_output},
        "slopes": slopes,
        "loss": losses(settings, z, y)[0],
    }
