"""The report of autoencoders with codes of several sizes."""

from collections.abc import Mapping, Sequence

import numpy as np

from jnn.explain.page.report import Section
from jnn.explain.results import reconstruction


def error_by_size(
    sizes: Sequence[int], errors: Mapping[str, Sequence[float]], *, name: str = "test MSE"
) -> list[Section]:
    """The error against the size of the code; ``errors`` has one a size for each method."""
    return [
        Section(
            "Error by code size",
            "Mean squared error of a pixel on the test part. PCA is the best linear code of the "
            "images that it was fitted to.",
            reconstruction.error_by_size(sizes, errors, name=name),
        )
    ]


def decoded_images(rows: Mapping[str, np.ndarray], columns: Sequence[str]) -> list[Section]:
    """Images and their reconstructions.

    ``rows`` are images (N, H, W, C) in [0, 1], the originals and those of each method; ``columns``
    are the N names of the classes.
    """
    return [
        Section(
            "Reconstructions",
            "A test image of each class, and what is decoded from its code.",
            reconstruction.image_rows(rows, columns=columns),
        )
    ]


def latent_space(
    codes: Mapping[str, np.ndarray], label: np.ndarray, classes: Sequence[str]
) -> list[Section]:
    """The codes in the plane, coloured by class: ``codes`` (N, 2) by method, ``label`` (N,)."""
    return [
        Section(
            "Latent space",
            "Test images at their codes of two numbers; some outliers are outside the frame. "
            "Training does not see the classes.",
            reconstruction.class_map(codes, label, classes),
        )
    ]
