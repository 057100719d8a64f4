"""The multilayer perceptron."""

import dataclasses

from jnn.architectures.settings import check_settings
from jnn.compose import chain
from jnn.layers.activation import activation
from jnn.layers.dense import dense, flatten
from jnn.layers.dropout import dropout
from jnn.model import Model


@dataclasses.dataclass(frozen=True, kw_only=True)
class MLPConfig:
    """The settings of an `mlp`."""

    outputs: int
    """Classes, or values to predict; the last layer has no activation."""
    hidden: tuple[int, ...] = (128, 128)
    """The width of each hidden layer."""
    activation: str = "relu"
    """A name in `jnn.layers.activation.ACTIVATIONS`."""
    dropout: float = 0.0
    """Fraction of hidden activities that is dropped in training."""
    input_rank: int = 1
    """Axes of one example; an image has 3, which are flattened."""

    def __post_init__(self):
        """Refuse what is no size or no fraction."""
        check_settings(self)


def mlp(config: MLPConfig) -> Model:
    """Dense layers with an activation between: ``h_i = f(h_{i-1} W_i + b_i)``, ``y = h_n W + b``.

    x ``(..., D)`` -> logits or values ``(..., outputs)``. Used for classification with
    `jnn.losses.cross_entropy`, for regression with `squared_error`.

    >>> import jax, jax.numpy as jnp
    >>> model = mlp(MLPConfig(outputs=10, hidden=(32,), input_rank=3))
    >>> params, state = jax.jit(model.init)(jax.random.key(0), jnp.ones((28, 28, 1)))
    >>> sum(leaf.size for leaf in jax.tree.leaves(params))
    25450
    """
    layers = {"flatten": flatten(config.input_rank)} if config.input_rank > 1 else {}
    for i, width in enumerate(config.hidden):
        parts = {"dense": dense(width), "activation": activation(config.activation)}
        if config.dropout:
            parts["dropout"] = dropout(config.dropout)
        layers[f"hidden{i}"] = chain(**parts)
    return chain(**layers, out=dense(config.outputs))
