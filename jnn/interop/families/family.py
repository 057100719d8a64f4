"""The record of a family of models: settings, and a map of its tensors."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jnn.architectures.transformer import TransformerConfig, transformer
from jnn.interop.maps import Row
from jnn.interop.operations import SAME, TRANSPOSED, Operation
from jnn.interop.settings import Setting
from jnn.model import Model


class Family(NamedTuple):
    """What jnn knows of a family of models of Hugging Face's transformers."""

    name: str
    """The ``model_type`` of ``config.json``."""
    architectures: Mapping[str, Mapping[str, Any]]
    """The classes, and the settings that each implies; the first is the default."""
    settings: tuple[Setting, ...]
    """Between ``config.json`` and settings of jnn."""
    constants: Mapping[str, Any]
    """Settings of jnn that all models of the family have."""
    fixed: Mapping[str, Any]
    """Entries of ``config.json`` for which jnn has this value alone."""
    rows: Callable[[Any], tuple[Row, ...]]
    """The map of a model with these settings."""
    prefix: str = ""
    """What keys begin with, but for files of the model without a head."""
    ignored: Mapping[str, str] = {}
    """Keys that are not needed, as regular expressions, and why."""
    copies: Mapping[str, str] = {}
    """Keys of tied tensors that some files have a second time, and the key of the first."""
    config: Callable[..., Any] = TransformerConfig
    """Makes the settings."""
    build: Callable[[Any], Model] = transformer
    """Makes the model of the settings."""
    example: Callable[[Any], Any] = lambda settings: _text(settings)
    """An input of the model of these settings."""
    seen: Callable[[Collection[str]], dict[str, Any]] = lambda keys: {}
    """Settings that the keys of the tensors show."""
    derived: Callable[[Any], dict[str, Any]] = lambda settings: {}
    """Entries of ``config.json`` that follow from several settings."""
    old_names: Mapping[str, str] = {}
    """Ends of keys, and what old files have instead."""


def _text(settings: TransformerConfig) -> dict[str, jax.Array]:
    tokens = jnp.zeros(1, jnp.int32)
    return {"tokens": tokens} | ({"segments": tokens} if settings.segments else {})


def rows_of(prefix: str, leaves: str, names: Mapping[str, str | tuple]) -> tuple[Row, ...]:
    """A row for each name in a module of the file: the leaf's path, or a path and an operation.

    >>> print(*rows_of("h.{block}.", "blocks/", {"ln_1.weight": "attention_norm/scale"}))
    h.{block}.ln_1.weight -> blocks/attention_norm/scale (same)
    """
    rows = []
    for name, place in names.items():
        paths, operation = (place, SAME) if isinstance(place, str) else place
        paths = (paths,) if isinstance(paths, str) else paths
        rows.append(Row(prefix + name, tuple(leaves + path for path in paths), operation))
    return tuple(rows)


def dense(name: str, path: str, *, bias: bool = True, kernel: Operation = TRANSPOSED) -> dict:
    """A dense layer, whose weight PyTorch has transposed."""
    weight = {f"{name}.weight": (f"{path}/kernel", kernel)}
    return weight | ({f"{name}.bias": f"{path}/bias"} if bias else {})


def norm(name: str, path: str, *, bias: bool = True) -> dict:
    """A normalization, with its scale and bias."""
    return {f"{name}.weight": f"{path}/scale"} | ({f"{name}.bias": f"{path}/bias"} if bias else {})
