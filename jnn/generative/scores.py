"""How near generated examples are to real ones, without a pretrained network: distances of
distributions, and what classifiers say.

Examples are vectors ``(N, D)``; images are first projected on the principal components of real ones
(`projection`), in which a nearest neighbour and a covariance mean more than among single pixels. No
score is enough alone: a Gaussian has the right moments, and so a small `frechet_distance`, but no
image that looks real, as `two_sample_accuracy` tells; a generator of few images is found by the
shares of classes, and by what a classifier learns from it (`classifier`).
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from jnn.errors import mistake


def projection(images: np.ndarray, components: int = 64) -> Callable[[np.ndarray], np.ndarray]:
    """The function ``(M, ...) -> (M, components)`` on the first principal components of ``images``
    ``(N, ...)``, by scikit-learn.

    >>> rng = np.random.default_rng(0)
    >>> project = projection(rng.normal(size=(50, 4, 4, 1)), components=3)
    >>> project(rng.normal(size=(7, 4, 4, 1))).shape
    (7, 3)
    """
    from sklearn.decomposition import PCA

    flat = np.reshape(images, (len(images), -1))
    if not 1 <= components <= min(flat.shape):
        raise mistake(
            "projection",
            got=f"components={components} for {len(flat)} examples of {flat.shape[1]} numbers",
            expected="fewer",
        )
    pca = PCA(components, svd_solver="covariance_eigh").fit(flat.astype(np.float64))
    return lambda images: pca.transform(np.reshape(images, (len(images), -1)))


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """The squared distance of Fréchet between the Gaussians with the moments of two samples:
    ``‖μ - ν‖² + tr(A + B - 2 (A B)^½)``.

    ``a`` ``(N, D)`` and ``b`` ``(M, D)`` have means μ, ν and unbiased covariances A, B. The trace
    of the root is the sum of the roots of the eigenvalues of ``A^½ B A^½``, which is symmetric: no
    root of a matrix that is not is needed, and none gets complex numbers by rounding. Computed in
    float64. It is 0 for equal moments, and grows with few examples: compare numbers of equally
    many. Source: Dowson & Landau 1982; with features of a network it is the FID of Heusel et al.
    2017, https://arxiv.org/abs/1706.08500.

    >>> a = np.array([[-1.0], [1.0]])
    >>> print(f"{frechet_distance(a, a + 3):.3f} {frechet_distance(a, 2 * a):.3f}")  # (0 - 3)², and (√2 - √8)²
    9.000 2.000
    """
    a, b = _samples("frechet_distance", a, b)
    A, B = (np.atleast_2d(np.cov(x, rowvar=False)) for x in (a, b))
    values, vectors = np.linalg.eigh(A)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    roots = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ B @ root), 0))
    return float(
        np.sum((a.mean(axis=0) - b.mean(axis=0)) ** 2) + np.trace(A) + np.trace(B) - 2 * roots.sum()
    )


def two_sample_accuracy(real: np.ndarray, generated: np.ndarray) -> float:
    """How often the nearest other example is of the same kind, real or generated: 0.5 where they
    cannot be told apart, 1 where they can.

    ``real`` and ``generated`` are ``(N, D)``, equally many: each is classified by its nearest
    neighbour among all others. Below 0.5 the generated ones are copies of the real ones. Source:
    Lopez-Paz & Oquab 2017, https://arxiv.org/abs/1610.06545.

    >>> real = np.array([[0.0], [1.0], [2.0]])
    >>> two_sample_accuracy(real, real + 10), two_sample_accuracy(real, real + 0.1)
    (1.0, 0.0)
    """
    from sklearn.neighbors import NearestNeighbors

    real, generated = _samples("two_sample_accuracy", real, generated)
    if len(real) != len(generated):
        raise mistake(
            "two_sample_accuracy",
            got=f"{len(real)} real and {len(generated)} generated examples",
            expected="equally many",
        )
    both, is_real = np.concatenate([real, generated]), np.arange(2 * len(real)) < len(real)
    nearest = NearestNeighbors(n_neighbors=1).fit(both).kneighbors(return_distance=False)[:, 0]
    return float(np.mean(is_real[nearest] == is_real))


def classifier(x: np.ndarray, label: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """A support vector machine that has learned the classes of ``x`` ``(N, D)``: the function
    ``(M, D) -> (M,)`` to their numbers.

    Learned from generated examples and tested on real ones, it says how much of a class they show
    (Ravuri & Vinyals 2019, https://arxiv.org/abs/1905.10887); learned from real ones, what is seen
    in the generated. Deterministic, and quick for 10,000 examples.

    >>> predict = classifier(np.array([[0.0], [1.0], [8.0], [9.0]]), np.array([0, 0, 1, 1]))
    >>> predict(np.array([[0.5], [8.5]])).tolist()
    [0, 1]
    """
    from sklearn.svm import SVC

    if len(x) != len(label):
        raise mistake(
            "classifier", got=f"{len(x)} examples and {len(label)} labels", expected="equally many"
        )
    return SVC(C=5.0).fit(x, label).predict


class Judge(NamedTuple):
    """What generated images are compared with: real ones in their principal components, and a
    classifier that learned from yet others.
    """

    project: Callable[[np.ndarray], np.ndarray]
    real: np.ndarray
    """``(N, components)``: images that no generator has seen."""
    label: np.ndarray
    """``(N,)``: their classes."""
    classify: Callable[[np.ndarray], np.ndarray]


NEIGHBOURS = 2_000  # of each kind, among which a nearest one is looked for
LEARNED = 10_000  # images that a classifier learns from
PROJECTED = 20_000  # images whose components are found


def judge(
    train: Mapping[str, np.ndarray], test: Mapping[str, np.ndarray], *, components: int = 64
) -> Judge:
    """The judge by ``{"image": (N, ...), "label": (N,)}`` of training images, at most 20,000 of
    them, and of the whole test part.
    """
    few = min(components, train["image"][0].size, len(train["image"]))
    project = projection(train["image"][:PROJECTED], few)
    known = project(train["image"][-LEARNED:]), train["label"][-LEARNED:]
    return Judge(project, project(test["image"]), test["label"], classifier(*known))


def scores(judge: Judge, images: np.ndarray, label: np.ndarray | None = None) -> dict[str, float]:
    """``two_sample_accuracy`` of at most 2,000 images and as many real ones, ``frechet`` of all,
    and where the classes ``label`` are given ``fake_to_real_accuracy``, that of a classifier which
    learned from them, on real images.

    >>> rng = np.random.default_rng(0)
    >>> train, test = ({"image": rng.normal(size=(40, 2, 2)), "label": np.arange(40) % 2} for _ in range(2))
    >>> sorted(scores(judge(train, test, components=2), rng.normal(size=(30, 2, 2))))
    ['frechet', 'two_sample_accuracy']
    """
    x = judge.project(images)
    count = min(NEIGHBOURS, len(x), len(judge.real))
    found = {
        "two_sample_accuracy": two_sample_accuracy(judge.real[:count], x[:count]),
        "frechet": frechet_distance(x, judge.real),
    }
    if label is None:
        return found
    learned = classifier(x[:LEARNED], label[:LEARNED])
    return {**found, "fake_to_real_accuracy": float(np.mean(learned(judge.real) == judge.label))}


def class_shares(label: np.ndarray, classes: int) -> np.ndarray:
    """The share of each class among ``label`` ``(N,)``: a mode that is missing has none.

    >>> class_shares(np.array([0, 0, 2, 2]), 3).tolist()
    [0.5, 0.0, 0.5]
    """
    return np.bincount(label, minlength=classes) / len(label)


def gaussian_images(
    images: np.ndarray, count: int, *, components: int = 64, seed: int = 0
) -> np.ndarray:
    """``count`` images from the Gaussian that ``images`` ``(N, ...)`` have in their first principal
    components, cut to 0 .. 1: a baseline.

    >>> gaussian_images(np.random.default_rng(0).uniform(size=(9, 2, 2, 1)), 5, components=3).shape
    (5, 2, 2, 1)
    """
    flat = np.reshape(images, (len(images), -1)).astype(np.float64)
    values, vectors = np.linalg.eigh(np.atleast_2d(np.cov(flat, rowvar=False)))
    noise = np.random.default_rng(seed).standard_normal((count, min(components, flat.shape[1])))
    largest = slice(-noise.shape[1], None)
    drawn = (
        flat.mean(axis=0)
        + (noise * np.sqrt(np.maximum(values[largest], 0))) @ vectors[:, largest].T
    )
    return np.clip(drawn, 0, 1).reshape(count, *images.shape[1:]).astype(images.dtype)


def independent_pixels(images: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """Images whose every pixel is that of another of ``images`` ``(N, ...)``: right pixel by pixel,
    and nothing else; a baseline.

    >>> images = np.arange(6.0).reshape(3, 2)
    >>> np.sort(independent_pixels(images), axis=0).tolist() == images.tolist()
    True
    """
    return np.random.default_rng(seed).permuted(images, axis=0)


def _samples(where: str, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    a, b = (np.asarray(x, np.float64) for x in (a, b))
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or min(len(a), len(b)) < 2:
        got = f"samples of shape {a.shape} and {b.shape}"
        raise mistake(
            where,
            got=got,
            expected="(N, D) and (M, D), two examples at least",
            remedy="Project images first: `projection`.",
        )
    for name, x in (("first", a), ("second", b)):
        if not np.isfinite(x).all():
            raise mistake(
                where, got=f"NaN or infinity in the {name} sample", expected="finite numbers"
            )
    return a, b
