"""VGG, plain convolutional networks for images: of 11, 13, 16 and 19 layers with weights."""

import dataclasses

from jnn.architectures.settings import check_settings
from jnn.compose import chain
from jnn.errors import mistake
from jnn.initializers import normal, variance_scaling
from jnn.layers import activation as activations
from jnn.layers.batch_normalization import batch_norm
from jnn.layers.convolution import conv
from jnn.layers.dense import dense, flatten
from jnn.layers.dropout import dropout
from jnn.layers.pooling import adaptive_average_pool, max_pool
from jnn.model import Model

STAGES = {
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}
"""Convolutions of each stage, by depth."""
WIDEST = 8
"""The channels of the last stages, over those of the first."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class VGGConfig:
    """The settings of a `vgg`."""

    outputs: int
    """Classes, or values to predict; the last layer has no activation."""
    depth: int = 16
    """Layers with weights: 11, 13, 16 or 19."""
    batch_norm: bool = False
    """Whether each convolution has a batch normalization behind it."""
    width: int = 64
    """Channels of the first stage; each next stage has twice as many, up to eight times."""
    grid: int = 7
    """Height and width to which the last feature maps are averaged."""
    hidden: int = 4096
    """Width of the two dense layers before the last."""
    dropout: float = 0.5
    """Fraction of their outputs that is dropped in training."""
    activation: str = "relu"
    """A name in `jnn.layers.activation.ACTIVATIONS`."""

    def __post_init__(self):
        """Refuse what is no size or no fraction, and other depths."""
        check_settings(self)
        convolutions_of("VGGConfig", self.depth)


def vgg(config: VGGConfig) -> Model:
    """Five stages of 3x3 convolutions, each with a max pooling, and three dense layers.

    x ``(..., H, W, C)``, H and W of 32 or more -> logits or values ``(..., outputs)``. VGG-16 has
    138,357,544 parameters with 1000 outputs.

    Source: Simonyan & Zisserman 2014, https://arxiv.org/abs/1409.1556, in the form of torchvision,
    whose weights fit by `jnn.interop.load`: any size of image is averaged to a ``grid``. Kernels of
    convolutions are normal with variance ``2 / fan_out``, and of dense layers with a standard
    deviation of 0.01, as there.

    >>> import jax, jax.numpy as jnp
    >>> model = vgg(VGGConfig(outputs=10, depth=11, width=2, grid=1, hidden=8))
    >>> shapes, _ = jax.eval_shape(model.init, jax.random.key(0), jnp.ones((32, 32, 3)))
    >>> shapes["stage4"]["conv1"]["kernel"].shape, shapes["hidden0"]["kernel"].shape
    ((3, 3, 16, 16), (16, 8))
    """
    f = activations.activation(config.activation)
    stages = {
        f"stage{i}": _stage(config, convolutions, config.width * min(2**i, WIDEST))
        for i, convolutions in enumerate(convolutions_of("vgg", config.depth))
    }
    layers = {}
    for i in range(2):
        layers |= {
            f"hidden{i}": dense(config.hidden, kernel_init=normal(0.01)),
            f"activation{i}": f,
            f"dropout{i}": dropout(config.dropout),
        }
    return chain(
        **stages,
        pool=adaptive_average_pool((config.grid, config.grid)),
        flatten=flatten(3),
        **layers,
        out=dense(config.outputs, kernel_init=normal(0.01)),
    )


def convolutions_of(caller: str, depth: int) -> tuple[int, ...]:
    """The convolutions of each stage of a VGG with ``depth`` layers. Others raise `JnnError`."""
    if depth not in STAGES:
        names = ", ".join(map(str, STAGES))
        raise mistake(caller, got=f"depth={depth!r}", expected=f"one of {names}")
    return STAGES[depth]


def _stage(config: VGGConfig, convolutions: int, features: int) -> Model:
    layers = {}
    kernel_init = variance_scaling(2, "fan_out", "normal")
    for j in range(convolutions):
        layers[f"conv{j}"] = conv(features, (3, 3), padding=1, kernel_init=kernel_init)
        if config.batch_norm:
            layers[f"norm{j}"] = batch_norm()
        layers[f"activation{j}"] = activations.activation(config.activation)
    return chain(**layers, pool=max_pool((2, 2), strides=2))
