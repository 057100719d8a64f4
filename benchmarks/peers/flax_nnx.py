"""Flax NNX, with the state looked up once (``nnx.cached_partial``), as it advises."""

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from benchmarks import works

Call = Callable[[], Any]


def training(model: nnx.Module, x, label) -> Call:
    """Steps of Adam, one call each."""
    optimizer = nnx.Optimizer(model, optax.adam(works.LEARNING_RATE), wrt=nnx.Param)

    @nnx.jit
    def step(model, optimizer, x, label):
        loss_of = lambda model: optax.softmax_cross_entropy_with_integer_labels(
            model(x), label
        ).mean()
        loss, gradient = nnx.value_and_grad(loss_of)(model)
        optimizer.update(model, gradient)
        return loss

    return partial(nnx.cached_partial(step, model, optimizer), jnp.asarray(x), jnp.asarray(label))


def mlp(work: works.Perceptron) -> Call:
    """A step of mlp and mlp_tiny."""
    rngs = nnx.Rngs(0)
    layers = [nnx.Linear(*shape, rngs=rngs) for shape in itertools.pairwise(work.sizes)]
    parts = (part for layer in layers[:-1] for part in (layer, nnx.relu))
    return training(nnx.Sequential(*parts, layers[-1]), *works.examples(work))


def cnn() -> Call:
    """A step of cnn."""
    (one, two), rngs = works.CHANNELS, nnx.Rngs(0)
    model = nnx.Sequential(
        nnx.Conv(1, one, (3, 3), rngs=rngs),
        nnx.relu,
        nnx.Conv(one, two, (3, 3), rngs=rngs),
        nnx.relu,
        partial(nnx.max_pool, window_shape=(2, 2), strides=(2, 2)),
        lambda x: x.reshape(len(x), -1),
        nnx.Linear(14 * 14 * two, works.HIDDEN, rngs=rngs),
        nnx.relu,
        nnx.Linear(works.HIDDEN, 10, rngs=rngs),
    )
    return training(model, *works.images(128))


def recurrent(kind: str) -> Call:
    """A step of lstm and gru."""
    work, rngs = works.RECURRENT, nnx.Rngs(0)
    cell = {"lstm": nnx.OptimizedLSTMCell, "gru": nnx.GRUCell}[kind]
    model = nnx.Sequential(
        nnx.Embed(work.vocabulary, work.embedding, rngs=rngs),
        nnx.RNN(cell(work.embedding, work.features, rngs=rngs), rngs=rngs),
        nnx.RNN(cell(work.features, work.features, rngs=rngs), rngs=rngs),
        nnx.Linear(work.features, work.vocabulary, rngs=rngs),
    )
    return training(model, *works.characters(work))


class Block(nnx.Module):
    """Attention and a feed-forward layer, each with its normalization."""

    def __init__(self, work: works.GPT, rngs: nnx.Rngs):
        d = work.width
        self.norms = nnx.List([nnx.LayerNorm(d, use_bias=False, rngs=rngs) for _ in range(2)])
        self.attention = nnx.MultiHeadAttention(
            work.heads, d, use_bias=False, decode=False, rngs=rngs
        )
        self.up = nnx.Linear(d, 4 * d, use_bias=False, rngs=rngs)
        self.down = nnx.Linear(4 * d, d, use_bias=False, rngs=rngs)

    def __call__(self, x, mask):
        """``x`` and what it adds."""
        x = x + self.attention(self.norms[0](x), mask=mask)
        return x + self.down(jax.nn.gelu(self.up(self.norms[1](x))))


class GPT(nnx.Module):
    """A decoder-only transformer."""

    def __init__(self, work: works.GPT, rngs: nnx.Rngs):
        d = work.width
        self.token = nnx.Embed(work.vocabulary, d, rngs=rngs)
        self.place = nnx.Embed(work.length, d, rngs=rngs)
        self.blocks = nnx.List([Block(work, rngs) for _ in range(work.depth)])
        self.norm = nnx.LayerNorm(d, use_bias=False, rngs=rngs)

    def __call__(self, tokens):
        """The logits."""
        x = self.token(tokens) + self.place(jnp.arange(tokens.shape[1]))[None]
        mask = nnx.make_causal_mask(tokens)
        for block in self.blocks:
            x = block(x, mask)
        return self.token.attend(self.norm(x))


def gpt(work: works.GPT) -> Call:
    """A step of gpt_s and gpt_m."""
    return training(GPT(work, nnx.Rngs(0)), *works.characters(work))
