"""Metric learning: a convolutional network that embeds images on the unit sphere, and prototypes.

>>> import jax, jax.numpy as jnp, jnn
>>> embedding = embedding_network(EmbeddingNetworkConfig(features=8, channels=(4, 8)))
>>> model = jnn.chain(embedding=embedding, prototypes=prototypes(3))
>>> params, state = jax.jit(model.init)(jax.random.key(0), jnp.ones((16, 16, 1)))
>>> images = jnp.ones((5, 16, 16, 1))
>>> cosines, _ = jax.jit(model.apply)(params, state, images)
>>> z, _ = jax.jit(embedding.apply)(params["embedding"], state["embedding"], images)
>>> cosines.shape, z.shape
((5, 3), (5, 8))

It is trained with a loss of the cosines, such as `jnn.losses.margin.arcface`. Prototypes serve the
classes of the training set alone; embeddings of new classes are compared with each other, as in
`jnn.scores.verification`.
"""

import dataclasses

import jax
import jax.numpy as jnp

from jnn.architectures.settings import check_settings
from jnn.compose import chain
from jnn.functions import function
from jnn.initializers import Init, he_normal, normal
from jnn.layers.activation import activation
from jnn.layers.batch_normalization import batch_norm
from jnn.layers.checks import check_features, check_float, check_params, check_positive
from jnn.layers.convolution import conv
from jnn.layers.dense import dense, flatten, linear
from jnn.layers.dropout import dropout
from jnn.layers.pooling import max_pool
from jnn.model import Model, check_key, pointwise
from jnn.precision import numerics, parameter_dtype

SMALLEST_SQUARED_NORM = 1e-12


@dataclasses.dataclass(frozen=True, kw_only=True)
class EmbeddingNetworkConfig:
    """The settings of an `embedding_network`."""

    features: int = 64
    """Numbers of an embedding."""
    channels: tuple[int, ...] = (32, 64, 128)
    """The channels of each stage, which halves height and width, and drops an odd last row or
    column.
    """
    activation: str = "relu"
    """A name in `jnn.layers.activation.ACTIVATIONS`."""
    dropout: float = 0.0
    """Fraction of what the convolutions give that is dropped in training."""

    def __post_init__(self):
        """Refuse what is no size or no fraction."""
        check_settings(self)


def embedding_network(config: EmbeddingNetworkConfig) -> Model:
    """Stages of a convolution, batch normalization and pooling; dropout, a dense layer, batch
    normalization, and the scaling to length 1.

    x ``(..., H, W, C)`` -> z ``(..., features)`` with ``‖z‖ = 1``, so that ``z · z'`` is the cosine
    of two embeddings. The dense layer sees every place of the last maps: what lies where matters in
    images that are aligned, as faces are. Source: the head of ArcFace, Deng et al. 2019,
    https://arxiv.org/abs/1801.07698, section 3.1, which normalizes once more, before dropout; here
    no layer before a normalization has a bias. Raises `JnnError` for images with channels first,
    and for those too small for so many stages.
    """
    stages = {f"stage{i}": _stage(config, channels) for i, channels in enumerate(config.channels)}
    return chain(
        **stages,
        flat=flatten(3),
        dropout=dropout(config.dropout),
        out=dense(config.features, use_bias=False),
        norm=batch_norm(),
        unit=function(unit_length),
    )


def _stage(config: EmbeddingNetworkConfig, channels: int) -> Model:
    return chain(
        conv=conv(channels, (3, 3), use_bias=False, kernel_init=he_normal()),
        norm=batch_norm(),
        activation=activation(config.activation),
        pool=max_pool((2, 2)),
    )


def prototypes(classes: int, *, kernel_init: Init = normal(1.0)) -> Model:
    """The cosines between x and a learned direction for each class:
    ``y_j = x · w_j / (‖x‖ ‖w_j‖)``.

    x ``(..., D)`` -> y ``(..., classes)`` from -1 to 1, at most rounding beyond; params ``kernel``
    ``(D, classes)``. Both lengths are computed in float32 at least. Raises `JnnError` for another D
    than in params and for integer x.

    >>> import jax.numpy as jnp
    >>> params = {"kernel": jnp.array([[2.0, 0.0], [0.0, 1.0]])}
    >>> y, _ = prototypes(2).apply(params, {}, jnp.array([3.0, 4.0]))
    >>> print(y.round(3))
    [0.6 0.8]
    """
    check_positive("prototypes", classes=classes)

    def init(key, x):
        check_float("prototypes", x, min_rank=1)
        check_key("prototypes", key)
        return {"kernel": kernel_init(key, (x.shape[-1], classes), parameter_dtype(x))}, {}

    def apply(params, state, x, *, key=None, train=False, mask=None):
        check_float("prototypes", x, min_rank=1)
        check_params("prototypes", params, kernel=(None, classes))
        check_features("prototypes", x, params["kernel"].shape[0])
        return linear(unit_length(x), unit_length(params["kernel"].T).T.astype(x.dtype)), state

    return pointwise(init, apply)


def unit_length(x: jax.Array) -> jax.Array:
    """``x / ‖x‖`` along the last axis, computed in float32 at least.

    A vector shorter than 1e-6 stays shorter than 1, and zero stays zero.

    >>> print(unit_length(jnp.array([3.0, 4.0])))
    [0.6 0.8]
    """
    h = numerics(x)
    squared_norm = jnp.maximum(jnp.sum(h**2, axis=-1, keepdims=True), SMALLEST_SQUARED_NORM)
    return (h * jax.lax.rsqrt(squared_norm)).astype(x.dtype)
