"""Haiku, by ``hk.without_apply_rng(hk.transform(f))``."""

from collections.abc import Callable
from typing import Any

import haiku as hk
import jax
import jax.numpy as jnp

from benchmarks import works
from benchmarks.peers import jax_alone

Call = Callable[[], Any]


def training(forward: Callable, x, label) -> Call:
    """Steps of Adam, one call each, as JAX alone makes them."""
    model, x = hk.without_apply_rng(hk.transform(forward)), jnp.asarray(x)
    return jax_alone.training(lambda key: model.init(key, x[:1]), model.apply, x, label)


def mlp(work: works.Perceptron) -> Call:
    """A step of mlp and mlp_tiny."""
    return training(lambda x: hk.nets.MLP(work.sizes[1:])(x), *works.examples(work))


def cnn() -> Call:
    """A step of cnn."""
    one, two = works.CHANNELS

    def forward(x):
        layers = (
            hk.Conv2D(one, 3),
            jax.nn.relu,
            hk.Conv2D(two, 3),
            jax.nn.relu,
            hk.MaxPool((2, 2, 1), (2, 2, 1), "VALID"),
            hk.Flatten(),
            hk.Linear(works.HIDDEN),
            jax.nn.relu,
            hk.Linear(10),
        )
        return hk.Sequential(layers)(x)

    return training(forward, *works.images(128))


def recurrent(kind: str) -> Call:
    """A step of lstm and gru."""
    work = works.RECURRENT

    def forward(tokens):
        x = hk.Embed(work.vocabulary, work.embedding)(tokens)
        for _ in range(2):
            core = {"lstm": hk.LSTM, "gru": hk.GRU}[kind](work.features)
            x, _ = hk.dynamic_unroll(core, x, core.initial_state(len(x)), time_major=False)
        return hk.Linear(work.vocabulary)(x)

    return training(forward, *works.characters(work))
