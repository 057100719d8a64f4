"""The report of autoencoders with codes of several sizes."""

from collections.abc import Mapping, Sequence

import numpy as np

from jnn.baselines.principal_components import PrincipalComponents
from jnn.explain.page.report import Section
from jnn.explain.results import reconstruction


def report(
    image: np.ndarray,
    label: np.ndarray,
    classes: Sequence[str],
    *,
    errors: Mapping[int, float],
    decoded: Mapping[int, np.ndarray],
    codes: np.ndarray | None,
    pca: PrincipalComponents,
) -> list[Section]:
    """The error by the size of the code, reconstructions, and the codes of two numbers.

    Test images ``(N, H, W, C)`` from 0 to 1 have the ``label`` ``(N,)``, numbers of ``classes``. By
    the size of the code, ``errors`` are the mean squared errors, and ``decoded`` what is decoded of
    the images of `one_of_each`. ``codes`` ``(N, 2)`` are those of two numbers, if there are any.
    ``pca`` is compared with all of these.
    """
    rows = one_of_each(label)
    image_rows = {"original": image[rows]}
    for size in errors:
        image_rows[f"code of {size}"] = decoded[size]
        image_rows[f"PCA, {size}"] = pca.reconstruct(image[rows], size)
    of_pca = [pca.error(image, size) for size in errors]
    sections = [
        *error_by_size(list(errors), {"autoencoder": list(errors.values()), "PCA": of_pca}),
        *decoded_images(image_rows, [classes[int(k)] for k in label[rows]]),
    ]
    if codes is not None:
        methods = {"autoencoder": codes, "PCA": pca.encode(image, 2)}
        sections += latent_space(methods, label, classes)
    return sections


def one_of_each(label: np.ndarray) -> np.ndarray:
    """The index of the first example of each class in ``label`` ``(N,)``, by class.

    >>> one_of_each(np.array([1, 0, 1])).tolist()
    [1, 0]
    """
    return np.unique(label, return_index=True)[1]


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
