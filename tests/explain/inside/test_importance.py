"""Permutation importance against its closed form for a linear model and against scikit-learn."""

import numpy as np
import pytest
import sklearn.inspection
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LinearRegression, LogisticRegression

from jnn.errors import JnnError
from jnn.explain.inside.importance import importances, permutation_importance

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 4)) * [1.0, 2.0, 0.5, 1.0]
W = np.array([2.0, -1.0, 3.0, 0.0])
REPEATS = 200
FOUR_STANDARD_ERRORS = 4.0  # a mean of draws is this far off once in 16,000 times


def differ_by_chance_alone(a, b):
    """Whether the means of the draws ``(D, repeats)`` agree for every feature."""
    error = np.sqrt(a.var(axis=1) / a.shape[1] + b.var(axis=1) / b.shape[1])
    return np.all(np.abs(a.mean(axis=1) - b.mean(axis=1)) <= FOUR_STANDARD_ERRORS * error)


def test_an_exact_linear_model_loses_twice_the_variance_of_each_term():
    y = X @ W
    importance = permutation_importance(lambda x: -np.mean((x @ W - y) ** 2), X, repeats=REPEATS)
    error = importance.std(axis=1) / np.sqrt(REPEATS)
    assert np.all(
        np.abs(importance.mean(axis=1) - 2 * W**2 * X.var(axis=0)) <= FOUR_STANDARD_ERRORS * error
    )
    assert_array_equal(importance[3], 0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "y"),
    [
        pytest.param(LinearRegression(), X @ W + RNG.normal(size=200), id="r2"),
        pytest.param(
            LogisticRegression(), (X @ W + RNG.normal(size=200) > 0).astype(int), id="accuracy"
        ),
    ],
)
def test_it_agrees_with_scikit_learn(model, y):
    model.fit(X, y)
    theirs = sklearn.inspection.permutation_importance(
        model, X, y, n_repeats=REPEATS, random_state=1
    ).importances
    assert differ_by_chance_alone(
        permutation_importance(lambda x: model.score(x, y), X, repeats=REPEATS), theirs
    )


def test_the_seed_decides_and_x_stays_as_it_was():
    before, score = X.copy(), lambda x: float(x[:, 0] @ x[:, 1])
    first, again, other = (
        permutation_importance(score, X, repeats=3, seed=seed) for seed in (0, 0, 1)
    )
    assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert_array_equal(X, before)


def test_bars_are_means_the_most_important_on_top_and_each_repeat_is_a_dot():
    values = np.array([[0.0, 0.2], [0.5, 0.7], [-0.1, 0.1]])
    figure = importances(values, ["a", "b", "c"], score="accuracy", most=2)
    ax = figure.axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["b", "a"]
    assert_allclose([bar.get_width() for bar in ax.patches], [0.6, 0.1])
    assert_allclose(
        np.sort(np.concatenate([line.get_xdata() for line in ax.lines[:2]])), [0.0, 0.2, 0.5, 0.7]
    )
    assert ax.yaxis_inverted()
    assert " ".join(figure.get_suptitle().split()) == (
        "Permutation importance: shuffling b lowers the accuracy by 0.6 (the first 2 of 3 features)"
    )


@pytest.mark.parametrize(("lowest", "verb"), [(False, "lowers"), (True, "raises")])
def test_the_title_says_so_where_no_feature_is_important(lowest, verb):
    for values in ([[-0.2, -0.1], [-0.3, -0.4]], [[0.0], [-0.1]]):
        figure = importances(np.array(values), ["a", "b"], score="error", lowest=lowest)
        title = " ".join(figure.get_suptitle().split())
        assert title == f"Permutation importance: shuffling no feature {verb} the error"


def test_mistakes_are_named():
    with pytest.raises(JnnError, match=r"x of shape \(200,\)"):
        permutation_importance(np.sum, X[:, 0])
    with pytest.raises(JnnError, match="repeats=0"):
        permutation_importance(np.sum, X, repeats=0)
    with pytest.raises(JnnError, match=r"values of shape \(3, 2\) for 1 names"):
        importances(np.zeros((3, 2)), ["a"])
