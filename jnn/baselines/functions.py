"""Classical approximations of a function from its samples."""

from collections.abc import Mapping
from typing import Any

import numpy as np


def approximations(
    train: Mapping[str, np.ndarray], test: Mapping[str, np.ndarray], *, most: int = 20
) -> dict[str, float]:
    """The RMSE on ``test`` of approximations from the samples ``train``, x ``(N, D)``, y ``(N,)``.

    The mean, the nearest neighbour, and least squares of a polynomial, of the degree from 1 to
    ``most`` that has the least squared error in five-fold cross-validation.

    >>> x = np.random.default_rng(0).uniform(-1, 1, (40, 1))
    >>> samples = {"x": x, "y": x[:, 0] ** 3}
    >>> errors = approximations(samples, samples, most=3)
    >>> {name: round(rmse, 6) for name, rmse in errors.items() if name != "mean"}
    {'nearest neighbour': 0.0, 'polynomial of degree 3': 0.0}
    """
    from sklearn.linear_model import LinearRegression
    from sklearn.model_selection import cross_val_score
    from sklearn.neighbors import KNeighborsRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import PolynomialFeatures

    x, y = train["x"], train["y"]
    rmse = lambda prediction: float(np.sqrt(np.mean((prediction - test["y"]) ** 2)))
    fitted = lambda regressor: rmse(regressor.fit(x, y).predict(test["x"]))
    polynomial: Any = lambda degree: make_pipeline(PolynomialFeatures(degree), LinearRegression())

    def score(degree: int) -> float:
        return cross_val_score(polynomial(degree), x, y, scoring="neg_mean_squared_error").mean()

    degree = max(range(1, most + 1), key=score)
    return {
        "mean": rmse(np.mean(y)),
        "nearest neighbour": fitted(KNeighborsRegressor(1)),
        f"polynomial of degree {degree}": fitted(polynomial(degree)),
    }
