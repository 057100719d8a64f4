"""The report of a classifier of images."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

import jnn
from jnn.explain.inside import feature_maps, saliency
from jnn.explain.page.report import Section
from jnn.explain.results import classification
from jnn.explain.sections.classification import predicted_classes
from jnn.model import Model, Params, State

MOST_LAYERS = 20
"""Rows of feature maps, beyond which those within a block are omitted."""


def predictions(
    image: np.ndarray, label: np.ndarray, logits: np.ndarray, classes: Sequence[str]
) -> list[Section]:
    """Confusion matrix, worst mistakes and calibration.

    ``image`` (N, H, W, C) in [0, 1], ``label`` (N,), ``logits`` (N, classes).
    """
    probabilities = np.asarray(jax.nn.softmax(logits, axis=-1))
    confusion, calibration = predicted_classes(label, probabilities, classes)
    worst = Section(
        "Worst mistakes",
        "The test images whose true class got the lowest probability.",
        classification.most_wrong(image, label, probabilities, classes),
    )
    return [confusion, worst, calibration]


def inside(
    model: Model, params: Params, state: State, image: np.ndarray, label: int, name: str
) -> list[Section]:
    """Feature maps and saliency of one image ``(H, W, C)``; nothing for a model without any maps.

    ``model`` is convolutional: what it tags with three axes are maps ``(H, W, C)``.
    ``label`` is its class, and ``name`` that of the class.
    """
    x = jnp.asarray(image)
    logits = lambda params, x: model.apply(params, state, x)[0]
    _, values = jax.jit(jnn.capture(logits))(params, image)
    has_places = lambda value: value.ndim == 3 and max(value.shape[:2]) > 1
    maps = [path for path, value in values.items() if has_places(value)]
    if not maps:
        return []
    untrained, _ = jax.jit(model.init)(jax.random.key(1), image)
    patch = max(2, image.shape[0] // 7)
    explain = lambda params: saliency.explanations(
        Partial(logits, params), x, label, jax.random.key(0), path=maps[-1], patch=patch
    )
    return [
        Section(
            "Feature maps",
            "One test image on its way through the network.",
            feature_maps.feature_maps(_once(_outermost(values)), image=image),
        ),
        Section(
            "Saliency",
            "The pixels that support the image's class, by five methods; below, with random "
            "weights. What looks alike in both rows shows the image, not the model.",
            saliency.compare(image, explain(params), explain(untrained), answer=name),
        ),
    ]


def _once(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values without those that equal the one before, as that of a chain does."""
    kept: dict[str, Any] = {}
    for path, value in values.items():
        if not kept or not np.array_equal(value, next(reversed(kept.values()))):
            kept[path] = value
    return kept


def _outermost(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of all parts, or, where these are many, of the outer ones."""
    layers = dict(values)
    for depth in sorted({path.count("/") for path in values}, reverse=True):
        layers = {path: value for path, value in values.items() if path.count("/") <= depth}
        if len(layers) <= MOST_LAYERS:
            break
    return layers
