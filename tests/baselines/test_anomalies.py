"""Baselines of anomaly scores are those of their definition, and know the clean parts alone."""

import numpy as np

from jnn.baselines.anomalies import autoregression_score, components_score

SINGLE = 1e-4  # float32: sums of a window in another order
RNG = np.random.default_rng(0)
X = (np.sin(np.arange(400) / 4) + RNG.normal(0, 0.1, 400)).astype(np.float32)
CLEAN = [range(120), range(130, 250)]


def test_an_autoregression_is_that_of_its_definition():
    """Weights and errors in NumPy."""
    x, length = X.astype(np.float64), 6
    seen, following = np.lib.stride_tricks.sliding_window_view(x[:-1], length), x[length:]
    fitted = np.array(
        [any(t - length in part and t in part for part in CLEAN) for t in range(length, len(x))]
    )
    a, b = seen[fitted], following[fitted]
    centred, mean = a - a.mean(axis=0), b.mean()
    weights = np.linalg.solve(centred.T @ centred + np.eye(length), centred.T @ (b - mean))
    errors = np.abs(following - (seen - a.mean(axis=0)) @ weights - mean)
    deviation = np.sqrt(np.mean(errors[fitted] ** 2))
    expected = np.concatenate([np.zeros(length), errors / deviation])
    score = autoregression_score(X, CLEAN, length=length).score
    np.testing.assert_allclose(score, expected, rtol=SINGLE, atol=SINGLE)


def test_all_components_reconstruct_all():
    score = components_score(X, CLEAN, length=8, step=2, components=4).score
    np.testing.assert_allclose(score, 0, atol=SINGLE)


def test_scores_up_to_a_time_know_nothing_after_it():
    other = X.copy()
    other[300:] = 5.0
    for score in (autoregression_score, components_score):
        settings = {"length": 8} | ({"components": 2} if score is components_score else {})
        a, b = (score(x, CLEAN, **settings).score for x in (X, other))
        np.testing.assert_array_equal(a[:292], b[:292])
        assert b[300] > 4 * a[300]
