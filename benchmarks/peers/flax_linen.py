"""Flax Linen, with a train state of its own kind."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn
from flax.training.train_state import TrainState

from benchmarks import works

Call = Callable[[], Any]


def training(model: nn.Module, x, label) -> Call:
    """Steps of Adam, one call each."""
    x, label = jnp.asarray(x), jnp.asarray(label)
    params = jax.jit(model.init)(jax.random.key(0), x[:1])["params"]
    state = TrainState.create(
        apply_fn=model.apply, params=params, tx=optax.adam(works.LEARNING_RATE)
    )

    @partial(jax.jit, donate_argnums=0)
    def step(state, x, label):
        loss_of = lambda params: optax.softmax_cross_entropy_with_integer_labels(
            state.apply_fn({"params": params}, x), label
        ).mean()
        loss, gradient = jax.value_and_grad(loss_of)(state.params)
        return state.apply_gradients(grads=gradient), loss

    kept = [state]

    def call():
        kept[0], loss = step(kept[0], x, label)
        return loss

    return call


def mlp(work: works.Perceptron) -> Call:
    """A step of mlp and mlp_tiny."""
    layers = [part for size in work.sizes[1:] for part in (nn.Dense(size), nn.relu)]
    return training(nn.Sequential(layers[:-1]), *works.examples(work))


def cnn() -> Call:
    """A step of cnn."""
    one, two = works.CHANNELS
    layers = [
        nn.Conv(one, (3, 3)),
        nn.relu,
        nn.Conv(two, (3, 3)),
        nn.relu,
        partial(nn.max_pool, window_shape=(2, 2), strides=(2, 2)),
        lambda x: x.reshape(len(x), -1),
        nn.Dense(works.HIDDEN),
        nn.relu,
        nn.Dense(10),
    ]
    return training(nn.Sequential(layers), *works.images(128))


def recurrent(kind: str) -> Call:
    """A step of lstm and gru."""
    work = works.RECURRENT
    cell = {"lstm": nn.OptimizedLSTMCell, "gru": nn.GRUCell}[kind]
    layers = [
        nn.Embed(work.vocabulary, work.embedding),
        nn.RNN(cell(work.features)),
        nn.RNN(cell(work.features)),
        nn.Dense(work.vocabulary),
    ]
    return training(nn.Sequential(layers), *works.characters(work))


class GPT(nn.Module):
    """A decoder-only transformer."""

    work: works.GPT

    @nn.compact
    def __call__(self, tokens):
        """The logits."""
        d = self.work.width
        embed = nn.Embed(self.work.vocabulary, d)
        place = nn.Embed(self.work.length, d)
        x, mask = embed(tokens) + place(jnp.arange(tokens.shape[1])), nn.make_causal_mask(tokens)
        for _ in range(self.work.depth):
            attention = nn.MultiHeadDotProductAttention(self.work.heads, use_bias=False)
            x = x + attention(nn.LayerNorm(use_bias=False)(x), mask=mask)
            up = nn.Dense(4 * d, use_bias=False)(nn.LayerNorm(use_bias=False)(x))
            x = x + nn.Dense(d, use_bias=False)(nn.gelu(up))
        return embed.attend(nn.LayerNorm(use_bias=False)(x))


def gpt(work: works.GPT) -> Call:
    """A step of gpt_s and gpt_m."""
    return training(GPT(work), *works.characters(work))
