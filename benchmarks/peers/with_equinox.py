"""Equinox: models of one example under ``jax.vmap``."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

from benchmarks import works

Call = Callable[[], Any]


def training(model: eqx.Module, x, label) -> Call:
    """Steps of Adam, one call each."""
    optimizer, x, label = optax.adam(works.LEARNING_RATE), jnp.asarray(x), jnp.asarray(label)

    @eqx.filter_jit(donate="all-except-first")
    def step(data, model, state):
        x, label = data

        def loss_of(model):
            logits = jax.vmap(model)(x)
            return optax.softmax_cross_entropy_with_integer_labels(logits, label).mean()

        loss, gradient = eqx.filter_value_and_grad(loss_of)(model)
        updates, state = optimizer.update(gradient, state, model)
        return eqx.apply_updates(model, updates), state, loss

    kept = [(model, optimizer.init(eqx.filter(model, eqx.is_array)))]

    def call():
        model, state, loss = step((x, label), *kept[0])
        kept[0] = model, state
        return loss

    return call


def mlp(work: works.Perceptron) -> Call:
    """A step of mlp and mlp_tiny."""
    inputs, *hidden, outputs = work.sizes
    model = eqx.nn.MLP(inputs, outputs, hidden[0], len(hidden), key=jax.random.key(0))
    return training(model, *works.examples(work))


def cnn() -> Call:
    """A step of cnn; images with channels first."""
    (one, two), keys = works.CHANNELS, jax.random.split(jax.random.key(0), 4)
    model = eqx.nn.Sequential(
        [
            eqx.nn.Conv2d(1, one, 3, padding=1, key=keys[0]),
            eqx.nn.Lambda(jax.nn.relu),
            eqx.nn.Conv2d(one, two, 3, padding=1, key=keys[1]),
            eqx.nn.Lambda(jax.nn.relu),
            eqx.nn.MaxPool2d(2, 2),
            eqx.nn.Lambda(jnp.ravel),
            eqx.nn.Linear(14 * 14 * two, works.HIDDEN, key=keys[2]),
            eqx.nn.Lambda(jax.nn.relu),
            eqx.nn.Linear(works.HIDDEN, 10, key=keys[3]),
        ]
    )
    x, label = works.images(128)
    return training(model, x.transpose(0, 3, 1, 2), label)


class Recurrent(eqx.Module):
    """An embedding, two layers of a cell, and a read-out."""

    embedding: eqx.nn.Embedding
    cells: list
    out: eqx.nn.Linear

    def __call__(self, tokens):
        """The logits."""
        x = jax.vmap(self.embedding)(tokens)
        for cell in self.cells:

            def step(memory, x, cell=cell):
                memory = cell(x, memory)
                return memory, memory[0] if isinstance(memory, tuple) else memory

            zeros = jnp.zeros(cell.hidden_size)
            start = (zeros, zeros) if isinstance(cell, eqx.nn.LSTMCell) else zeros
            x = jax.lax.scan(step, start, x)[1]
        return jax.vmap(self.out)(x)


def recurrent(kind: str) -> Call:
    """A step of lstm and gru."""
    work, keys = works.RECURRENT, jax.random.split(jax.random.key(0), 4)
    cell = {"lstm": eqx.nn.LSTMCell, "gru": eqx.nn.GRUCell}[kind]
    model = Recurrent(
        eqx.nn.Embedding(work.vocabulary, work.embedding, key=keys[0]),
        [
            cell(work.embedding, work.features, key=keys[1]),
            cell(work.features, work.features, key=keys[2]),
        ],
        eqx.nn.Linear(work.features, work.vocabulary, key=keys[3]),
    )
    return training(model, *works.characters(work))
