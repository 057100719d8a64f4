"""The report of a generator of images of classes.

>>> images = np.zeros((2, 3, 8, 8, 1))
>>> [section.title for section in samples(images, images, ["cat", "dog"])]
['Samples', 'Interpolations']
>>> [section.title for section in samples_over_time({5: images[:, 0]}, ["cat", "dog"])]
['Samples over time']
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jnn.explain.page.report import Section
from jnn.explain.results import generated_images
from jnn.explain.results.reconstruction import image_rows
from jnn.generative.scores import class_shares
from jnn.tables import metric_table


def scores(
    methods: Mapping[str, Mapping[str, float]],
    labels: Mapping[str, np.ndarray],
    classes: Sequence[str],
) -> list[Section]:
    """The scores of each method, and the share of each class among generated and real images.

    ``labels`` are the classes ``(N,)`` that one classifier gives to each kind of images:
    ``{"generated": ..., "real": ...}``.
    """
    shares = {name: class_shares(label, len(classes)) for name, label in labels.items()}
    return [
        Section(
            "Comparison of methods",
            "Beside the model, real images and images that are drawn without a network.",
            metric_table(methods),
        ),
        Section(
            "Class coverage",
            "The classes of generated images, by a classifier that was trained on real ones; "
            "equally many of each were drawn.",
            generated_images.class_coverage(shares, classes),
        ),
    ]


def samples(images: np.ndarray, path: np.ndarray, classes: Sequence[str]) -> list[Section]:
    """Samples of each class, and images of an interpolation: ``(classes, N, H, W, C)`` both."""
    return [
        Section(
            "Samples",
            "Each row is a class; no image was chosen.",
            image_rows(dict(zip(classes, images, strict=True))),
        ),
        Section(
            "Interpolations",
            "The noise of the first image turns into that of the last, by spherical interpolation; "
            "the class stays.",
            image_rows(dict(zip(classes, path, strict=True))),
        ),
    ]


def samples_over_time(images: Mapping[int, np.ndarray], classes: Sequence[str]) -> list[Section]:
    """An image of each class ``(classes, H, W, C)`` at some steps of training."""
    rows = {f"step {step:,}": image for step, image in images.items()}
    caption = "One image of each class, from the same noise throughout."
    return [Section("Samples over time", caption, image_rows(rows, columns=classes))]


def adversarial_losses(history: Sequence[Mapping[str, Any]]) -> list[Section]:
    """The losses of generator and discriminator over the rows of a training history."""
    names = {f"train/{player}_loss": player for player in ("generator", "discriminator")}
    return [
        Section(
            "Adversarial losses",
            "Neither falls for long: what one learns makes the other's task harder. They do not "
            "measure the quality of images.",
            generated_images.losses_of_players(history, names),
        )
    ]
