"""Scores of generated examples against real ones, without a pretrained network.

Examples are vectors ``(N, D)``; images are first projected on the principal components of real ones
(`projection`), where nearest neighbours and covariances mean more than among single pixels.

No single score suffices. A Gaussian has the right moments, and so a small `frechet_distance`, but
its images do not look real, which `two_sample_accuracy` shows. Mode collapse is detected by the
shares of classes (`class_shares`) and by a classifier trained on generated images (`classifier`).
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from jnn.errors import mistake
from jnn.integers import check_integer
from jnn.labels import check_labels


def projection(images: np.ndarray, components: int = 64) -> Callable[[np.ndarray], np.ndarray]:
    """The projection on the first principal components of ``images``, by scikit-learn.

    ``images`` ``(N, ...)`` determine the components; the result is a function ``(M, ...) -> (M,
    components)``.

    >>> rng = np.random.default_rng(0)
    >>> project = projection(rng.normal(size=(50, 4, 4, 1)), components=3)
    >>> project(rng.normal(size=(7, 4, 4, 1))).shape
    (7, 3)
    """
    from sklearn.decomposition import PCA

    flat = np.reshape(images, (len(images), -1))
    if not 1 <= components <= min(flat.shape):
        got = f"components={components} for {len(flat)} examples of {flat.shape[1]} numbers"
        expected = "at least 1, and no more than examples or numbers"
        raise mistake("projection", got=got, expected=expected)
    pca = PCA(components, svd_solver="covariance_eigh").fit(flat.astype(np.float64))
    return lambda images: pca.transform(np.reshape(images, (len(images), -1)))


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """The squared Fréchet distance between Gaussians with the moments of two samples.

        ‖μ - ν‖² + tr(A + B - 2 (A B)^½)

    ``a`` ``(N, D)`` and ``b`` ``(M, D)`` have means μ, ν and unbiased covariances A, B. It is 0 for
    equal moments, and biased upward for few examples: compare values of equally many.

    The trace of the root is the sum of the roots of the eigenvalues of ``A^½ B A^½``, which is
    symmetric, so that rounding makes no complex numbers. Computed in float64.

    Source: Dowson & Landau 1982; with features of a network it is the FID of Heusel et al. 2017,
    https://arxiv.org/abs/1706.08500.

    >>> a = np.array([[-1.0], [1.0]])
    >>> distances = frechet_distance(a, a + 3), frechet_distance(a, 2 * a)
    >>> print("{:.3f} {:.3f}".format(*distances))  # (0 - 3)², and (√2 - √8)²
    9.000 2.000
    """
    a, b = _samples("frechet_distance", a, b)
    A, B = (np.atleast_2d(np.cov(x, rowvar=False)) for x in (a, b))
    values, vectors = np.linalg.eigh(A)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    roots = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ B @ root), 0))
    between_means = np.sum((a.mean(axis=0) - b.mean(axis=0)) ** 2)
    return float(between_means + np.trace(A) + np.trace(B) - 2 * roots.sum())


def two_sample_accuracy(real: np.ndarray, generated: np.ndarray) -> float:
    """The leave-one-out accuracy of a nearest neighbour classifier, real against generated.

    ``real`` and ``generated`` are ``(N, D)``, equally many: each is classified by its nearest
    neighbour among all others. 0.5 says that they cannot be distinguished, 1 that they can; below
    0.5 the generated examples are copies of the real ones.

    Source: Lopez-Paz & Oquab 2017, https://arxiv.org/abs/1610.06545.

    >>> real = np.array([[0.0], [1.0], [2.0]])
    >>> two_sample_accuracy(real, real + 10), two_sample_accuracy(real, real + 0.1)
    (1.0, 0.0)
    """
    from sklearn.neighbors import NearestNeighbors

    real, generated = _samples("two_sample_accuracy", real, generated)
    if len(real) != len(generated):
        got = f"{len(real)} real and {len(generated)} generated examples"
        raise mistake("two_sample_accuracy", got=got, expected="equally many")
    both, is_real = np.concatenate([real, generated]), np.arange(2 * len(real)) < len(real)
    nearest = NearestNeighbors(n_neighbors=1).fit(both).kneighbors(return_distance=False)[:, 0]
    return float(np.mean(is_real[nearest] == is_real))


def classifier(x: np.ndarray, label: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """A support vector machine trained on ``x`` ``(N, D)``: a function ``(M, D) -> (M,)`` labels.

    Trained on generated examples and tested on real ones, its accuracy measures how much of each
    class the generator covers (Ravuri & Vinyals 2019, https://arxiv.org/abs/1905.10887); trained on
    real ones, it labels the generated. Deterministic, and fast enough for 10,000 examples.

    >>> predict = classifier(np.array([[0.0], [1.0], [8.0], [9.0]]), np.array([0, 0, 1, 1]))
    >>> predict(np.array([[0.5], [8.5]])).tolist()
    [0, 1]
    """
    from sklearn.svm import SVC

    if len(x) != len(label):
        got = f"{len(x)} examples and {len(label)} labels"
        raise mistake("classifier", got=got, expected="equally many")
    return SVC(C=5.0).fit(x, label).predict


class Judge(NamedTuple):
    """The references of generated images: held-out real ones, and a classifier of real ones."""

    project: Callable[[np.ndarray], np.ndarray]
    """To principal components."""
    real: np.ndarray
    """``(N, components)``: images that no generator was trained on."""
    label: np.ndarray
    """``(N,)``: their classes."""
    classify: Callable[[np.ndarray], np.ndarray]
    """From principal components to labels."""


NEIGHBOURS = 2_000  # real, and as many generated, examples of the nearest neighbour classifier
LEARNED = 10_000  # images that a classifier is trained on
PROJECTED = 20_000  # images from which principal components are computed


def judge(
    train: Mapping[str, np.ndarray], test: Mapping[str, np.ndarray], *, components: int = 64
) -> Judge:
    """The judge made from training images, at most 20,000, and the whole test part.

    Both are ``{"image": (N, ...), "label": (N,)}``.
    """
    images, labels = train["image"], train["label"]
    project = projection(images[:PROJECTED], min(components, images[0].size, len(images)))
    classify = classifier(project(images[-LEARNED:]), labels[-LEARNED:])
    return Judge(project, project(test["image"]), test["label"], classify)


def scores(judge: Judge, images: np.ndarray, label: np.ndarray | None = None) -> dict[str, float]:
    """The scores of generated images, by name.

    ``two_sample_accuracy`` is of at most 2,000 images and as many real ones, ``frechet`` the
    distance of all. Where their classes ``label`` are given, ``fake_to_real_accuracy`` is the
    accuracy on real images of a classifier trained on the generated ones.

    >>> rng = np.random.default_rng(0)
    >>> data = lambda: {"image": rng.normal(size=(40, 2, 2)), "label": np.arange(40) % 2}
    >>> sorted(scores(judge(data(), data(), components=2), rng.normal(size=(30, 2, 2))))
    ['frechet', 'two_sample_accuracy']
    """
    x = judge.project(images)
    count = min(NEIGHBOURS, len(x), len(judge.real))
    result = {
        "two_sample_accuracy": two_sample_accuracy(judge.real[:count], x[:count]),
        "frechet": frechet_distance(x, judge.real),
    }
    if label is None:
        return result
    classify = classifier(x[:LEARNED], label[:LEARNED])
    return {**result, "fake_to_real_accuracy": float(np.mean(classify(judge.real) == judge.label))}


def class_shares(label: np.ndarray, classes: int) -> np.ndarray:
    """The share of each class among ``label`` ``(N,)``; that of a missing mode is 0.

    Raises `JnnError` without a label, and for one outside ``[0, classes)``.

    >>> class_shares(np.array([0, 0, 2, 2]), 3).tolist()
    [0.5, 0.0, 0.5]
    """
    check_labels(label, classes, "class_shares")
    return np.bincount(label, minlength=classes) / len(label)


def gaussian_images(
    images: np.ndarray, count: int, *, components: int = 64, seed: int = 0
) -> np.ndarray:
    """A baseline: ``count`` images drawn from the Gaussian fitted to ``images`` ``(N, ...)``.

    It has the covariance of their first principal components; pixels are clipped to 0 .. 1. Raises
    `JnnError` for fewer than two images, which have no covariance, and without a component.

    >>> gaussian_images(np.random.default_rng(0).uniform(size=(9, 2, 2, 1)), 5, components=3).shape
    (5, 2, 2, 1)
    """
    if len(images) < 2:
        raise mistake("gaussian_images", got=f"{len(images)} images", expected="two at least")
    components = check_integer("gaussian_images", "components", components)
    flat = np.reshape(images, (len(images), -1)).astype(np.float64)
    values, vectors = np.linalg.eigh(np.atleast_2d(np.cov(flat, rowvar=False)))
    noise = np.random.default_rng(seed).standard_normal((count, min(components, flat.shape[1])))
    largest = slice(-noise.shape[1], None)
    deviations = np.sqrt(np.maximum(values[largest], 0))
    drawn = flat.mean(axis=0) + (noise * deviations) @ vectors[:, largest].T
    return np.clip(drawn, 0, 1).reshape(count, *images.shape[1:]).astype(images.dtype)


def independent_pixels(images: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """A baseline: each pixel of ``images`` ``(N, ...)`` permuted among them independently.

    The distribution of every single pixel is right, and nothing else.

    >>> images = np.arange(6.0).reshape(3, 2)
    >>> np.sort(independent_pixels(images), axis=0).tolist() == images.tolist()
    True
    """
    return np.random.default_rng(seed).permuted(images, axis=0)


def _samples(caller: str, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    a, b = (np.asarray(x, np.float64) for x in (a, b))
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or min(len(a), len(b)) < 2:
        raise mistake(
            caller,
            got=f"samples of shape {a.shape} and {b.shape}",
            expected="(N, D) and (M, D), at least two examples",
            remedy="Project images first: `projection`.",
        )
    for name, x in (("first", a), ("second", b)):
        if not np.isfinite(x).all():
            got = f"NaN or infinity in the {name} sample"
            raise mistake(caller, got=got, expected="finite numbers")
    return a, b
