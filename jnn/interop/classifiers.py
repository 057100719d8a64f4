"""Classifiers of pretrained folders, as they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jnn.errors import mistake
from jnn.interop.families.labels import labels_of, write_labels
from jnn.interop.folder import CONFIG, architecture
from jnn.interop.pictures import read_pictures
from jnn.interop.pretrained import (
    Pretrained,
    pretrained_image_classifier,
    pretrained_text_classifier,
    sees,
)


class Classifier(NamedTuple):
    """A pretrained classifier, and what its inputs and outputs are."""

    pretrained: Pretrained
    """Its model has logits; the tokenizer is None for images."""
    example: jax.ShapeDtypeStruct
    """The longest text, as tokens, or an image of the size that the model crops its own from."""
    classes: tuple[str, ...]
    """Their names, in the order of the logits; none where the only output is a number."""


def pretrained_classifier(folder: str | Path) -> Classifier:
    """The classifier of texts, such as a BERT for sequences, or of images in a folder.

    Raises `JnnError` for models of another kind, for several labels of one input, and for a
    classifier of texts without tokenizer.
    """
    config, family, _ = architecture(folder)
    if config.get("problem_type") == "multi_label_classification":
        remedy = "jnn.interop.load gives the logits."
        got = "a model of several labels for each input"
        raise mistake(str(folder), got=got, expected="one class for each", remedy=remedy)
    if sees(family):
        pretrained = pretrained_image_classifier(folder)
        size = getattr(pretrained.settings, "image_size", None)
        pictures = read_pictures(folder, size)
        shape = (*pictures.before_crop(*pictures.size), 3)
        example = jax.ShapeDtypeStruct(shape, jnp.float32)
    else:
        pretrained = pretrained_text_classifier(folder)
        example = jax.ShapeDtypeStruct((pretrained.settings.length,), jnp.int32)
    return Classifier(pretrained, example, _classes(folder, config, pretrained.settings.outputs))


def _classes(folder: str | Path, config: Mapping[str, Any], outputs: int) -> tuple[str, ...]:
    try:
        names = labels_of(config) or tuple(write_labels(outputs)["label2id"])
    except ValueError as error:  # of a family that does not read them
        caller = str(Path(folder) / CONFIG)
        raise mistake(caller, got=str(error), expected="a name for each class") from None
    return names if outputs > 1 else ()
