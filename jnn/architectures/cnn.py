"""Convolutional networks for images, among them LeNet-5 and small VGGs."""

import dataclasses
from typing import Literal

from jnn.architectures.mlp import MLPConfig, mlp
from jnn.architectures.settings import check_settings
from jnn.architectures.vgg import convolutions_of
from jnn.compose import chain
from jnn.errors import mistake
from jnn.initializers import he_normal
from jnn.layers.activation import activation
from jnn.layers.batch_normalization import batch_norm
from jnn.layers.convolution import conv
from jnn.layers.dense import flatten
from jnn.layers.dropout import dropout
from jnn.layers.pooling import average_pool, global_average_pool, max_pool
from jnn.model import Model

POOLINGS = {"max": max_pool, "average": average_pool}


@dataclasses.dataclass(frozen=True, kw_only=True)
class CNNConfig:
    """The settings of a `cnn`."""

    outputs: int
    """Classes, or values to predict; the last layer has no activation."""
    channels: tuple[int, ...] = (32, 64)
    """The channels of each stage. A stage ends in a pooling that halves height and width, and drops
    an odd last row or column.
    """
    convolutions: int | tuple[int, ...] = 2
    """Convolutions in each stage: one number for all, or one for each."""
    kernel_size: int = 3
    """Height and width of the window of each convolution."""
    padding: Literal["SAME", "VALID"] = "SAME"
    """Whether convolutions keep height and width, or lose ``kernel_size - 1`` of them."""
    activation: str = "relu"
    """A name in `jnn.layers.activation.ACTIVATIONS`, after each convolution and each hidden dense
    layer.
    """
    normalization: Literal["none", "batch"] = "none"
    """``"batch"``: batch normalization between each convolution, then without a bias, and its
    activation.
    """
    pooling: Literal["max", "average"] = "max"
    """What the 2x2 windows at the end of a stage give."""
    global_pooling: bool = False
    """Whether the dense layers see the mean of each channel, which images of any size have, and not
    all that the last stage gives.
    """
    hidden: tuple[int, ...] = (128,)
    """The width of each hidden dense layer."""
    dropout: float = 0.0
    """Fraction of hidden dense activities that is dropped in training; without hidden layers, of
    what the convolutions give.
    """

    def __post_init__(self):
        """Refuse what does not fit together."""
        check_settings(self)
        if len(self.convolutions_of_stages) != len(self.channels):
            raise mistake(
                "CNNConfig",
                got=f"channels={self.channels!r} and convolutions={self.convolutions!r}",
                expected="as many of both",
                remedy="One number of convolutions serves all stages: convolutions=2.",
            )

    @property
    def convolutions_of_stages(self) -> tuple[int, ...]:
        """The number of convolutions in each stage."""
        if isinstance(self.convolutions, tuple | list):
            return tuple(self.convolutions)
        return (self.convolutions,) * len(self.channels)


def cnn(config: CNNConfig) -> Model:
    """Stages of convolutions, each followed by a pooling, then an `mlp`.

        h = pool(f(... f(h * W_1 + b_1) ... * W_n + b_n))     each stage

    x ``(..., H, W, C)`` -> logits or values ``(..., outputs)``. The kernels of convolutions are
    drawn with `he_normal`, which keeps the variance of relu's outputs in depth. Raises `JnnError`
    for images with channels first, and for those too small for so many stages.

    >>> import jax, jax.numpy as jnp
    >>> model = cnn(CNNConfig(outputs=10, channels=(8, 16), convolutions=1))
    >>> params, state = jax.jit(model.init)(jax.random.key(0), jnp.ones((28, 28, 1)))
    >>> params["stage1"]["conv0"]["kernel"].shape
    (3, 3, 8, 16)
    """
    sizes = zip(config.channels, config.convolutions_of_stages, strict=True)
    stages = {f"stage{i}": _stage(config, *of_stage) for i, of_stage in enumerate(sizes)}
    features = {"features": global_average_pool() if config.global_pooling else flatten(3)}
    if config.dropout and not config.hidden:
        features["dropout"] = dropout(config.dropout)
    head = MLPConfig(
        outputs=config.outputs,
        hidden=config.hidden,
        activation=config.activation,
        dropout=config.dropout,
    )
    return chain(**stages, **features, head=mlp(head))


def lenet5(outputs: int = 10) -> CNNConfig:
    """The `CNNConfig` of LeNet-5 in its modern form, with 61,706 params for 32x32 images.

    Images are ``(32, 32, 1)``: pad digits of 28x28 by 2.

    Source: LeCun et al. 1998, section II.B. There, pooling has a learned coefficient and bias, the
    second convolution reads only some of the channels, tanh is scaled by 1.7159, and outputs are
    distances to drawn digits: here means, all channels, tanh and logits. The third
    convolution of the paper sees all that is left, so it is the first dense layer.

    >>> import jax, jax.numpy as jnp
    >>> params, _ = cnn(lenet5()).init(jax.random.key(0), jnp.ones((32, 32, 1)))
    >>> sum(leaf.size for leaf in jax.tree.leaves(params))
    61706
    """
    return CNNConfig(
        outputs=outputs,
        channels=(6, 16),
        convolutions=1,
        kernel_size=5,
        padding="VALID",
        activation="tanh",
        pooling="average",
        hidden=(120, 84),
    )


def small_vgg(depth: int, *, outputs: int) -> CNNConfig:
    """The `CNNConfig` of a VGG of 11, 13, 16 or 19 layers for small images, from 32x32 on.

    It has batch normalization, and one dense layer on the means of the channels. That for large
    images is `jnn.architectures.vgg.vgg`.

    Source: the convolutions of Simonyan & Zisserman 2014, https://arxiv.org/abs/1409.1556.

    >>> small_vgg(16, outputs=10).channels
    (64, 128, 256, 512, 512)
    """
    return CNNConfig(
        outputs=outputs,
        channels=(64, 128, 256, 512, 512),
        convolutions=convolutions_of("small_vgg", depth),
        normalization="batch",
        global_pooling=True,
        hidden=(),
    )


def _stage(config: CNNConfig, channels: int, convolutions: int) -> Model:
    """``convolutions`` times convolution, normalization and activation, then a pooling."""
    parts, window = {}, (config.kernel_size, config.kernel_size)
    is_normalized = config.normalization == "batch"
    for i in range(convolutions):
        parts[f"conv{i}"] = conv(
            channels,
            window,
            padding=config.padding,
            use_bias=not is_normalized,
            kernel_init=he_normal(),
        )
        if is_normalized:
            parts[f"norm{i}"] = batch_norm()
        parts[f"activation{i}"] = activation(config.activation)
    return chain(**parts, pool=POOLINGS[config.pooling]((2, 2)))
