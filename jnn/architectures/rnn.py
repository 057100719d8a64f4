"""Recurrent networks: stacks of Elman, LSTM or GRU layers."""

import dataclasses
from typing import Literal

from jnn.architectures.settings import check_settings
from jnn.compose import chain
from jnn.layers.bidirectional import bidirectional
from jnn.layers.dense import dense
from jnn.layers.dropout import dropout
from jnn.layers.elman import elman
from jnn.layers.embedding import embedding
from jnn.layers.gru import gru
from jnn.layers.lstm import lstm
from jnn.model import Model

CELLS = {"rnn": elman, "lstm": lstm, "gru": gru}


@dataclasses.dataclass(frozen=True, kw_only=True)
class RNNConfig:
    """The settings of an `rnn`."""

    outputs: int
    """Classes, tokens, or values to predict at each element; the last layer has no activation."""
    vocabulary: int = 0
    """Tokens, which are embedded; 0 where x holds features."""
    embedding: int = 128
    """Features of an embedded token."""
    cell: Literal["rnn", "lstm", "gru"] = "lstm"
    """The recurrent layer."""
    width: int = 256
    """Features of each recurrent layer, in each direction."""
    depth: int = 2
    """Recurrent layers."""
    bidirectional: bool = False
    """Whether each layer reads in both directions; the model does not stream then."""
    dropout: float = 0.0
    """Fraction that is dropped in training after the embedding and after each recurrent layer."""

    def __post_init__(self):
        """Refuse what does not fit together."""
        check_settings(self)


def rnn(config: RNNConfig) -> Model:
    """A chain of recurrent layers, then a dense layer at each element.

    x tokens ``(..., T)``, or features ``(..., T, D)`` where there is no vocabulary -> y
    ``(..., T, outputs)``. For one y a sequence, chain it with `jnn.last_element` or a pooling,
    which know a mask: the last of padded elements is none of the sequence.

    >>> import jax, jax.numpy as jnp
    >>> model = rnn(RNNConfig(outputs=65, vocabulary=65, width=16))
    >>> params, state = jax.jit(model.init)(jax.random.key(0), jnp.arange(6))
    >>> sorted(params), jax.jit(model.apply)(params, state, jnp.arange(6))[0].shape
    (['embedding', 'layer0', 'layer1', 'out'], (6, 65))
    """
    parts = {}
    if config.vocabulary:
        parts["embedding"] = embedding(config.vocabulary, config.embedding)
        parts["embedding_dropout"] = dropout(config.dropout)
    for i in range(config.depth):
        layer = CELLS[config.cell]
        parts[f"layer{i}"] = (
            bidirectional(layer(config.width), layer(config.width))
            if config.bidirectional
            else layer(config.width)
        )
        parts[f"dropout{i}"] = dropout(config.dropout)
    return chain(**parts, out=dense(config.outputs))
