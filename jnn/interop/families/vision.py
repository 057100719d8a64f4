"""Vision transformers."""

import jax
import jax.numpy as jnp

from jnn.architectures.vision_transformer import VisionTransformerConfig, vision_transformer
from jnn.interop.families.family import Family, dense, norm, rows_of
from jnn.interop.families.labels import number_of_labels, write_labels
from jnn.interop.maps import Row
from jnn.interop.operations import axes, reshaped
from jnn.interop.settings import Setting, activation, entry


def _rows(config: VisionTransformerConfig, prefix: str) -> tuple[Row, ...]:
    D, size = config.width, config.patch_size
    elements = (config.image_size[0] // size) * (config.image_size[1] // size)
    elements += 2 if config.distilled else 1
    token = reshaped((1, 1, D), (D,))
    table = reshaped((1, elements, D), (elements, D))
    around = {
        "embeddings.cls_token": ("class_token/token", token),
        "embeddings.position_embeddings": ("positions/embedding", table),
    } | dense("embeddings.patch_embeddings.projection", "patches", kernel=axes(2, 3, 1, 0))
    if config.distilled:
        around["embeddings.distillation_token"] = ("distillation_token/token", token)
    inputs = config.attention_bias != "output"
    block = norm("layernorm_before", "attention_norm") | norm(
        "layernorm_after", "feed_forward_norm"
    )
    for name in ("query", "key", "value"):
        block |= dense(f"attention.attention.{name}", f"attention/{name}", bias=inputs)
    block |= dense("attention.output.dense", "attention/output")
    block |= dense("intermediate.dense", "feed_forward/hidden")
    block |= dense("output.dense", "feed_forward/output")
    heads = dense("classifier", "head")
    if config.distillation_head:
        heads = dense("cls_classifier", "head")
        heads |= dense("distillation_classifier", "distillation_head")
    return (
        *rows_of(prefix, "", around | norm("layernorm", "norm")),
        *rows_of(f"{prefix}encoder.layer.{{block}}.", "blocks/", block),
        *rows_of("", "", heads),
    )


_MOST = 2**15


def _image_size(config):
    size = config.get("image_size", 224)
    sizes = [size, size] if type(size) is int else size
    if not isinstance(sizes, list) or [type(n) for n in sizes] != [int, int]:
        raise ValueError(f"image_size={size!r} in place of one or two integers")
    if not all(0 < n < _MOST for n in sizes):
        raise ValueError(f"image_size={size!r} in place of integers from 1 to {_MOST - 1}")
    return tuple(sizes)


def _attention_bias(config):
    return "all" if config.get("qkv_bias", True) else "output"


_SETTINGS = (
    entry("width", "hidden_size", int, 768),
    entry("depth", "num_hidden_layers", int, 12),
    entry("heads", "num_attention_heads", int, 12),
    entry("hidden", "intermediate_size", int, 3072),
    entry("norm_epsilon", "layer_norm_eps", float, 1e-12),
    activation("hidden_act", "gelu"),
    entry("patch_size", "patch_size", int, 16),
    Setting("image_size", _image_size, lambda sizes: {"image_size": list(sizes)}),
    Setting("outputs", number_of_labels, write_labels),
    Setting("attention_bias", _attention_bias, lambda value: {"qkv_bias": value == "all"}),
)


def _example(config: VisionTransformerConfig) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct((*config.image_size, 3), jnp.float32)


VIT = Family(
    name="vit",
    architectures={"ViTForImageClassification": {}},
    settings=_SETTINGS,
    constants={},
    fixed={"num_channels": 3},
    rows=lambda config: _rows(config, "vit."),
    config=VisionTransformerConfig,
    build=vision_transformer,
    example=_example,
)
"""Dosovitskiy et al. 2021, https://arxiv.org/abs/2010.11929."""

DEIT = VIT._replace(
    name="deit",
    architectures={
        "DeiTForImageClassification": {},
        "DeiTForImageClassificationWithTeacher": {"distillation_head": True},
    },
    constants={"distilled": True},
    rows=lambda config: _rows(config, "deit."),
)
"""Touvron et al. 2021, https://arxiv.org/abs/2012.12877."""
