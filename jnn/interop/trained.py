"""The model of a run that began with a pretrained one, for Hugging Face's transformers to read."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax

from jnn.errors import mistake
from jnn.interop.families.labels import named_labels
from jnn.interop.folder import (
    Architecture,
    PretrainedModel,
    architecture,
    preprocessor_of,
    tokenizer_of,
)
from jnn.interop.own import as_pretrained
from jnn.interop.pretrained import encodes, sees, text_classifier_settings
from jnn.transform import merge_lora

if TYPE_CHECKING:
    from jnn.loaded import Loaded

_LABELS = ("id2label", "label2id", "num_labels", "problem_type")


def of_trained(trained: Loaded) -> PretrainedModel:
    """The model of a run that began with a pretrained one, as one of its family, for `save`.

        save("my-classifier", of_trained(jnn.load("runs/text_classification/latest")))

    A classifier has the names of its classes in ``config.json``, of which the rest is that of the
    pretrained model; so are the tokenizer and the sizes of pictures. Low-rank additions are added
    to the kernels. Raises `JnnError` for a run that began otherwise, and where no part of its
    params is a model of the family.
    """
    folder = getattr(trained.config, "pretrained", "")
    if not folder:
        remedy = "jnn.interop.as_pretrained makes one of the params and settings of a model."
        got = "a run that did not begin with a pretrained model"
        raise mistake("of_trained", got=got, expected="one that did", remedy=remedy)
    stored = architecture(folder)
    classes = trained.preparation.classes if trained.preparation else ()
    settings = _settings(folder, stored, len(classes))
    params, state = _part(trained, stored, settings)
    pretrained = as_pretrained(stored.family.name, settings, params, state=state)
    kept = {name: value for name, value in stored.config.items() if name not in _LABELS}
    config = {**pretrained.config, **kept, "architectures": pretrained.config["architectures"]}
    tokenizer, tokenizer_config = tokenizer_of(folder, settings)
    return dataclasses.replace(
        pretrained,
        config=config | (named_labels(classes) if classes else {}),
        tokenizer=tokenizer,
        tokenizer_config=tokenizer_config,
        preprocessor=preprocessor_of(folder),
    )


def _settings(folder: str | Path, stored: Architecture, classes: int) -> Any:
    """Those of the trained model."""
    if classes and encodes(stored.family):
        return text_classifier_settings(folder, classes)
    if classes and sees(stored.family):
        return dataclasses.replace(stored.settings, outputs=classes)
    return stored.settings


def _part(trained: Loaded, stored: Architecture, settings: Any) -> tuple[Any, Any]:
    """The params and state of the first part of a model that is one of these settings."""
    shapes = lambda tree: jax.tree.map(lambda leaf: tuple(leaf.shape), tree)
    example = stored.family.example(settings)
    like = jax.eval_shape(stored.family.build(settings).init, jax.random.key(0), example)
    for params, state in _parts(trained.params, trained.state):
        if shapes(params) == shapes(like[0]) and shapes(state) == shapes(like[1]):
            return params, state
    names = ", ".join(trained.params)
    got = f"params of {names}, no part of which is a model of the family {stored.family.name}"
    remedy = "A new read-out is one if jnn.interop.pretrained_text_classifier makes it."
    raise mistake("of_trained", got=got, expected="all params of one", remedy=remedy)


def _parts(params: Any, state: Any) -> Iterator[tuple[Any, Any]]:
    """Params and state of a model, and of all its parts, with low-rank additions added."""
    if isinstance(params, dict):
        params = merge_lora(params) if params.keys() == {"base", "lora"} else params
        yield params, state
        for name, part in params.items():
            yield from _parts(part, state.get(name, {}) if isinstance(state, dict) else {})
