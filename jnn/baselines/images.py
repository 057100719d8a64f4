"""Generators of images without a network, which a generative model has to beat."""

from collections.abc import Mapping

import numpy as np

from jnn.errors import mistake
from jnn.generative.scores import Judge, gaussian_images, independent_pixels, scores


def generator_scores(
    judge: Judge, train: Mapping[str, np.ndarray], count: int
) -> dict[str, dict[str, float]]:
    """The `jnn.generative.scores.scores` of ``count`` images that are drawn without a network.

    They are drawn from Gaussians with the moments of each class of ``train`` and of all its images,
    and pixel by pixel. ``train`` has ``image`` ``(N, H, W, C)`` from 0 to 1 and ``label`` ``(N,)``
    of K classes; ``count`` is a multiple of K; there are at most N images of single pixels. Raises
    `JnnError` for another count, and for a class with fewer than two images.

    >>> from jnn.generative.scores import judge
    >>> rng = np.random.default_rng(0)
    >>> part = lambda: {"image": rng.random((40, 2, 2, 1)), "label": np.arange(40) % 2}
    >>> train, test = part(), part()
    >>> list(generator_scores(judge(train, test, components=2), train, 20))
    ['Gaussian of each class', 'Gaussian', 'single pixels']
    """
    image, classes = train["image"], int(train["label"].max()) + 1
    if count < 1 or count % classes:
        expected = f"a multiple of the {classes} classes"
        raise mistake("generator_scores", got=f"count={count}", expected=expected)
    per_class = count // classes
    of_class = lambda k: gaussian_images(image[train["label"] == k], per_class, seed=k)
    in_turn = np.stack([of_class(k) for k in range(classes)], axis=1)
    labels = np.tile(np.arange(classes), per_class)
    return {
        "Gaussian of each class": scores(judge, in_turn.reshape(-1, *image.shape[1:]), labels),
        "Gaussian": scores(judge, gaussian_images(image, count)),
        "single pixels": scores(judge, independent_pixels(image[-count:])),
    }
