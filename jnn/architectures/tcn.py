"""The temporal convolutional network: residual blocks of dilated causal convolutions."""

import dataclasses

from jnn.architectures.settings import check_settings
from jnn.compose import chain, residual
from jnn.errors import mistake
from jnn.initializers import he_normal
from jnn.layers.activation import activation
from jnn.layers.convolution import conv
from jnn.layers.dense import dense
from jnn.layers.dropout import dropout
from jnn.layers.weight_normalization import weight_norm
from jnn.model import Model


@dataclasses.dataclass(frozen=True, kw_only=True)
class TCNConfig:
    """The settings of a `tcn`."""

    outputs: int
    """Classes, or values to predict, at each element; the last layer has no activation."""
    channels: tuple[int, ...] = (32, 32, 32, 32)
    """The features of each block; block i looks back in steps of 2^i elements."""
    kernel_size: int = 3
    """Elements that a convolution sees."""
    activation: str = "relu"
    """A name in `jnn.layers.activation.ACTIVATIONS`."""
    dropout: float = 0.0
    """Fraction that is dropped in training after each convolution."""
    weight_norm: bool = True
    """Whether length and direction of the convolutions' kernels are separate params."""

    def __post_init__(self):
        """Refuse what does not fit together."""
        check_settings(self)
        if not self.channels:
            expected = "the features of one block at least"
            raise mistake("TCNConfig", got="channels=()", expected=expected)


def tcn(config: TCNConfig) -> Model:
    """A chain of residual blocks, then a dense layer at each element.

        h_i = f(h_{i-1} + g(W_i' *_d g(W_i *_d h_{i-1}))),   g(x) = dropout(f(x)),   d = 2^i

    ``*_d`` is a causal convolution of dilation d. If a block changes the number of features, its
    residual connection is a dense layer.

    x features ``(..., T, D)`` -> y ``(..., T, outputs)``, where y_t depends on the last
    `receptive_field` elements up to x_t. It streams. For one y a sequence, chain it with
    `jnn.last_element`, which knows a mask.

    Source: Bai, Kolter, Koltun 2018, https://arxiv.org/abs/1803.01271, section 3; dropout is of
    single values as in the authors' code, not of whole channels as in the text.

    >>> import jax, jax.numpy as jnp
    >>> model = tcn(TCNConfig(outputs=1, channels=(8, 8)))
    >>> params, state = jax.jit(model.init)(jax.random.key(0), jnp.ones((20, 3)))
    >>> sorted(params), jax.jit(model.apply)(params, state, jnp.ones((20, 3)))[0].shape
    (['block0', 'block1', 'out'], (20, 1))
    """
    blocks = {
        f"block{i}": _block(config, channels, i) for i, channels in enumerate(config.channels)
    }
    return chain(**blocks, out=dense(config.outputs))


def receptive_field(config: TCNConfig) -> int:
    """The number of elements, up to its own, that an output depends on.

        1 + 2 (kernel_size - 1) (2^blocks - 1)

    >>> receptive_field(TCNConfig(outputs=1, channels=(8, 8, 8), kernel_size=3))
    29
    """
    return 1 + 2 * (config.kernel_size - 1) * (2 ** len(config.channels) - 1)


def _block(config: TCNConfig, channels: int, i: int) -> Model:
    def convolution() -> Model:
        layer = conv(
            channels,
            (config.kernel_size,),
            padding="CAUSAL",
            dilation=2**i,
            kernel_init=he_normal(),
        )
        layer = weight_norm(layer) if config.weight_norm else layer
        return chain(
            conv=layer, activation=activation(config.activation), dropout=dropout(config.dropout)
        )

    changes = i == 0 or config.channels[i - 1] != channels
    body = chain(convolution(), convolution())
    return chain(
        residual=residual(body, dense(channels)) if changes else residual(body),
        activation=activation(config.activation),
    )
