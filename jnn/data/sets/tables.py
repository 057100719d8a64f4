"""Tables, as ``{"features": (N, D) float32, "label": (N,) int32}``.

For a regression, ``"target"`` (N,) float32 takes the place of ``"label"``. Features are not scaled;
`jnn.data.scaling.standardize` scales them by the training part. Validation is a part of the
training set.
"""

from __future__ import annotations

import csv
from typing import Any

import numpy as np

from jnn.data.fetch.sources import SOURCES, fetch
from jnn.data.splits import Splits, from_arrays
from jnn.errors import mistake

DIAMOND_ORDER = {
    "cut": ("Fair", "Good", "Very Good", "Premium", "Ideal"),
    "color": tuple("DEFGHIJ"),
    "clarity": ("I1", "SI2", "SI1", "VS2", "VS1", "VVS2", "VVS1", "IF"),
}
"""The grades of each quality in order; the index of a grade is its feature.

The best are colour D, clarity IF and cut Ideal.
"""

DIAMOND_FEATURES = ("carat", "cut", "color", "clarity", "depth", "table", "x", "y", "z")


def load_diabetes(*, validation: float = 0.1, seed: int = 0) -> Splits:
    """442 patients, 10 measurements; the target is the disease's progression after a year.

    Test: 25 %, random_state 0. Validation: the fraction ``validation`` of the rest, drawn with
    ``seed``.
    """
    from sklearn.datasets import load_diabetes

    # scikit-learn's default scaling would use the test part too.
    bunch: Any = load_diabetes(scaled=False)
    arrays = {"features": bunch.data.astype(np.float32), "target": bunch.target.astype(np.float32)}
    names = tuple(bunch.feature_names)
    return from_arrays(arrays, test=0.25, validation=validation, seed=seed, columns=names)


def load_breast_cancer(*, validation: float = 0.1, seed: int = 0) -> Splits:
    """569 tumours, 30 measurements, 2 classes. Test: 25 %, stratified, random_state 0."""
    from sklearn.datasets import load_breast_cancer

    return _classes(load_breast_cancer(), validation, seed)


def load_wine(*, validation: float = 0.1, seed: int = 0) -> Splits:
    """178 wines, 13 measurements, 3 classes. Test: 25 %, stratified, random_state 0."""
    from sklearn.datasets import load_wine

    return _classes(load_wine(), validation, seed)


def load_iris(*, validation: float = 0.1, seed: int = 0) -> Splits:
    """150 flowers, 4 measurements, 3 classes. Test: 25 %, stratified, random_state 0."""
    from sklearn.datasets import load_iris

    return _classes(load_iris(), validation, seed)


def _classes(bunch: Any, validation: float, seed: int) -> Splits:
    arrays = {"features": bunch.data.astype(np.float32), "label": bunch.target.astype(np.int32)}
    names = tuple(str(name) for name in bunch.target_names)
    return from_arrays(
        arrays,
        test=0.25,
        validation=validation,
        seed=seed,
        stratify="label",
        classes=names,
        columns=tuple(map(str, bunch.feature_names)),
    )


def load_diamonds(*, validation: float = 0.1, seed: int = 0, offline: bool = False) -> Splits:
    """53,940 diamonds, 9 features (``DIAMOND_FEATURES``); the target is the logarithm of the price.

    The logarithm is natural, of the price in dollars. Test: 20 %, random_state 0. Validation: the
    fraction ``validation`` of the rest, drawn with ``seed``.
    """
    path = fetch(SOURCES["diamonds"], offline=offline) / "diamonds.csv"
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    features = [[_diamond_feature(row, name) for name in DIAMOND_FEATURES] for row in rows]
    price = np.array([float(row["price"]) for row in rows])
    target = np.log(price).astype(np.float32)
    arrays = {"features": np.array(features, np.float32), "target": target}
    settings = {"test": 0.2, "validation": validation, "columns": DIAMOND_FEATURES}
    return from_arrays(arrays, seed=seed, **settings)


def synthetic_diamonds() -> Splits:
    """600 random rows in the form of `load_diamonds`; nothing is downloaded.

    >>> splits = synthetic_diamonds()
    >>> splits.sizes, splits.train["features"].shape[1] == len(splits.columns)
    ({'train': 432, 'validation': 48, 'test': 120}, True)
    """
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, len(DIAMOND_FEATURES))).astype(np.float32)
    for name, grades in DIAMOND_ORDER.items():
        x[:, DIAMOND_FEATURES.index(name)] = rng.integers(len(grades), size=len(x))
    arrays = {"features": x, "target": 8 + x[:, 0] + x[:, 3] * x[:, 0] / 4}
    return from_arrays(arrays, columns=DIAMOND_FEATURES)


def _diamond_feature(row: dict[str, str], name: str) -> float:
    if name not in DIAMOND_ORDER:
        return float(row[name])
    if row[name] not in DIAMOND_ORDER[name]:
        expected = f"one of {', '.join(DIAMOND_ORDER[name])}"
        raise mistake("diamonds", got=f"{name}={row[name]!r}", expected=expected)
    return float(DIAMOND_ORDER[name].index(row[name]))
