"""VGG of torchvision, of a ``config.json`` such as
``{"architecture": "vgg16", "num_classes": 1000}``.
"""

import jax
import jax.numpy as jnp

from jnn.architectures.vgg import STAGES, WIDEST, VGGConfig, vgg
from jnn.interop.families.family import Family, dense, rows_of
from jnn.interop.families.resnet import COUNTS, batch_norm_rows
from jnn.interop.maps import Row
from jnn.interop.operations import Operation, axes, reshaped, then
from jnn.interop.settings import entry


def _rows(config: VGGConfig) -> tuple[Row, ...]:
    rows, layer = {}, 0
    for i, convolutions in enumerate(STAGES[config.depth]):
        for j in range(convolutions):
            rows |= dense(f"features.{layer}", f"stage{i}/conv{j}", kernel=axes(2, 3, 1, 0))
            if config.batch_norm:
                rows |= batch_norm_rows(f"features.{layer + 1}", f"stage{i}/norm{j}")
            layer += 3 if config.batch_norm else 2  # with the activation
        layer += 1  # the pooling
    first = of_channels_first(config.width * WIDEST, config.grid, config.hidden)
    rows |= dense("classifier.0", "hidden0", kernel=first)
    rows |= dense("classifier.3", "hidden1") | dense("classifier.6", "out")
    return rows_of("", "", rows)


def of_channels_first(channels: int, grid: int, outputs: int) -> Operation:
    """The kernel of a dense layer on feature maps, of which PyTorch flattens channels first."""
    apart = reshaped((outputs, channels * grid**2), (outputs, channels, grid, grid))
    flat = reshaped((grid, grid, channels, outputs), (grid**2 * channels, outputs))
    return then(then(apart, axes(2, 3, 1, 0)), flat)


def _family(depth: int, *, batch_norm: bool) -> Family:
    return Family(
        name=f"vgg{depth}_bn" if batch_norm else f"vgg{depth}",
        architectures={"VGG": {}},
        settings=(entry("outputs", "num_classes", int, 1000),),
        constants={"depth": depth, "batch_norm": batch_norm, "dropout": 0.0},
        fixed={"in_chans": 3},
        rows=_rows,
        ignored=COUNTS,
        config=VGGConfig,
        build=vgg,
        example=lambda config: jax.ShapeDtypeStruct((64, 64, 3), jnp.float32),
    )


VGG11, VGG13, VGG16, VGG19 = (_family(depth, batch_norm=False) for depth in STAGES)
VGG11_BN, VGG13_BN, VGG16_BN, VGG19_BN = (_family(depth, batch_norm=True) for depth in STAGES)
"""Simonyan & Zisserman 2014, https://arxiv.org/abs/1409.1556."""
