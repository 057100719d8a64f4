"""Residual networks for images: ResNet-18, 34, 50, 101, 152, ResNeXt and wide ones."""

import dataclasses
from collections.abc import Callable
from typing import Literal, NamedTuple

import jax.numpy as jnp

from jnn.architectures.settings import check_settings
from jnn.compose import chain, parallel
from jnn.errors import mistake
from jnn.functions import identity
from jnn.initializers import variance_scaling
from jnn.layers import activation as activations
from jnn.layers.batch_normalization import batch_norm
from jnn.layers.convolution import conv
from jnn.layers.dense import dense
from jnn.layers.pooling import global_average_pool, max_pool
from jnn.model import Model

BASIC = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}
BOTTLENECK = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
BLOCKS = BASIC | BOTTLENECK
EXPANSION = 4  # the outputs of a bottleneck, over the channels of its 3x3 convolution
he_normal = variance_scaling(2, "fan_out", "normal")


class Stage(NamedTuple):
    """The blocks of one resolution.

    ``blocks``    how many
    ``features``  channels of their 3x3 convolutions
    ``outputs``   channels at the end of each
    """

    blocks: int
    features: int
    outputs: int


def depth_of(blocks: tuple[int, ...], *, bottleneck: bool = False) -> int:
    """Layers with weights of a network of these blocks.

    >>> depth_of((2, 2, 2, 2)), depth_of((3, 4, 6, 3), bottleneck=True)
    (18, 50)
    """
    return 2 + (3 if bottleneck else 2) * sum(blocks)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ResNetConfig:
    """The settings of a `resnet`."""

    outputs: int
    """Classes, or values to predict; the last layer has no activation."""
    depth: int = 18
    """Layers with weights: 18 or 34, of basic blocks; 50, 101 or 152, of bottlenecks; with
    ``blocks`` two more than those of all blocks, two each or in bottlenecks three."""
    blocks: tuple[int, ...] = ()
    """Blocks of each stage, as (2, 2, 2, 2) of a ``depth`` of 26; () for those of the paper."""
    stem: Literal["imagenet", "small"] = "imagenet"
    """How images enter: ``"imagenet"``, 7x7 with a stride of 2 and a max pooling, to a quarter of
    height and width; ``"small"``, 3x3 alone, for images from 8x8 to 64x64."""
    width: int = 64
    """Channels of the stem and of the first stage; each next stage has twice as many."""
    outputs_of_stages: tuple[int, ...] = ()
    """Channels that each stage has at its end; () for ``width``, times 4 for bottlenecks, doubled
    from stage to stage."""
    groups: int = 1
    """Groups of the 3x3 convolutions of bottlenecks, 32 or 64 in ResNeXt."""
    widening: int = 1
    """How many times as many channels these convolutions have: 2 in wide ResNets, and 2 or 4 in
    ResNeXt."""
    activation: str = "relu"
    """A name in `jnn.layers.activation.ACTIVATIONS`."""
    zero_last_scale: bool = False
    """Whether each block starts as its shortcut, with a last scale of 0 (Goyal et al. 2017)."""

    def __post_init__(self):
        """Refuse what does not fit together."""
        check_settings(self)
        depths = [depth_of(self.blocks, bottleneck=is_one) for is_one in (False, True)]
        if self.depth not in (depths if self.blocks else BLOCKS):
            expected = f"{depths[0]}, of basic blocks, or {depths[1]}, of bottlenecks"
            raise mistake(
                "ResNetConfig",
                got=f"depth={self.depth!r}" + (f" and blocks={self.blocks}" if self.blocks else ""),
                expected=expected if self.blocks else f"one of {', '.join(map(str, BLOCKS))}",
            )
        stages = len(self.blocks or BLOCKS[self.depth])
        if len(self.outputs_of_stages) not in (0, stages):
            got = f"outputs_of_stages={self.outputs_of_stages}"
            raise mistake("ResNetConfig", got=got, expected=f"one for each of {stages} stages")
        if not self.is_bottleneck and (self.groups, self.widening) != (1, 1):
            got = f"groups={self.groups}, widening={self.widening} and basic blocks"
            raise mistake("ResNetConfig", got=got, expected="a depth of bottlenecks, such as 50")

    @property
    def is_bottleneck(self) -> bool:
        """Whether blocks are bottlenecks, of three convolutions, and not of two."""
        return self.depth in BOTTLENECK if not self.blocks else self.depth != depth_of(self.blocks)

    @property
    def stages(self) -> list[Stage]:
        """Those of the network, in their order."""
        expansion = EXPANSION if self.is_bottleneck else 1
        blocks = self.blocks or BLOCKS[self.depth]
        doubled = [self.width * expansion * 2**i for i in range(len(blocks))]
        return [
            Stage(n, outputs // expansion * self.widening, outputs)
            for n, outputs in zip(blocks, self.outputs_of_stages or doubled, strict=True)
        ]


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
    settings = {"activation": config.activation, "zero_last_scale": config.zero_last_scale}
    channels, stages = config.width, {}
    for i, (n, features, outputs) in enumerate(config.stages):
        blocks = {}
        for j in range(n):
            strides = 2 if i > 0 and j == 0 else 1
            if config.is_bottleneck:
                more = {"outputs": outputs, "groups": config.groups}
                block = bottleneck_block(channels, features, strides, **more, **settings)
            else:
                block = basic_block(channels, features, strides, **settings)
            blocks[f"block{j}"], channels = block, outputs
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
    outputs: int | None = None,
    groups: int = 1,
    activation: str = "relu",
    zero_last_scale: bool = False,
) -> Model:
    """The residual block of deeper ResNets: a 3x3 convolution between two of 1x1.

    As `basic_block`, but y has ``outputs`` channels, by default ``4 features``, and the 3x3
    convolution may be in ``groups``, as in ResNeXt (Xie et al. 2017,
    https://arxiv.org/abs/1611.05431).
    """
    outputs = features * EXPANSION if outputs is None else outputs
    f = activations.activation(activation)
    body = chain(
        conv0=_conv(features, 1),
        norm0=batch_norm(),
        activation0=f,
        conv1=_conv(features, 3, strides, groups),
        norm1=batch_norm(),
        activation1=f,
        conv2=_conv(outputs, 1),
        norm2=_last_norm(zero_last_scale),
    )
    return _residual(body, channels, outputs, strides, f)


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


def _conv(features: int, size: int, strides: int = 1, groups: int = 1) -> Model:
    return conv(
        features,
        (size, size),
        strides=strides,
        groups=groups,
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
