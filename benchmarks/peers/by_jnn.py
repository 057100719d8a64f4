"""One step a call by jnn, and an MLP: what a program imports for its first step."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import jnn
from benchmarks import works
from jnn.architectures.mlp import MLPConfig, mlp
from jnn.losses import cross_entropy
from jnn.train import (
    compiler_options,
    device_mesh,
    init_train_state,
    make_step,
    on_each,
    seed_key,
)

Call = Callable[[], Any]


def objective_of(model: jnn.Model):
    """The mean cross entropy."""

    def objective(params, state, batch, key):
        logits, state = model.apply(params, state, batch["x"], key=key, train=True)
        return jnp.mean(cross_entropy(logits, batch["label"])), (state, {})

    return objective


def by_call(model: jnn.Model, x: np.ndarray, label: np.ndarray, devices: int = 1) -> Call:
    """One call a step; with several devices each has a part of the batch."""
    optimizer, mesh = optax.adam(works.LEARNING_RATE), device_mesh(devices)
    train_state = init_train_state(seed_key(0), model, optimizer, x[:1])
    kept, batch = on_each(mesh, ([train_state], {"x": x, "label": label}))
    step = make_step(objective_of(model), optimizer, mesh=mesh if devices > 1 else None)
    step = jax.jit(step, donate_argnums=0, compiler_options=compiler_options())

    def call():
        kept[0], metrics = step(kept[0], batch)
        return metrics["loss"]

    return call


def perceptron(work: works.Perceptron) -> jnn.Model:
    """The model of a work."""
    return mlp(MLPConfig(outputs=work.sizes[-1], hidden=work.sizes[1:-1]))
