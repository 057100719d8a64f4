"""Residual networks, of Hugging Face's transformers, and of torchvision and timm.

Files of torchvision have no ``config.json``; that of timm names the ``architecture``:
``{"architecture": "resnet50", "num_classes": 1000}``.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jnn.architectures.resnet import BLOCKS, EXPANSION, ResNetConfig, depth_of, resnet
from jnn.interop.families.family import Family, dense, norm, rows_of
from jnn.interop.families.labels import number_of_labels, write_labels
from jnn.interop.maps import Row
from jnn.interop.operations import axes
from jnn.interop.settings import Setting, entry

_KERNEL = axes(2, 3, 1, 0)
_MOST_CHANNELS, _MOST_BLOCKS = 2**20, 1000
COUNTS = {r".*\.num_batches_tracked": "the number of batches, which nothing reads"}


def batch_norm_rows(name: str, path: str) -> dict:
    """Scale and bias, and the running mean and variance, which are state."""
    state = {"running_mean": "mean", "running_var": "variance"}
    return norm(name, path) | {f"{name}.{key}": f"{path}/{leaf}" for key, leaf in state.items()}


def _conv_norm(conv: str, bn: str, path: str, number: int | str = "") -> dict:
    return {f"{conv}.weight": (f"{path}/conv{number}/kernel", _KERNEL)} | batch_norm_rows(
        bn, f"{path}/norm{number}"
    )


def _rows(
    config: ResNetConfig,
    stem: tuple[str, str],
    block: str,
    conv: Callable[[int], tuple[str, str]],
    shortcut: tuple[str, str],
    head: str,
) -> tuple[Row, ...]:
    """The map, of which the names are those of convolutions and of their normalizations."""
    channels, rows = config.width, [*rows_of("", "", _conv_norm(*stem, "stem"))]
    for i, stage in enumerate(config.stages):
        for j in range(stage.blocks):
            names = {}
            for k in range(3 if config.is_bottleneck else 2):
                names |= _conv_norm(*conv(k), "body", k)
            if j == 0 and (i > 0 or channels != stage.outputs):
                names |= _conv_norm(*shortcut, "shortcut")
            rows += rows_of(block.format(stage=i, block=j), f"stage{i}/block{j}/", names)
        channels = stage.outputs
    return (*rows, *rows_of("", "", dense(head, "out")))


def _hugging_face_rows(config: ResNetConfig) -> tuple[Row, ...]:
    pair = lambda name: (f"{name}.convolution", f"{name}.normalization")
    return _rows(
        config,
        stem=pair("resnet.embedder.embedder"),
        block="resnet.encoder.stages.{stage}.layers.{block}.",
        conv=lambda k: pair(f"layer.{k}"),
        shortcut=pair("shortcut"),
        head="classifier.1",
    )


def _torchvision_rows(config: ResNetConfig) -> tuple[Row, ...]:
    # stages are counted from 1 there, and blocks from 0
    rows = _rows(
        config,
        stem=("conv1", "bn1"),
        block="stage{stage}.{block}.",
        conv=lambda k: (f"conv{k + 1}", f"bn{k + 1}"),
        shortcut=("downsample.0", "downsample.1"),
        head="fc",
    )
    for i in reversed(range(4)):
        old, new = f"stage{i}.", f"layer{i + 1}."
        rows = tuple(
            row._replace(key=new + row.key.removeprefix(old)) if row.key.startswith(old) else row
            for row in rows
        )
    return rows


def _read_blocks(config):
    """The depth, and the blocks of each stage unless the depth says them."""
    kind, depths = config.get("layer_type", "bottleneck"), config.get("depths", [3, 4, 6, 3])
    if kind not in ("basic", "bottleneck"):
        raise ValueError(f"layer_type={kind!r} in place of 'basic' or 'bottleneck'")
    blocks = _integers("depths", depths)
    depth = depth_of(blocks, bottleneck=kind == "bottleneck")
    return depth, () if BLOCKS.get(depth) == blocks else blocks


def _read_outputs(config):
    depths, sizes = config.get("depths", [3, 4, 6, 3]), config.get("hidden_sizes")
    if sizes is None:
        sizes = [256 * 2**i for i in range(4)]
    outputs = _integers("hidden_sizes", sizes)
    if len(outputs) != len(depths):
        raise ValueError(f"hidden_sizes={sizes!r} for depths={depths!r}")
    first = entry("width", "embedding_size", int, 64).read(config)
    first *= EXPANSION if config.get("layer_type", "bottleneck") == "bottleneck" else 1
    return () if outputs == tuple(first * 2**i for i in range(len(outputs))) else outputs


def _integers(key, values):
    is_sound = isinstance(values, list) and 0 < len(values) <= _MOST_BLOCKS
    if not is_sound or not all(type(n) is int and 0 < n < _MOST_CHANNELS for n in values):
        raise ValueError(f"{key}={str(values)[:80]} in place of an integer for each stage")
    if key == "depths" and sum(values) > _MOST_BLOCKS:
        raise ValueError(f"{key}={values!r} in place of {_MOST_BLOCKS} blocks at most")
    return tuple(values)


def _derived(config: ResNetConfig) -> dict:
    kind = "bottleneck" if config.is_bottleneck else "basic"
    blocks, sizes = ([s.blocks for s in config.stages], [s.outputs for s in config.stages])
    return {"depths": blocks, "layer_type": kind, "hidden_sizes": sizes}


def _example(config: ResNetConfig) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct((64, 64, 3), jnp.float32)


RESNET = Family(
    name="resnet",
    architectures={"ResNetForImageClassification": {}},
    settings=(
        Setting("depth", lambda config: _read_blocks(config)[0], lambda depth: {}),
        Setting("blocks", lambda config: _read_blocks(config)[1], lambda blocks: {}),
        entry("width", "embedding_size", int, 64),
        Setting("outputs_of_stages", _read_outputs, lambda outputs: {}),
        Setting("outputs", number_of_labels, write_labels),
    ),
    constants={},
    fixed={
        "num_channels": 3,
        "hidden_act": "relu",  # there others are of the stem and of the ends of blocks alone
        "downsample_in_first_stage": False,
        "downsample_in_bottleneck": False,
    },
    derived=_derived,
    rows=_hugging_face_rows,
    ignored=COUNTS,
    config=ResNetConfig,
    build=resnet,
    example=_example,
)
"""He et al. 2015, https://arxiv.org/abs/1512.03385."""


def _torchvision(name: str, depth: int, **constants) -> Family:
    return Family(
        name=name,
        architectures={"ResNet": {}},
        settings=(entry("outputs", "num_classes", int, 1000),),
        constants={"depth": depth, **constants},
        fixed={"in_chans": 3},
        rows=_torchvision_rows,
        ignored=COUNTS,
        config=ResNetConfig,
        build=resnet,
        example=_example,
    )


RESNET18, RESNET34, RESNET50, RESNET101, RESNET152 = (
    _torchvision(f"resnet{depth}", depth) for depth in BLOCKS
)
RESNET26 = _torchvision("resnet26", 26, blocks=(2, 2, 2, 2))
"""Of timm alone."""
WIDE50, WIDE101 = (_torchvision(f"wide_resnet{depth}_2", depth, widening=2) for depth in (50, 101))
"""Zagoruyko & Komodakis 2016, https://arxiv.org/abs/1605.07146."""
RESNEXT50, RESNEXT101, RESNEXT101_64 = (
    _torchvision(f"resnext{depth}_{groups}x{d}d", depth, groups=groups, widening=groups * d // 64)
    for depth, groups, d in ((50, 32, 4), (101, 32, 8), (101, 64, 4))
)
"""Xie et al. 2017, https://arxiv.org/abs/1611.05431."""
