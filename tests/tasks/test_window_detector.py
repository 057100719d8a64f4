"""A detector of windows, with networks whose outputs are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnn
from jnn.data.sets.synthetic_series import synthetic_recording
from jnn.scores.anomaly import forecast_score, step_means
from jnn.tasks.window_detector import WindowDetector
from tests.compiled import apply, init

RECORDING = synthetic_recording()
SINGLE = 1e-5  # float32: sums in another order
STATELESS = ({}, {})


def committee(function):
    """Two members that are the function."""
    return jnn.ensemble(jnn.chain(function), 2)


def test_what_is_reconstructed_without_an_error_has_the_score_zero():
    detector = WindowDetector(committee(lambda x: x), length=6, every=2)
    data = detector.windows(RECORDING)
    np.testing.assert_array_equal(data.train["inputs"], data.train["targets"])
    score = detector.score(*STATELESS, data)
    np.testing.assert_allclose(score.score, 0, atol=SINGLE)
    shifted = detector._replace(model=committee(lambda x: x + 2))
    np.testing.assert_allclose(shifted.score(*STATELESS, data).score, 2, rtol=SINGLE)


def test_a_change_of_zero_is_the_forecast_of_persistence():
    horizon, length = 3, 4
    detector = WindowDetector(committee(jnp.zeros_like), length, horizon=horizon, smoothing=2)
    data = detector.windows(RECORDING)
    error = data.validation["targets"] - data.validation["inputs"][:, -1, 0]
    expected = forecast_score(
        lambda window: window[-1],
        data.x,
        length=length,
        horizon=horizon,
        deviation=float(np.sqrt(np.mean(error**2))),
        smoothing=2,
    )
    score = detector.score(*STATELESS, data)
    np.testing.assert_allclose(score.score, expected.score, rtol=SINGLE, atol=SINGLE)
    assert detector.reach == length + horizon + 1


@pytest.mark.parametrize("horizon", [0, 1])
def test_the_predictor_is_the_prediction_of_the_same_windows(horizon):
    detector = WindowDetector(committee(lambda x: 0.5 * x), length=6, every=3, horizon=horizon)
    windows = np.random.default_rng(0).normal(size=(5, 6, 1)).astype(np.float32)
    y, _ = detector.predictor().apply(*STATELESS, windows)
    expected = detector.predict(*STATELESS, {"inputs": step_means(windows, 3)})
    np.testing.assert_array_equal(y[..., 0], expected if horizon else expected[..., 0])


def test_outputs_come_with_the_state_of_the_members():
    model = jnn.ensemble(jnn.batch_norm(), 2)
    x = np.random.default_rng(0).normal(3, 2, size=(5, 6, 1)).astype(np.float32)
    params, state = init(model, x)
    detector = WindowDetector(model, length=6)
    _, new = detector.outputs(params, state, x, train=True)
    _, expected = apply(model, params, state, x, train=True)
    for one, other in zip(jax.tree.leaves(new), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=SINGLE, atol=SINGLE)
