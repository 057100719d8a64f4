"""The convolutional network for sentences, with max pooling over time."""

import dataclasses

import jax
import jax.numpy as jnp

from jnn.architectures.settings import check_settings
from jnn.compose import chain, parallel
from jnn.errors import mistake
from jnn.initializers import he_normal
from jnn.layers.activation import activation
from jnn.layers.convolution import conv
from jnn.layers.dense import dense
from jnn.layers.dropout import dropout
from jnn.layers.embedding import embedding
from jnn.layers.pooling import global_max_pool
from jnn.model import Model


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextCNNConfig:
    """The settings of a `text_cnn`. The defaults are the paper's."""

    outputs: int
    """Classes, or values to predict; the last layer has no activation."""
    vocabulary: int = 0
    """Tokens to embed; 0 if x holds features, such as pretrained vectors of words."""
    embedding: int = 300
    """Features of an embedded token."""
    widths: tuple[int, ...] = (3, 4, 5)
    """The number of tokens in each kind of window."""
    channels: int = 100
    """Features of each kind of window."""
    activation: str = "relu"
    """A name in `jnn.layers.activation.ACTIVATIONS`."""
    dropout: float = 0.5
    """Fraction of a sentence's features that is dropped in training."""

    def __post_init__(self):
        """Refuse what does not fit together."""
        check_settings(self)
        if not self.widths or len(set(self.widths)) < len(self.widths):
            expected = "one width or more, all different"
            raise mistake("TextCNNConfig", got=f"widths={self.widths!r}", expected=expected)


def text_cnn(config: TextCNNConfig) -> Model:
    """Convolutions of several widths over tokens, the maximum over time, and a dense layer.

        h_w = max_t f(x[t : t + w] * W_w + b_w)     for each width w
        y   = dropout([h_w ...]) W + b

    x tokens ``(..., T)``, or features ``(..., T, D)`` if there is no vocabulary -> logits or values
    ``(..., outputs)``, for any T >= 1: the sentence is padded with zeros at both ends. With a
    ``mask`` ``(..., T)`` padding elements count as zeros too, so that they change nothing.

    Source: Kim 2014, https://arxiv.org/abs/1408.5882, whose windows end at the last word and whose
    weights are kept to a norm of 3 in place of weight decay.

    >>> import jax, jax.numpy as jnp
    >>> model = text_cnn(TextCNNConfig(outputs=6, vocabulary=100, embedding=8, channels=5))
    >>> params, state = jax.jit(model.init)(jax.random.key(0), jnp.arange(9))
    >>> logits, _ = jax.jit(model.apply)(params, state, jnp.arange(9))
    >>> params["windows"]["width3"]["conv"]["kernel"].shape, logits.shape
    ((3, 8, 5), (6,))
    """
    windows = {
        f"width{width}": chain(
            conv=conv(config.channels, (width,), kernel_init=he_normal()),
            activation=activation(config.activation),
            pool=global_max_pool(rank=1),
        )
        for width in config.widths
    }
    parts = (
        {"embedding": embedding(config.vocabulary, config.embedding)} if config.vocabulary else {}
    )
    parts["windows"] = parallel(**windows, combine=_side_by_side)
    return chain(**parts, dropout=dropout(config.dropout), out=dense(config.outputs))


def _side_by_side(*features: jax.Array) -> jax.Array:
    return jnp.concatenate(features, axis=-1)
