"""A one-stage object detector: a feature pyramid with a heat map and a box head."""

import dataclasses
import math
from typing import Literal

import jax

from jnn.architectures.settings import check_settings
from jnn.compose import chain, parallel
from jnn.errors import mistake
from jnn.initializers import he_normal
from jnn.layers import activation as activations
from jnn.layers.batch_normalization import batch_norm
from jnn.layers.convolution import conv
from jnn.layers.normalization import group_norm
from jnn.layers.pooling import upsample
from jnn.model import Model

RARE = -math.log(0.99 / 0.01)
"""The initial logit of a center, so that cells without one do not dominate the first steps."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class DetectorConfig:
    """The settings of a `detector`."""

    classes: int
    """Kinds of objects; each has its heat map."""
    channels: tuple[int, ...] = (32, 64, 96, 128)
    """The channels of each stage, of which each halves height and width."""
    convolutions: tuple[int, ...] = (1, 2, 2, 2)
    """Convolutions of 3x3 in each stage, the first of which has the stride of 2."""
    stride: int = 4
    """Pixels between two cells of the maps, a power of two from 2 to that of the last stage."""
    width: int = 64
    """Channels of the pyramid."""
    normalization: Literal["batch", "group"] = "batch"
    """Batch normalization, or group normalization of each image alone.

    The latter is for small batches, and for test images of another distribution.
    """
    groups: int = 8
    """Groups of channels of group normalization; must divide ``width`` and all ``channels``."""
    activation: str = "relu"
    """A name in `jnn.layers.activation.ACTIVATIONS`."""

    def __post_init__(self):
        """Refuse what does not fit together."""
        check_settings(self)
        if len(self.channels) != len(self.convolutions) or not self.channels:
            got = f"channels={self.channels!r} and convolutions={self.convolutions!r}"
            raise mistake("DetectorConfig", got=got, expected="as many of both, one for each stage")
        strides = [2 ** (i + 1) for i in range(len(self.channels))]
        if self.stride not in strides:
            raise mistake(
                "DetectorConfig",
                got=f"stride={self.stride!r}",
                expected=f"one of {', '.join(map(str, strides))}, those of the stages",
            )
        if self.normalization == "group" and any(
            size % self.groups for size in (*self.channels, self.width)
        ):
            raise mistake(
                "DetectorConfig",
                got=f"groups={self.groups}, channels={self.channels!r}, width={self.width}",
                expected="groups that divide the width and all channels",
            )


def detector(config: DetectorConfig) -> Model:
    """A convolutional backbone, a feature pyramid, and a head each for heat maps and boxes.

    Stages halve the resolution; the coarse features are upsampled and added to the finer ones.

    x ``(..., H, W, C)`` -> ``{"heat": (..., h, w, classes), "box": (..., h, w, 4)}`` with h and w
    as H and W over ``stride``, rounded up: logits of the centers of objects, and offset and log
    size of their boxes, which `jnn.detection.center_points` makes and reads. Images may be of any
    size, another one than that of ``init`` too. Each convolution of 3x3 has a normalization and an
    activation behind it.

    Source: the heads are those of CenterNet, Zhou et al. 2019, https://arxiv.org/abs/1904.07850,
    with one for both offset and size; the pyramid is that of Lin et al. 2017,
    https://arxiv.org/abs/1612.03144.

    >>> import jax, jax.numpy as jnp
    >>> sizes = {"channels": (4, 8, 8), "convolutions": (1, 1, 1), "width": 4}
    >>> model = detector(DetectorConfig(classes=3, **sizes))
    >>> params, state = jax.jit(model.init)(jax.random.key(0), jnp.ones((32, 32, 1)))
    >>> jax.tree.map(jnp.shape, jax.jit(model.apply)(params, state, jnp.ones((40, 33, 1)))[0])
    {'box': (10, 9, 4), 'heat': (10, 9, 3)}
    """
    stages = [
        _stage(config, *sizes) for sizes in zip(config.channels, config.convolutions, strict=True)
    ]
    first = config.stride.bit_length() - 2
    fine = {f"stage{i}": stage for i, stage in enumerate(stages[:first])}
    heads = parallel(heat=_head(config.classes, RARE), box=_head(4, 0.0))
    return chain(
        **fine,
        pyramid=_pyramid(config, stages[first:]),
        hidden=_block(config, config.width),
        heads=heads,
    )


def _pyramid(config: DetectorConfig, stages: list[Model]) -> Model:
    """The first stage, and the sum of its features with those of the coarser ones, in
    ``config.width`` channels.
    """
    lateral = conv(config.width, (1, 1), kernel_init=he_normal())
    if len(stages) == 1:
        return chain(stage=stages[0], lateral=lateral)
    coarser = chain(pyramid=_pyramid(config, stages[1:]), larger=upsample((2, 2)))
    return chain(stage=stages[0], merged=parallel(lateral=lateral, coarser=coarser, combine=_add))


def _add(fine: jax.Array, coarse: jax.Array) -> jax.Array:
    """The sum, without the row or column that an odd size rounded up has too many."""
    return fine + coarse[..., : fine.shape[-3], : fine.shape[-2], :]


def _stage(config: DetectorConfig, channels: int, convolutions: int) -> Model:
    return chain(
        **{f"block{i}": _block(config, channels, 2 if i == 0 else 1) for i in range(convolutions)}
    )


def _block(config: DetectorConfig, channels: int, strides: int = 1) -> Model:
    convolve = conv(
        channels, (3, 3), strides=strides, padding=1, use_bias=False, kernel_init=he_normal()
    )
    norm = batch_norm() if config.normalization == "batch" else group_norm(config.groups, rank=3)
    return chain(conv=convolve, norm=norm, activation=activations.activation(config.activation))


def _head(outputs: int, bias: float) -> Model:
    return conv(outputs, (1, 1), bias_init=jax.nn.initializers.constant(bias))
