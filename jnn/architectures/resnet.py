"""Residual networks for images: ResNet-18, 34, 50, 101 and 152."""

import dataclasses
from collections.abc import Callable
from typing import Literal

import jax.numpy as jnp

from jnn.compose import chain, parallel
from jnn.errors import mistake
from jnn.functions import identity
from jnn.initializers import variance_scaling
from jnn.layers import activation as activations
from jnn.layers.batch_normalization import batch_norm
from jnn.layers.checks import check_positive
from jnn.layers.convolution import conv
from jnn.layers.dense import dense
from jnn.layers.pooling import global_average_pool, max_pool
from jnn.model import Model

BASIC = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}
BOTTLENECK = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
BLOCKS = BASIC | BOTTLENECK
EXPANSION = 4  # the outputs of a bottleneck, over the channels of its 3x3 convolution
he_normal = variance_scaling(2, "fan_out", "normal")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ResNetConfig:
    """The settings of a `resnet`."""

    outputs: int
    """Classes, or values to predict; the last layer has no activation."""
    depth: int = 18
    """Layers with weights: 18 or 34, of basic blocks; 50, 101 or 152, of bottlenecks."""
    stem: Literal["imagenet", "small"] = "imagenet"
    """How images enter: ``"imagenet"``, 7x7 with a stride of 2 and a max pooling, to a quarter of
    height and width; ``"small"``, 3x3 alone, for images from 8x8 to 64x64."""
    width: int = 64
    """Channels of the stem and of the first stage; each next stage has twice as many."""
    activation: str = "relu"
    """A name in `jnn.layers.activation.ACTIVATIONS`."""
    zero_last_scale: bool = False
    """Whether each block starts as its shortcut, with a last scale of 0 (Goyal et al. 2017)."""


def resnet(config: ResNetConfig) -> Model:
    """A stem, four stages of residual blocks, global average pooling, and a dense layer.

    Each stage but the first halves the resolution.

    x ``(..., H, W, C)`` -> logits or values ``(..., outputs)``. ResNet-18 has 11,689,512 parameters
    with 1000 outputs.

    Source: He et al. 2015, https://arxiv.org/abs/1512.03385, in the form of torchvision, whose
    weights fit: bottlenecks are "v1.5", with the stride in their 3x3 convolution and not in the
    first 1x1; padding is the same on both sides; a shortcut that changes the shape is a 1x1
    convolution and a normalization. Kernels are normal with variance ``2 / fan_out`` (He et al.
    2015, https://arxiv.org/abs/1502.01852). All counts from 0: torchvision's ``layer1.0.conv1`` is
    ``stage0/block0/body/conv0``.

    >>> import jax, jax.numpy as jnp
    >>> model = resnet(ResNetConfig(outputs=10, stem="small", width=4))
    >>> shapes, _ = jax.eval_shape(model.init, jax.random.key(0), jnp.ones((32, 32, 3)))
    >>> shapes["stage3"]["block1"]["body"]["conv1"]["kernel"].shape
    (3, 3, 32, 32)
    """
    check_positive("resnet", outputs=config.outputs, width=config.width)
    if config.depth not in BLOCKS:
        raise mistake(
            "resnet",
            got=f"depth={config.depth!r}",
            expected=f"one of {', '.join(map(str, BLOCKS))}",
        )
    block, expansion = (
        (bottleneck_block, EXPANSION) if config.depth in BOTTLENECK else (basic_block, 1)
    )
    channels, stages = config.width, {}
    for i, n in enumerate(BLOCKS[config.depth]):
        features, blocks = config.width * 2**i, {}
        for j in range(n):
            strides = 2 if i > 0 and j == 0 else 1
            settings = {"activation": config.activation, "zero_last_scale": config.zero_last_scale}
            blocks[f"block{j}"], channels = (
                block(channels, features, strides, **settings),
                features * expansion,
            )
        stages[f"stage{i}"] = chain(**blocks)
    return chain(
        stem=_stem(config), **stages, pool=global_average_pool(), out=dense(config.outputs)
    )


def basic_block(
    channels: int,
    features: int,
    strides: int = 1,
    *,
    activation: str = "relu",
    zero_last_scale: bool = False,
) -> Model:
    """The residual block of ResNet-18 and 34: ``y = f(norm(conv(f(norm(conv(x))))) + x)``.

    x ``(..., H, W, channels)`` -> y ``(..., H / strides, W / strides, features)``, sizes rounded
    up. Both convolutions are 3x3. If x and y differ in shape, the shortcut is a 1x1 convolution and
    a normalization.

    >>> import jax, jax.numpy as jnp
    >>> block, x = basic_block(4, 8, strides=2), jnp.ones((8, 8, 4))
    >>> shapes, _ = jax.eval_shape(block.init, jax.random.key(0), x)
    >>> shapes["body"]["conv0"]["kernel"].shape, shapes["shortcut"]["conv"]["kernel"].shape
    ((3, 3, 4, 8), (1, 1, 4, 8))
    """
    f = activations.activation(activation)
    body = chain(
        conv0=_conv(features, 3, strides),
        norm0=batch_norm(),
        activation0=f,
        conv1=_conv(features, 3),
        norm1=_last_norm(zero_last_scale),
    )
    return _residual(body, channels, features, strides, f)


def bottleneck_block(
    channels: int,
    features: int,
    strides: int = 1,
    *,
    activation: str = "relu",
    zero_last_scale: bool = False,
) -> Model:
    """The residual block of deeper ResNets: a 3x3 convolution between two of 1x1.

    As `basic_block`, but y has ``4 features`` channels.
    """
    f = activations.activation(activation)
    body = chain(
        conv0=_conv(features, 1),
        norm0=batch_norm(),
        activation0=f,
        conv1=_conv(features, 3, strides),
        norm1=batch_norm(),
        activation1=f,
        conv2=_conv(features * EXPANSION, 1),
        norm2=_last_norm(zero_last_scale),
    )
    return _residual(body, channels, features * EXPANSION, strides, f)


def _residual(body: Model, channels: int, outputs: int, strides: int, f: Callable) -> Model:
    """``y = f(body(x) + shortcut(x))``."""
    changes_shape = strides > 1 or channels != outputs
    shortcut = (
        chain(conv=_conv(outputs, 1, strides), norm=batch_norm()) if changes_shape else identity
    )

    def add(y, x):
        if y.shape != x.shape:
            raise mistake(
                "residual block",
                got=f"x of shape {x.shape}",
                expected=f"{channels} channels in its last axis",
            )
        return f(y + x)

    return parallel(body=body, shortcut=shortcut, combine=add)


def _stem(config: ResNetConfig) -> Model:
    if config.stem not in ("imagenet", "small"):
        raise mistake("resnet", got=f"stem={config.stem!r}", expected="'imagenet' or 'small'")
    if config.stem == "small":
        return chain(
            conv=_conv(config.width, 3),
            norm=batch_norm(),
            activation=activations.activation(config.activation),
        )
    pool = max_pool((3, 3), strides=2, padding=1)
    return chain(
        conv=_conv(config.width, 7, strides=2),
        norm=batch_norm(),
        activation=activations.activation(config.activation),
        pool=pool,
    )


def _conv(features: int, size: int, strides: int = 1) -> Model:
    return conv(
        features,
        (size, size),
        strides=strides,
        padding=size // 2,
        use_bias=False,
        kernel_init=he_normal,
    )


def _last_norm(is_zero: bool) -> Model:
    """The last normalization of a block, whose scale may be zero at first."""
    norm = batch_norm()

    def init(key, x):
        params, state = norm.init(key, x)
        return {**params, "scale": jnp.zeros_like(params["scale"])}, state

    return norm._replace(init=init) if is_zero else norm
