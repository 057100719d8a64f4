"""A folder with a pretrained model, as Hugging Face's transformers keep it: ``config.json``,
``model.safetensors``, and ``tokenizer.json``.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax

from jnn.data.tokenizers import Tokenizer, read_pretrained_tokenizer
from jnn.errors import mistake
from jnn.files import read_json, writable, write_json, write_text
from jnn.interop.families import FAMILIES, Family
from jnn.interop.maps import Row, joined, part_of, read, shapes_of, write
from jnn.interop.settings import read_settings
from jnn.interop.tensor_files import TensorFolder, write_tensors
from jnn.model import Model, Params, State
from jnn.paths import path_name
from jnn.sharding import shardings
from jnn.wording import suggestion

CONFIG, TOKENIZER, TOKENIZER_CONFIG = "config.json", "tokenizer.json", "tokenizer_config.json"
PREPROCESSOR = "preprocessor_config.json"


@dataclasses.dataclass(frozen=True, kw_only=True)
class PretrainedModel:
    """A pretrained model: ``model, params, state, tokenizer = loaded``.

    ``tokenizer``  None where the folder has no ``tokenizer.json``
    ``settings``   of the architecture, such as a `TransformerConfig`
    ``family``     the map by which it was read
    ``config``     the contents of ``config.json``; those of ``tokenizer_config.json`` and
                   ``preprocessor_config.json`` are ``tokenizer_config`` and ``preprocessor``
    ``names``      parts of the map's keys, as regular expressions, that the file has otherwise
    ``ignored``    tensors that were not needed, and why
    """

    model: Model
    params: Params
    state: State
    tokenizer: Tokenizer | None
    settings: Any
    family: str
    config: Mapping[str, Any]
    tokenizer_config: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    preprocessor: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    names: Mapping[str, str] = dataclasses.field(default_factory=dict)
    ignored: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __iter__(self) -> Iterator[Any]:
        """Model, params, state and tokenizer."""
        return iter((self.model, self.params, self.state, self.tokenizer))


def load(
    folder: str | Path,
    *,
    settings: Mapping[str, Any] | None = None,
    dtype: Any = None,
    mesh: Any = None,
) -> PretrainedModel:
    """The pretrained model in a folder.

    Weights are read leaf by leaf from files that are mapped into memory, and keep their dtype.

    ``settings``  other ones of the architecture than ``config.json`` says, such as
                  ``{"dropout": 0.1}``, which is 0 by default, or ``{"pooled": False}``
    ``dtype``     of all params, as ``"float32"``; by default that of the files
    ``mesh``      of `jnn.sharding.make_mesh`: each leaf goes to its devices at once

    Raises `JnnError` for a folder without config or weights, a family that there is
    no map for, settings that jnn does not have, tensors too many, too few or of another shape, and
    damaged or pickled files.
    """
    opened = _opened(Path(folder), settings)
    like = joined(opened.params, opened.state)
    places = None
    if mesh is not None:
        where = jax.tree.leaves_with_path(shardings(like, mesh))
        places = {path_name(path): place for path, place in where}
    tree, ignored = read(
        opened.rows,
        opened.tensors,
        like,
        caller=str(folder),
        ignored=opened.family.ignored,
        copies={key: _name(first, opened.names) for key, first in opened.family.copies.items()},
        dtype=dtype,
        places=places,
    )
    return PretrainedModel(
        model=opened.model,
        params=part_of(tree, opened.params),
        state=part_of(tree, opened.state),
        tokenizer=opened.tokenizer,
        settings=opened.settings,
        family=opened.family.name,
        config=opened.config,
        tokenizer_config=opened.tokenizer_config,
        preprocessor=preprocessor_of(folder),
        names=opened.names,
        ignored=ignored,
    )


class Description(NamedTuple):
    """What is in a folder, and by which map it is read."""

    family: str
    """The ``model_type`` of its ``config.json``."""
    settings: Any
    """Those of the architecture of jnn."""
    shapes: Any
    """The params, as their shapes and dtypes, those of the files."""
    rows: tuple[Row, ...]
    """The map."""
    vocabulary: int
    """Tokens of the tokenizer; 0 where there is none."""


def describe(folder: str | Path) -> Description:
    """What `load` would make of a folder, without reading any weights.

    Raises `JnnError` as `load` does.
    """
    opened = _opened(Path(folder), None)
    shapes = shapes_of(
        opened.rows,
        opened.tensors,
        joined(opened.params, opened.state),
        caller=str(folder),
        ignored={**opened.family.ignored, **opened.family.copies},
    )
    tokens = opened.tokenizer.vocabulary if opened.tokenizer else 0
    params = part_of(shapes, opened.params)
    return Description(opened.family.name, opened.settings, params, opened.rows, tokens)


def save(folder: str | Path, loaded: PretrainedModel, *, shard_bytes: int = 5 * 10**9) -> None:
    """Write what `load` returned, or ``dataclasses.replace(loaded, params=trained)``, to a folder.

    ``shard_bytes``  the most of one file; more are several files with an index

    Each tensor has the bytes that were read. Raises `JnnError` for a folder that has a model,
    and for one that cannot be created.
    """
    folder = Path(folder)
    if (folder / CONFIG).exists():
        raise mistake(
            str(folder),
            got=f"a folder with a {CONFIG}",
            expected="one without",
            remedy="Remove it.",
        )
    with writable(folder):
        folder.mkdir(parents=True, exist_ok=True)
    rows = _renamed(FAMILIES[loaded.family].rows(loaded.settings), loaded.names)
    write_tensors(folder, write(rows, joined(loaded.params, loaded.state)), shard_bytes=shard_bytes)
    dtypes = {str(leaf.dtype) for leaf in jax.tree.leaves(loaded.params)}
    name = "torch_dtype" if "torch_dtype" in loaded.config else "dtype"
    kept = {name: dtypes.pop()} if len(dtypes) == 1 else {}
    if loaded.tokenizer is not None:
        definition = json.dumps(loaded.tokenizer.definition["tokenizer"], ensure_ascii=False)
        write_text(folder / TOKENIZER, definition)
        write_json(folder / TOKENIZER_CONFIG, loaded.tokenizer_config)
    if loaded.preprocessor:
        write_json(folder / PREPROCESSOR, loaded.preprocessor)
    write_json(folder / CONFIG, {**loaded.config, **kept})


class Architecture(NamedTuple):
    """What ``config.json`` says of the model in a folder."""

    config: dict[str, Any]
    """Its contents."""
    family: Family
    settings: Any
    """Those of the architecture of jnn."""


def architecture(
    folder: str | Path,
    *,
    settings: Mapping[str, Any] | None = None,
    keys: Collection[str] = (),
) -> Architecture:
    """The family and the settings of the model in a folder, of which nothing else is read.

    ``settings``  other ones than ``config.json`` says, as for `load`
    ``keys``      of the tensors, which show what the config of some families does not say

    Raises `JnnError` for a folder without config, a family that there is no map for, and settings
    that jnn does not have.
    """
    folder = Path(folder)
    config = _config(folder)
    family = _family(folder, config)
    values = _values(family, config, keys, str(folder / CONFIG))
    _check_names(settings or {}, family)
    return Architecture(config, family, family.config(**{**values, **(settings or {})}))


def _check_names(settings: Mapping[str, Any], family: Family) -> None:
    """Refuse settings that the architecture does not have."""
    names = list(inspect.signature(family.config).parameters)
    if unknown := [name for name in settings if name not in names]:
        raise mistake(
            "settings",
            got=f"{unknown[0]!r}",
            expected=f"some of {', '.join(names)}",
            remedy=suggestion(unknown[0], names),
        )


class _Opened(NamedTuple):
    """A folder before its weights are read."""

    config: dict[str, Any]
    family: Family
    settings: Any
    model: Model
    params: Any
    state: Any
    tensors: TensorFolder
    names: dict[str, str]
    rows: tuple[Row, ...]
    tokenizer: Tokenizer | None
    tokenizer_config: dict[str, Any]


def _opened(folder: Path, other: Mapping[str, Any] | None) -> _Opened:
    _family(folder, _config(folder))  # of two faults, that of the config is told
    tensors = TensorFolder(folder)
    keys = tensors.shapes().keys()
    config, family, settings = architecture(folder, settings=other, keys=keys)
    model = family.build(settings)
    params, state = jax.eval_shape(model.init, jax.random.key(0), family.example(settings))
    names = _names(family, keys)
    rows = _renamed(family.rows(settings), names)
    described = (config, family, settings, model, params, state)
    return _Opened(*described, tensors, names, rows, *tokenizer_of(folder, settings))


def _config(folder: Path) -> dict[str, Any]:
    if not (folder / CONFIG).is_file():
        raise mistake(
            str(folder),
            got=f"no {CONFIG}" if folder.is_dir() else "no such folder",
            expected=f"a folder with {CONFIG} and safetensors",
            remedy="Fetch one first: hf download NAME --local-dir FOLDER",
        )
    config = read_json(folder / CONFIG)
    if kind := config.get("quantization_config"):
        got = f"quantized weights ({kind.get('quant_method') if isinstance(kind, dict) else kind})"
        raise mistake(str(folder / CONFIG), got=got, expected="floating-point weights")
    return config


def _family(folder: Path, config: Mapping[str, Any]) -> Family:
    name = config.get("model_type")
    if name is None and isinstance(architecture := config.get("architecture"), str):  # timm
        name = architecture.partition(".")[0]
    if name not in list(FAMILIES):  # a list cannot be looked up in a dict
        raise mistake(
            str(folder / CONFIG),
            got=f"the family {name!r}",
            expected=f"one of {', '.join(sorted(FAMILIES))}",
        )
    return FAMILIES[name]


def _values(
    family: Family, config: Mapping[str, Any], keys: Collection[str], caller: str
) -> dict[str, Any]:
    """The settings that ``config.json`` describes, or where it does not, the keys of tensors."""
    names = config.get("architectures") or [next(iter(family.architectures))]
    if not isinstance(names, list) or len(names) != 1 or names[0] not in list(family.architectures):
        raise mistake(
            caller,
            got=f"architectures={names!r}",
            expected=f"one of {', '.join(family.architectures)}",
        )
    values = read_settings(family.settings, family.fixed, config, caller)
    return {**family.constants, **values, **family.seen(keys), **family.architectures[names[0]]}


def tokenizer_of(folder: str | Path, settings: Any) -> tuple[Tokenizer | None, dict[str, Any]]:
    """The tokenizer in a folder, if there is one, and the contents of its config.

    Raises `JnnError` where it has more tokens than the model with these settings.
    """
    folder = Path(folder)
    path, config = folder / TOKENIZER, folder / TOKENIZER_CONFIG
    vocabulary = getattr(settings, "vocabulary", getattr(settings, "source_vocabulary", None))
    if vocabulary is None or not path.is_file():
        return None, {}
    names = read_json(config) if config.is_file() else {}
    tokenizer = read_pretrained_tokenizer(path, names)
    if tokenizer.vocabulary > vocabulary:
        raise mistake(
            str(path),
            got=f"{tokenizer.vocabulary} tokens, as {tokenizer.tokens[-1]!r}",
            expected=f"at most {vocabulary}, the vocabulary of the model",
            remedy="Put the tokenizer of the model there.",
        )
    return tokenizer, names


def preprocessor_of(folder: str | Path) -> dict[str, Any]:
    """The contents of ``preprocessor_config.json`` in a folder; nothing where it has none."""
    path = Path(folder) / PREPROCESSOR
    return read_json(path) if path.is_file() else {}


def _names(family: Family, keys: Collection[str]) -> dict[str, str]:
    """What the file has otherwise than the map: no prefix, and names of old."""
    names = {
        re.escape(new) + "$": old
        for new, old in family.old_names.items()
        if any(key.endswith(old) for key in keys)
    }
    if not any(key.startswith(family.prefix) for key in keys):
        names["^" + re.escape(family.prefix)] = ""
    return names


def _renamed(rows: tuple[Row, ...], names: Mapping[str, str]) -> tuple[Row, ...]:
    return tuple(row._replace(key=_name(row.key, names)) for row in rows)


def _name(key: str, names: Mapping[str, str]) -> str:
    for pattern, name in names.items():
        key = re.sub(pattern, name, key)
    return key
