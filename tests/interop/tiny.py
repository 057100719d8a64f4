"""Folders of small random models, as `jnn.interop.save` writes them."""

import dataclasses
import functools
import json

import jax
import jax.numpy as jnp

from jnn.architectures.resnet import ResNetConfig, resnet
from jnn.architectures.transformer import TransformerConfig, transformer
from jnn.architectures.vision_transformer import VisionTransformerConfig, vision_transformer
from jnn.data.tokenizers import byte_pair_tokenizer
from jnn.interop import as_pretrained, save

DECODER = TransformerConfig(vocabulary=262, length=32, width=8, depth=1, heads=2, hidden=8)


@functools.cache
def words(special=("end",)):
    """A tokenizer of bytes and a few pairs."""
    return byte_pair_tokenizer("low lower lowest " * 9, vocabulary=262, special=special)


def decoder(folder, **changes):
    """A GPT-2; in its place another folder is kept as it is."""
    settings = dataclasses.replace(DECODER, **changes)
    params, _ = jax.jit(transformer(settings).init)(jax.random.key(0), jnp.arange(3))
    save(folder, as_pretrained("gpt2", settings, params, tokenizer=words()))
    return folder


ENCODER = {"causal": False, "norm_first": False, "embedding_norm": True, "activation": "gelu"}


def encoder(folder, family="bert", **changes):
    """A BERT with the read-out of masked tokens, or a RoBERTa or DistilBERT."""
    sizes = {"bert": {"segments": 2, "norm_epsilon": 1e-12}}.get(family, {"norm_epsilon": 1e-12})
    if family == "roberta":
        sizes |= {"segments": 1, "first_position": 2}
    head = {"head": "tied", "head_bias": True, "head_transform": True}
    settings = dataclasses.replace(DECODER, **{**ENCODER, **head, **sizes, **changes})
    x = jnp.arange(3)
    x = {"tokens": x, "segments": 0 * x} if settings.segments else x
    params, _ = jax.jit(transformer(settings).init)(jax.random.key(0), x)
    special = ("padding", "unknown", "start", "end")
    tokens = byte_pair_tokenizer("low lower lowest " * 9, vocabulary=262, special=special)
    save(folder, as_pretrained(family, settings, params, tokenizer=tokens))
    return folder


def vision_transformer_folder(folder):
    """A ViT of pictures of 8 x 8."""
    sizes = {"image_size": (8, 8), "patch_size": 4, "width": 8, "depth": 1, "heads": 2}
    settings = VisionTransformerConfig(outputs=3, hidden=8, norm_epsilon=1e-12, **sizes)
    return _images(folder, "vit", settings, vision_transformer(settings))


def resnet_folder(folder):
    """A ResNet of four channels, of pictures of 32 x 32."""
    settings = ResNetConfig(outputs=3, width=4)
    _images(folder, "resnet", settings, resnet(settings), side=32)
    about = {"size": {"shortest_edge": 32}, "image_mean": [0.4] * 3, "image_std": [0.2] * 3}
    (folder / "preprocessor_config.json").write_text(json.dumps(about))
    return folder


def _images(folder, family, settings, model, side=8):
    params, state = jax.jit(model.init)(jax.random.key(0), jnp.ones((side, side, 3)))
    save(folder, as_pretrained(family, settings, params, state=state))
    return folder
