"""Baselines of tables: scikit-learn's classifiers and regressors on standardized features."""

from typing import Any

import numpy as np

from jnn.data.splits import Splits


def classifiers(splits: Splits) -> dict[str, float]:
    """Test accuracy of classifiers of ``features`` ``(N, D)``, fitted to all but the test part.

    The most frequent class, logistic regression and gradient boosting of ``label`` ``(N,)``.

    >>> part = {"features": np.arange(8.0)[:, None], "label": np.arange(8) // 6}
    >>> classifiers(Splits(part, part, part))["most frequent class"]
    0.75
    """
    from sklearn.dummy import DummyClassifier
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    def accuracy(classifier: Any) -> float:
        predicted = _predictions(classifier, splits, "label")
        return float(np.mean(predicted == splits.test["label"]))

    logistic = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000))
    return {
        "most frequent class": accuracy(DummyClassifier()),
        "logistic regression": accuracy(logistic),
        "gradient boosting": accuracy(HistGradientBoostingClassifier(random_state=0)),
    }


def regressors(splits: Splits) -> dict[str, float]:
    """Test RMSE of regressors of ``features`` ``(N, D)``, fitted to all but the test part.

    The mean, ridge regression (its penalty by leave-one-out error) and gradient boosting of
    ``target`` ``(N,)``.

    >>> part = {"features": np.arange(8.0)[:, None], "target": np.array([1.0, 3.0] * 4)}
    >>> regressors(Splits(part, part, part))["mean"]
    1.0
    """
    from sklearn.dummy import DummyRegressor
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.linear_model import RidgeCV

    def rmse(regressor: Any) -> float:
        error = _predictions(regressor, splits, "target") - splits.test["target"]
        return float(np.sqrt(np.mean(error**2)))

    return {
        "mean": rmse(DummyRegressor()),
        "ridge regression": rmse(RidgeCV(np.logspace(-2, 3, 20))),
        "gradient boosting": rmse(HistGradientBoostingRegressor(random_state=0)),
    }


def _predictions(estimator: Any, splits: Splits, target: str) -> np.ndarray:
    from threadpoolctl import threadpool_limits

    train = splits.train_and_validation
    with threadpool_limits(1):  # on a small table, threads that wait for each other take longer
        fitted = estimator.fit(train["features"], train[target])
        return fitted.predict(splits.test["features"])
