"""Training in the playground: jnn's step, in which settings of the optimizer are arguments too."""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from jnn.explain.playground.network import absolute_weights, forward, init_params, losses
from jnn.explain.playground.points import POINTS
from jnn.model import child_key
from jnn.train import TrainState, make_step

OPTIMIZERS = ("sgd", "adam")
"""``sgd`` has momentum, by ``momentum``; what this is for Adam, is its decay of the mean too."""


def make_optimizer(hyper: dict[str, Any]) -> optax.GradientTransformation:
    """Weight decay, then SGD with momentum or Adam.

    ``hyper`` has ``optimizer``, the number of one of `OPTIMIZERS`, ``learning_rate``, ``momentum``
    and ``decay``, whose product with the weights is added to the gradient (L2 regularization).
    """
    momentum = optax.trace(hyper["momentum"])
    adam = optax.scale_by_adam(b1=hyper["momentum"])
    kernels = lambda params: jax.tree.map_with_path(lambda p, _: p[-1].key == "kernel", params)
    decay = optax.add_decayed_weights(hyper["decay"], kernels)

    def init(params: Any):
        return {"momentum": momentum.init(params), "adam": adam.init(params)}

    def update(updates: Any, state: Any, params: Any = None):
        updates, _ = decay.update(updates, decay.init(updates), params)
        by_momentum, first = momentum.update(updates, state["momentum"])
        by_adam, second = adam.update(updates, state["adam"])
        is_adam = hyper["optimizer"] == OPTIMIZERS.index("adam")
        pick = lambda a, b: -hyper["learning_rate"] * jnp.where(is_adam, a, b)
        return jax.tree.map(pick, by_adam, by_momentum), {"momentum": first, "adam": second}

    return optax.GradientTransformation(init, update)


def start(arguments: dict[str, Any]) -> TrainState:
    """The state before the first step: of ``seed``, ``scale``, ``settings`` and ``hyper``."""
    params = init_params(arguments)
    key = child_key(jax.random.key(arguments["seed"]), "train")
    optimizer_state = make_optimizer(arguments["hyper"]).init(params)
    return TrainState(jnp.zeros((), jnp.int32), params, {}, optimizer_state, key)


def step(arguments: dict[str, Any]) -> dict[str, Any]:
    """One step of `jnn.train.make_step`.

    Of the train state ``state``, ``settings``, ``hyper``, and a batch: points ``x (N, 2)`` with
    targets ``y (N,)``, each weighted by ``weight (N,)``, which is 0 for those that fill it up. The
    draws of dropout depend on N. Returns the new ``state`` and ``metrics``.
    """
    settings, hyper = arguments["settings"], arguments["hyper"]

    def objective(params, state, batch, key):
        outputs = forward(params, settings, batch["x"], child_key(key, "dropout"))
        loss = mean(losses(settings, outputs, batch["y"]), batch["weight"])
        return loss + settings["l1"] * absolute_weights(params, settings), (state, {})

    batch = {name: arguments[name] for name in ("x", "y", "weight")}
    state, metrics = make_step(objective, make_optimizer(hyper))(arguments["state"], batch)
    return {"state": state, "metrics": metrics}


def mean(values: jax.Array, weight: jax.Array) -> jax.Array:
    """The weighted mean, 0 where all weights are."""
    return jnp.sum(values * weight) / jnp.maximum(jnp.sum(weight), 1)


def order(arguments: dict[str, Any]) -> jax.Array:
    """The place of each training point in an epoch, ``(200,)``.

    A permutation of the first ``count`` points, drawn for ``seed`` and ``epoch``; the others come
    after them.
    """
    key = jax.random.fold_in(jax.random.key(arguments["seed"]), arguments["epoch"])
    drawn = jax.random.uniform(child_key(key, "order"), (POINTS,))
    is_there = jnp.arange(POINTS) < arguments["count"]
    return jnp.argsort(jnp.argsort(jnp.where(is_there, drawn, 2.0))).astype(jnp.int32)
