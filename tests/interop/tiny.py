"""Folders of small random models, as `jnn.interop.save` writes them."""

import dataclasses
import functools

import jax
import jax.numpy as jnp

from jnn.architectures.transformer import TransformerConfig, transformer
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
