"""Residual networks for images: ResNet-18, 34, 50, 101 and 152."""

import dataclasses
from typing import Literal

import jax
import jax.numpy as jnp

from jnn.compose import chain, parallel
from jnn.errors import mistake
from jnn.layers.activation import activation
from jnn.layers.batch_normalization import batch_norm
from jnn.layers.checks import check_positive
from jnn.layers.convolution import conv
from jnn.layers.dense import dense
from jnn.layers.pooling import global_average_pool, max_pool
from jnn.model import Model, identity

BASIC = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}
BOTTLENECK = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
BLOCKS = BASIC | BOTTLENECK
EXPANSION = 4  # a bottleneck gives so many times the channels that it works on
he_normal = jax.nn.initializers.variance_scaling(2, "fan_out", "normal")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ResNetConfig:
    """The settings of a `resnet`."""

    outputs: int
    """Classes, or values to predict; the last layer has no activation."""
    depth: int = 18
    """Layers with weights: 18 or 34, of basic blocks; 50, 101 or 152, of bottlenecks."""
    stem: Literal["imagenet", "small"] = "imagenet"
    """How images enter: ``"imagenet"``, 7x7 with a stride of 2 and a max pooling, to a quarter of height and width; ``"small"``, 3x3 alone,
    for images from 8x8 to 64x64."""
    width: int = 64
    """Channels of the stem and of the first stage; each next stage has twice as many."""
    activation: str = "relu"
    """A name in `jnn.layers.activation.ACTIVATIONS`."""
    zero_last_scale: bool = False
    """Whether the last scale of each block begins as zero, so that the block begins as its shortcut (Goyal et al. 2017)."""


def resnet(config: ResNetConfig) -> Model:
    """A stem, four stages of residual blocks, each but the first at half the resolution, and a dense layer on the means of the channels.

    x ``(..., H, W, C)`` -> logits or values ``(..., outputs)``. ResNet-18 has 11,689,512 parameters with 1000 outputs.

    Source: He et al. 2015, https://arxiv.org/abs/1512.03385, in the form of torchvision, whose weights fit: bottlenecks are "v1.5", with
    the stride in their 3x3 convolution and not in the first 1x1; padding is the same on both sides; a shortcut that changes the shape is a
    1x1 convolution and a normalization. Kernels are normal with variance ``2 / fan_out`` (He et al. 2015, https://arxiv.org/abs/1502.01852).
    All counts from 0: torchvision's ``layer1.0.conv1`` is ``stage0/block0/body/conv0``.

    >>> import jax, jax.numpy as jnp
    >>> model = resnet(ResNetConfig(outputs=10, stem="small", width=4))
    >>> shapes, _ = jax.eval_shape(model.init, jax.random.key(0), jnp.ones((32, 32, 3)))
    >>> shapes["stage3"]["block1"]["body"]["conv1"]["kernel"].shape
    (3, 3, 32, 32)
    """
    check_positive("resnet", outputs=config.outputs, width=config.width)
    if config.depth not in BLOCKS:
        raise mistake("resnet", got=f"depth={config.depth!r}", expected=f"one of {', '.join(map(str, BLOCKS))}")
    channels, stages = config.width, {}
    for i, n in enumerate(BLOCKS[config.depth]):
        features, blocks = config.width * 2**i, {}
        for j in range(n):
            block = _bottleneck if config.depth in BOTTLENECK else _basic
            blocks[f"block{j}"], channels = block(config, channels, features, 2 if i > 0 and j == 0 else 1)
        stages[f"stage{i}"] = chain(**blocks)
    return chain(stem=_stem(config), **stages, pool=global_average_pool(), out=dense(config.outputs))


def _stem(config: ResNetConfig) -> Model:
    if config.stem not in ("imagenet", "small"):
        raise mistake("resnet", got=f"stem={config.stem!r}", expected="'imagenet' or 'small'")
    if config.stem == "small":
        return chain(conv=_conv(config.width, 3), norm=batch_norm(), activation=activation(config.activation))
    pool = max_pool((3, 3), strides=2, padding=1)
    return chain(conv=_conv(config.width, 7, strides=2), norm=batch_norm(), activation=activation(config.activation), pool=pool)


def _basic(config: ResNetConfig, channels: int, features: int, strides: int) -> tuple[Model, int]:
    """Two convolutions of 3x3: the block, and how many channels it gives."""
    body = chain(
        conv0=_conv(features, 3, strides),
        norm0=batch_norm(),
        activation0=activation(config.activation),
        conv1=_conv(features, 3),
        norm1=_last_norm(config),
    )
    return _block(config, body, channels, features, strides), features


def _bottleneck(config: ResNetConfig, channels: int, features: int, strides: int) -> tuple[Model, int]:
    """A convolution of 3x3 between two of 1x1, to fewer channels and to more again: the block, and how many channels it gives."""
    body = chain(
        conv0=_conv(features, 1),
        norm0=batch_norm(),
        activation0=activation(config.activation),
        conv1=_conv(features, 3, strides),
        norm1=batch_norm(),
        activation1=activation(config.activation),
        conv2=_conv(features * EXPANSION, 1),
        norm2=_last_norm(config),
    )
    return _block(config, body, channels, features * EXPANSION, strides), features * EXPANSION


def _block(config: ResNetConfig, body: Model, channels: int, outputs: int, strides: int) -> Model:
    """``y = f(body(x) + shortcut(x))``."""
    f, changes_shape = activation(config.activation), strides > 1 or channels != outputs
    shortcut = chain(conv=_conv(outputs, 1, strides), norm=batch_norm()) if changes_shape else identity
    return parallel(body=body, shortcut=shortcut, combine=lambda y, x: f(y + x))


def _conv(features: int, size: int, strides: int = 1) -> Model:
    return conv(features, (size, size), strides=strides, padding=size // 2, use_bias=False, kernel_init=he_normal)


def _last_norm(config: ResNetConfig) -> Model:
    """The last normalization of a block, whose output is zero at first where the settings say so."""
    norm = batch_norm()

    def init(key, x):
        params, state = norm.init(key, x)
        return {**params, "scale": jnp.zeros_like(params["scale"])}, state

    return norm._replace(init=init) if config.zero_last_scale else norm
