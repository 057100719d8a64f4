"""The report of a classifier of images."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

import jnn
from jnn.explain.inside import attention, feature_maps, saliency
from jnn.explain.page.report import Section
from jnn.explain.results import classification
from jnn.explain.sections.classification import predicted_classes
from jnn.model import Model, Params, State

MOST_TOKENS = 2
"""Tokens before the patches of an image: that of the class, and that of distillation."""
HEADS = ("query", "key", "value", "weights")
"""What attention tags, by heads."""
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
    """What a model sees in one image ``(H, W, C)``, of the class ``label`` that is called ``name``.

    Saliency; of a convolutional network its feature maps, which are what it tags with three axes;
    of a vision transformer the attention of its class token.
    """
    x = jnp.asarray(image)
    logits = lambda params, x: model.apply(params, state, x)[0]
    _, values = jax.jit(jnn.capture(logits))(params, image)
    weights = list(attention.weights_among(values).values())
    values = {path: value for path, value in values.items() if attention.tag_of(path) not in HEADS}
    has_places = lambda value: value.ndim == 3 and max(value.shape[:2]) > 1
    maps = [path for path, value in values.items() if has_places(value)]
    sections = _attention(weights, [values[path].shape[:2] for path in maps], image)
    maps = [] if sections else maps  # those of a vision transformer are its patches
    if maps:
        figure = feature_maps.feature_maps(_once(_outermost(values)), image=image)
        text = "One test image on its way through the network."
        sections = [Section("Feature maps", text, figure)]
    untrained, _ = jax.jit(model.init)(jax.random.key(1), image)
    shortest = min(image.shape[:2])
    patch = min(max(2, shortest // 7), shortest)
    explain = lambda params: saliency.explanations(
        Partial(logits, params),
        x,
        label,
        jax.random.key(0),
        path=maps[-1] if maps else "",
        patch=patch,
    )
    of_pixels = Section(
        "Saliency",
        "The pixels that support the image's class, by several methods; below, with random "
        "weights. What looks alike in both rows shows the image, not the model.",
        saliency.compare(image, explain(params), explain(untrained), answer=name),
    )
    return [*sections, of_pixels]


def _attention(
    weights: Sequence[np.ndarray], grids: Sequence[tuple[int, int]], image: np.ndarray
) -> list[Section]:
    """What the class token attends to, if there is one before the patches of one of the ``grids``,
    in blocks that are all alike.
    """
    shapes = {of_block.shape[1:] for of_block in weights}
    if len(shapes) != 1:
        return []
    _, queries, keys = shapes.pop()
    fits = lambda grid: queries == keys and 1 <= keys - math.prod(grid) <= MOST_TOKENS
    grid = next(filter(fits, grids), None)
    if grid is None:
        return []
    of_layers = np.concatenate(weights)
    return [
        Section(
            "Attention",
            "The patches of one test image that the class token attends to, by block and head: "
            "each map from 0, dark, to its largest weight, yellow. Below the image, all blocks: "
            "the product of their weights, the mean over the heads, and residual connections.",
            attention.attention_to_image(of_layers, image, grid),
        )
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
