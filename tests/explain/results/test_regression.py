"""The pictures about a regression show the arrays that were given, and scikit-learn's scores of
them.
"""

import numpy as np
import pytest
import sklearn.metrics
from numpy.testing import assert_allclose, assert_array_equal

from jnn.errors import JnnError
from jnn.explain.results.regression import binned_means, predicted_against_true

RNG = np.random.default_rng(0)
TARGET = RNG.normal(100, 20, 50)
PREDICTION = TARGET + RNG.normal(3, 5, 50)


def test_dots_are_predictions_and_residuals():
    left, right = predicted_against_true(PREDICTION, TARGET, name="price").axes
    assert_array_equal(left.lines[0].get_xydata(), np.stack([TARGET, PREDICTION], axis=1))
    assert_array_equal(
        right.lines[0].get_xydata(), np.stack([PREDICTION, TARGET - PREDICTION], axis=1)
    )
    assert (left.get_xlabel(), left.get_ylabel()) == ("true price", "predicted price")


def test_the_title_has_the_scores_of_scikit_learn():
    rmse = sklearn.metrics.root_mean_squared_error(TARGET, PREDICTION)
    r2, middle = (
        sklearn.metrics.r2_score(TARGET, PREDICTION),
        sklearn.metrics.median_absolute_error(TARGET, PREDICTION),
    )
    title = " ".join(predicted_against_true(PREDICTION, TARGET).get_suptitle().split())
    scores = f"RMSE {rmse:.4g}, R² {r2:.4g}, median absolute error {middle:.4g}"
    assert title == f"Predictions and residuals: {scores}"


def test_bins_hold_equally_many_and_average_to_the_whole():
    x, y = binned_means(PREDICTION, TARGET, bins=5)
    assert_allclose([x.mean(), y.mean()], [PREDICTION.mean(), TARGET.mean()])
    lowest = np.sort(PREDICTION)[:10]
    assert_allclose((x[0], y[0]), (lowest.mean(), TARGET[np.isin(PREDICTION, lowest)].mean()))
    assert len(binned_means(np.arange(3.0), np.arange(3.0))[0]) == 3


def test_constant_targets_have_no_r2():
    title = predicted_against_true(np.array([1.0, 2.0]), np.ones(2)).get_suptitle()
    assert title == "Predictions and residuals: RMSE 0.7071, median absolute error 0.5"


def test_mistakes_are_named():
    with pytest.raises(JnnError, match=r"predictions \(50, 1\) and targets \(50,\)"):
        predicted_against_true(PREDICTION[:, None], TARGET)
