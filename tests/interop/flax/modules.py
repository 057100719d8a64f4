"""Modules of Flax: the network of its MNIST example, and a transformer block as in its LM1B
example.
"""

import jax.numpy as jnp
from flax import linen, nnx


class LinenCNN(linen.Module):
    """The MNIST example, smaller, with batch normalization and dropout."""

    @linen.compact
    def __call__(self, x, train):
        x = linen.Conv(4, (3, 3))(x)
        x = linen.relu(linen.BatchNorm(use_running_average=not train)(x))
        x = linen.avg_pool(x, (2, 2), (2, 2))
        x = x.reshape((x.shape[0], -1))
        x = linen.Dropout(0.5, deterministic=not train)(x)
        return linen.Dense(3)(x)


class NNXCNN(nnx.Module):
    """The same in NNX, with a list of layers."""

    def __init__(self, *, rngs):
        self.conv = nnx.Conv(1, 4, (3, 3), rngs=rngs)
        self.norm = nnx.BatchNorm(4, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)
        self.layers = nnx.List([nnx.Linear(16, 5, rngs=rngs), nnx.Linear(5, 3, rngs=rngs)])

    def __call__(self, x):
        x = nnx.avg_pool(nnx.relu(self.norm(self.conv(x))), (2, 2), (2, 2))
        x = self.dropout(x.reshape((x.shape[0], -1)))
        for layer in self.layers:
            x = layer(x)
        return x


class LinenBlock(linen.Module):
    """A causal transformer block, pre-norm."""

    @linen.compact
    def __call__(self, x, deterministic):
        h = linen.LayerNorm()(x)
        mask = linen.make_causal_mask(jnp.ones(h.shape[:-1]))
        h = linen.MultiHeadDotProductAttention(2, dropout_rate=0.1)(
            h, mask=mask, deterministic=deterministic
        )
        x = x + linen.Dropout(0.1)(h, deterministic=deterministic)
        h = linen.gelu(linen.Dense(12)(linen.LayerNorm()(x)))
        return x + linen.Dropout(0.1)(linen.Dense(x.shape[-1])(h), deterministic=deterministic)


class NNXBlock(nnx.Module):
    """The same in NNX."""

    def __init__(self, features, *, rngs):
        self.norms = nnx.List([nnx.LayerNorm(features, rngs=rngs) for _ in range(2)])
        self.attention = nnx.MultiHeadAttention(2, features, decode=False, rngs=rngs)
        self.hidden = nnx.Linear(features, 12, rngs=rngs)
        self.output = nnx.Linear(12, features, rngs=rngs)

    def __call__(self, x):
        mask = nnx.make_causal_mask(jnp.ones(x.shape[:-1]))
        x = x + self.attention(self.norms[0](x), mask=mask)
        return x + self.output(nnx.gelu(self.hidden(self.norms[1](x))))


class NNXLayer(nnx.Module):
    """One of several layers as one."""

    def __init__(self, *, rngs):
        self.linear = nnx.Linear(4, 4, rngs=rngs)
        self.norm = nnx.BatchNorm(4, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)

    def __call__(self, x):
        return self.dropout(self.norm(self.linear(x)))


class NNXScanned(nnx.Module):
    """Three layers, of which each leaf has a first axis, one after the other by a scan."""

    def __init__(self, *, rngs):
        @nnx.split_rngs(splits=3)
        @nnx.vmap(in_axes=0, out_axes=0)
        def make(rngs):
            return NNXLayer(rngs=rngs)

        self.layers = make(rngs)

    def __call__(self, x):
        @nnx.scan(in_axes=(0, nnx.Carry), out_axes=nnx.Carry)
        def deep(layer, x):
            return layer(x)

        return deep(self.layers, x)
