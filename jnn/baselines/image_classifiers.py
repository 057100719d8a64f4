"""Classifiers of images without a network: logistic regression, and a support vector machine."""

import numpy as np

from jnn.data.image_scaling import to_float
from jnn.data.splits import Splits

MOST = 10_000  # images that the support vector machine is fitted to: 60,000 would take an hour


def pixel_classifiers(splits: Splits, *, components: int | None = None) -> dict[str, float]:
    """Accuracy on the test part of classifiers that were fitted to all but the test part.

    The most frequent class, logistic regression, and a support vector machine (RBF kernel, C = 10)
    fitted to at most 10,000 images, of ``image`` ``(N, H, W, C)`` and ``label`` ``(N,)``. With
    ``components`` they see so many principal components of the pixels instead, and logistic
    regression sees them scaled.

    >>> label = np.arange(12) % 3 // 2
    >>> part = {"image": label[:, None, None, None] * np.ones((12, 2, 2, 1)), "label": label}
    >>> {name: round(score, 2) for name, score in pixel_classifiers(Splits(*[part] * 3)).items()}
    {'most frequent class': 0.67, 'logistic regression': 1.0, 'support vector machine': 1.0}
    """
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    flat = lambda image: to_float(image).reshape(len(image), -1)
    train = splits.train_and_validation
    x, y = flat(train["image"]), train["label"]
    test, truth = flat(splits.test["image"]), splits.test["label"]
    principal, scaling = [], []  # pixels have one scale, components have not
    if components:
        principal = [PCA(components, svd_solver="randomized", random_state=0)]
        scaling = [StandardScaler()]
    logistic = make_pipeline(*principal, *scaling, LogisticRegression(max_iter=300))
    machine = make_pipeline(*principal, SVC(C=10))
    few = np.random.default_rng(0).permutation(len(y))[:MOST]
    return {
        "most frequent class": float(np.mean(truth == np.bincount(y).argmax())),
        "logistic regression": float(logistic.fit(x, y).score(test, truth)),
        "support vector machine": float(machine.fit(x[few], y[few]).score(test, truth)),
    }
