"""A training step of jnn beside the same by hand with JAX and Optax, and by Flax NNX; what its
guard costs; many steps in one dispatch.
"""

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from measure import Comparison, main

from jnn.architectures.mlp import MLPConfig, mlp
from jnn.losses import cross_entropy
from jnn.model import child_key
from jnn.train import TrainState, in_memory, init_train_state, make_step, make_steps, seed_key

LEARNING_RATE = 1e-3
DISPATCH = 64  # steps


class Work(NamedTuple):
    """An MLP and how many examples it sees in a step."""

    inputs: int
    hidden: tuple[int, ...]
    batch: int
    outputs: int = 10


WORKS = {
    "784-1024-1024-10, batch 128": Work(784, (1024, 1024), 128),
    "64-32-10, batch 32": Work(64, (32,), 32),
}


def data(work: Work, examples: int) -> dict[str, np.ndarray]:
    """Random examples."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((examples, work.inputs), np.float32)
    return {"x": x, "label": rng.integers(work.outputs, size=examples).astype(np.int32)}


def setup(work: Work):
    """The objective, the optimizer and the first train state."""
    model, optimizer = (
        mlp(MLPConfig(outputs=work.outputs, hidden=work.hidden)),
        optax.adam(LEARNING_RATE),
    )

    def objective(params, state, batch, key):
        logits, state = model.apply(params, state, batch["x"], key=key, train=True)
        return jnp.mean(cross_entropy(logits, batch["label"])), (state, {})

    return (
        objective,
        optimizer,
        init_train_state(seed_key(0), model, optimizer, jnp.ones(work.inputs)),
    )


def again(step: Callable, state: Any, *arguments: Any) -> Callable[[], Any]:
    """A way to measure: each call updates what the last one left, which it may overwrite."""
    step, kept = jax.jit(step, donate_argnums=0), [jax.tree.map(jnp.copy, state)]

    def call():
        kept[0], loss = step(kept[0], *arguments)
        return loss

    return call


def loss_alone(step):
    """A step of jnn that returns no metric but the loss, which is what the others are asked for."""

    def run(train_state, batch):
        train_state, metrics = step(train_state, batch)
        return train_state, metrics["loss"]

    return run


def unguarded_step(objective, optimizer):
    """The step of jnn without its guard."""

    def step(train_state: TrainState, batch):
        key = child_key(jax.random.fold_in(train_state.key, train_state.step), "objective")
        evaluate = lambda params: objective(params, train_state.state, batch, key)
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
        return new, loss

    return step


def by_hand(work: Work):
    """JAX and Optax alone: the step, and what it updates."""
    sizes, optimizer, init = (
        (work.inputs, *work.hidden, work.outputs),
        optax.adam(LEARNING_RATE),
        jax.nn.initializers.lecun_normal(),
    )
    shapes = list(itertools.pairwise(sizes))
    params = [
        (init(jax.random.key(i), shape), jnp.zeros(shape[1])) for i, shape in enumerate(shapes)
    ]

    def loss_of(params, batch):
        h = batch["x"]
        for kernel, bias in params[:-1]:
            h = jax.nn.relu(h @ kernel + bias)
        logits = h @ params[-1][0] + params[-1][1]
        return optax.softmax_cross_entropy_with_integer_labels(logits, batch["label"]).mean()

    def step(held, batch):
        params, optimizer_state = held
        loss, gradient = jax.value_and_grad(loss_of)(params, batch)
        updates, optimizer_state = optimizer.update(gradient, optimizer_state, params)
        return (optax.apply_updates(params, updates), optimizer_state), loss

    return step, (params, optimizer.init(params))


def by_nnx(work: Work, batch) -> Callable[[], Any]:
    """Flax NNX as its documentation has it, with the state looked up once, as it advises for small
    models.
    """
    from flax import nnx

    sizes, rngs = (work.inputs, *work.hidden, work.outputs), nnx.Rngs(0)
    layers = [nnx.Linear(*shape, rngs=rngs) for shape in itertools.pairwise(sizes)]
    model = nnx.Sequential(
        *(part for layer in layers[:-1] for part in (layer, nnx.relu)), layers[-1]
    )
    optimizer = nnx.Optimizer(model, optax.adam(LEARNING_RATE), wrt=nnx.Param)

    @nnx.jit
    def step(model, optimizer, batch):
        loss_of = lambda model: optax.softmax_cross_entropy_with_integer_labels(
            model(batch["x"]), batch["label"]
        ).mean()
        loss, gradient = nnx.value_and_grad(loss_of)(model)
        optimizer.update(model, gradient)
        return loss

    return partial(nnx.cached_partial(step, model, optimizer), batch)


def guard(name: str) -> Comparison:
    """The step with its guard and without it."""
    work = WORKS[name]
    objective, optimizer, train_state = setup(work)
    batch = jax.device_put(data(work, work.batch))
    ways = {
        "guard (jnn)": loss_alone(make_step(objective, optimizer)),
        "no guard": unguarded_step(objective, optimizer),
    }
    return Comparison(
        f"guard, MLP {name}", {way: again(step, train_state, batch) for way, step in ways.items()}
    )


def peers(name: str) -> Comparison:
    """The same step by other means, one call a step; other initial weights, so that losses
    differ.
    """
    work = WORKS[name]
    objective, optimizer, train_state = setup(work)
    batch = jax.device_put(data(work, work.batch))
    ways = {
        "jnn": again(make_step(objective, optimizer), train_state, batch),
        "JAX and Optax by hand": again(*by_hand(work), batch),
        "Flax NNX": by_nnx(work, batch),
    }
    return Comparison(f"step, MLP {name}", ways, tolerance=None)


def dispatch(name: str) -> Comparison:
    """Many steps on data in memory: in one dispatch, as `jnn.train.fit` makes them, and with one
    call for each batch and each step.
    """
    work = WORKS[name]
    objective, optimizer, train_state = setup(work)
    step, feed = make_step(objective, optimizer), in_memory(data(work, 32 * work.batch), work.batch)
    batch_of = jax.jit(feed.batch_of)
    one, kept = jax.jit(step, donate_argnums=0), [jax.tree.map(jnp.copy, train_state)]

    def in_turn():
        losses = []
        for _ in range(DISPATCH):
            at = kept[0].step
            kept[0], metrics = one(
                kept[0], batch_of(feed.data, child_key(kept[0].key, "batches"), at)
            )
            losses.append(metrics["loss"])
        return losses

    together = make_steps(step, feed.batch_of, DISPATCH)
    at_once = again(together, train_state, feed.data, jnp.int32(DISPATCH))
    ways = {
        f"{DISPATCH} in one dispatch (jnn)": lambda: list(at_once()["loss"]),
        "one call for each": in_turn,
    }
    return Comparison(f"{DISPATCH} steps, MLP {name}", ways, units=DISPATCH)


if __name__ == "__main__":
    main(
        __file__, [partial(compare, name) for compare in (guard, dispatch, peers) for name in WORKS]
    )
