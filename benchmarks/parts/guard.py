"""The training step of jnn and the same without its guard and its metrics."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from benchmarks import works
from benchmarks.peers.of_jnn import objective_of, perceptron
from jnn.train import init_train_state, make_step, seed_key


def step(form: str, work: works.Perceptron) -> Callable[[], Any]:
    """A step of an MLP."""
    model, optimizer = perceptron(work), optax.adam(works.LEARNING_RATE)
    objective = objective_of(model)

    def plain(train_state, batch):
        evaluate = lambda params: objective(params, train_state.state, batch, train_state.key)
        (loss, (state, _)), gradient = jax.value_and_grad(evaluate, has_aux=True)(
            train_state.params
        )
        updates, optimizer_state = optimizer.update(
            gradient, train_state.optimizer_state, train_state.params
        )
        params = optax.apply_updates(train_state.params, updates)
        new = train_state._replace(
            step=train_state.step + 1, params=params, state=state, optimizer_state=optimizer_state
        )
        return new, {"loss": loss}

    run = jax.jit(plain if form == "plain" else make_step(objective, optimizer), donate_argnums=0)
    x, label = map(jnp.asarray, works.examples(work))
    kept = [init_train_state(seed_key(0), model, optimizer, x[:1])]

    def call():
        kept[0], metrics = run(kept[0], {"x": x, "label": label})
        return metrics["loss"]

    return call
