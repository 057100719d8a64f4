"""Residual networks, of Hugging Face's transformers, and of torchvision and timm.

Files of torchvision have no ``config.json``; that of timm names the ``architecture``:
``{"architecture": "resnet50", "num_classes": 1000}``.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jnn.architectures.resnet import BLOCKS, BOTTLENECK, EXPANSION, ResNetConfig, resnet
from jnn.interop.families.family import Family, dense, norm, rows_of
from jnn.interop.families.labels import number_of_labels, write_labels
from jnn.interop.maps import Row
from jnn.interop.operations import axes
from jnn.interop.settings import Setting, activation, entry

_KERNEL = axes(2, 3, 1, 0)
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
    convs = 3 if config.depth in BOTTLENECK else 2
    rows = [*rows_of("", "", _conv_norm(*stem, "stem"))]
    for i, blocks in enumerate(BLOCKS[config.depth]):
        for j in range(blocks):
            names = {}
            for k in range(convs):
                names |= _conv_norm(*conv(k), "body", k)
            if j == 0 and (i > 0 or convs == 3):
                names |= _conv_norm(*shortcut, "shortcut")
            rows += rows_of(block.format(stage=i, block=j), f"stage{i}/block{j}/", names)
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


def _depth(config):
    kind, depths = config.get("layer_type", "bottleneck"), config.get("depths", [3, 4, 6, 3])
    for depth, blocks in BLOCKS.items():
        if depths == list(blocks) and kind == ("bottleneck" if depth in BOTTLENECK else "basic"):
            return depth
    raise ValueError(f"depths={depths!r} of {kind!r} blocks in place of one of ResNet's")


def _write_depth(depth):
    kind = "bottleneck" if depth in BOTTLENECK else "basic"
    return {"depths": list(BLOCKS[depth]), "layer_type": kind}


def _width(config):
    width = entry("width", "embedding_size", int, 64).read(config)
    sizes, doubled = config.get("hidden_sizes"), _hidden_sizes(_depth(config), width)
    if sizes not in (doubled, None):
        raise ValueError(f"hidden_sizes={sizes!r} in place of {doubled}")
    return width


def _hidden_sizes(depth: int, width: int) -> list[int]:
    first = width * (EXPANSION if depth in BOTTLENECK else 1)
    return [first * 2**i for i in range(4)]


def _example(config: ResNetConfig) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct((64, 64, 3), jnp.float32)


RESNET = Family(
    name="resnet",
    architectures={"ResNetForImageClassification": {}},
    settings=(
        Setting("depth", _depth, _write_depth),
        Setting("width", _width, lambda width: {"embedding_size": width}),
        Setting("outputs", number_of_labels, write_labels),
        activation("hidden_act", "relu"),
    ),
    constants={},
    fixed={
        "num_channels": 3,
        "downsample_in_first_stage": False,
        "downsample_in_bottleneck": False,
    },
    derived=lambda settings: {"hidden_sizes": _hidden_sizes(settings.depth, settings.width)},
    rows=_hugging_face_rows,
    ignored=COUNTS,
    config=ResNetConfig,
    build=resnet,
    example=_example,
)
"""He et al. 2015, https://arxiv.org/abs/1512.03385."""


def _torchvision(depth: int) -> Family:
    return Family(
        name=f"resnet{depth}",
        architectures={"ResNet": {}},
        settings=(entry("outputs", "num_classes", int, 1000),),
        constants={"depth": depth},
        fixed={"in_chans": 3},
        rows=_torchvision_rows,
        ignored=COUNTS,
        config=ResNetConfig,
        build=resnet,
        example=_example,
    )


RESNET18, RESNET34, RESNET50 = _torchvision(18), _torchvision(34), _torchvision(50)
RESNET101, RESNET152 = _torchvision(101), _torchvision(152)
