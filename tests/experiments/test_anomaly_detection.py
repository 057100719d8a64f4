"""What may be known when an alarm is set up, in the experiment that detects anomalies."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import anomaly_detection as experiment
from jnn.errors import JnnError

SINGLE = 1e-4  # float32: sums of a window in another order


def prepared(monkeypatch, config, change=lambda recording: recording):
    recording = change(experiment.made_up())
    monkeypatch.setattr(experiment, "made_up", lambda: recording)
    return experiment.load_data(config)


@pytest.mark.parametrize("model", ["forecaster", "autoencoder"])
def test_what_is_tested_does_not_change_what_is_learned_from(monkeypatch, model):
    config = experiment.Config(smoke=True, model=model)
    disturb = lambda found: found._replace(
        values=np.where(found.under_test, -7.0, found.values),
        anomalous=found.anomalous ^ found.under_test,
    )
    a, b = prepared(monkeypatch, config), prepared(monkeypatch, config, disturb)
    jax.tree.map(np.testing.assert_array_equal, (a.train, a.validation), (b.train, b.validation))
    known = ~a.recording.under_test
    np.testing.assert_array_equal(a.x[known], b.x[known])
    assert np.abs(a.x - b.x).max() > 1


@pytest.mark.parametrize("model", ["forecaster", "autoencoder"])
def test_no_window_holds_a_known_event(monkeypatch, model):
    config = experiment.Config(smoke=True, model=model, data="machine_temperature")
    mark = lambda found: found._replace(values=np.where(found.anomalous, 1e6, found.values))
    data = prepared(monkeypatch, config, mark)
    for part in (data.train, data.validation):
        assert all(np.abs(array).max() < 10 for name, array in part.items() if name != "origin")


def test_the_threshold_depends_on_times_that_no_event_reaches(monkeypatch):
    config = experiment.Config(smoke=True, quantile=0.5)
    data = prepared(monkeypatch, config)
    clean = data.recording.clean
    near = np.convolve(~clean, np.ones(config.reach))[: len(clean)] > 0
    score = np.where(near, 1e6, np.arange(len(clean)) % 7)
    assert experiment.threshold(config, data, score) == 3


def test_a_ridge_score_is_that_of_its_definition(monkeypatch):
    """Weights and errors in NumPy, for a forecast of one step without cleaning."""
    config = experiment.Config(smoke=True, model="forecaster", cleaning=0.0)
    data = prepared(monkeypatch, config)
    x = data.x.astype(np.float64)
    seen, following = np.lib.stride_tricks.sliding_window_view(x[:-1], 24), x[24:]
    learned = np.array([data.recording.clean[t - 24 : t + 1].all() for t in range(24, len(x))])
    a, b = seen[learned], following[learned]
    centred, mean = a - a.mean(axis=0), b.mean()
    weights = np.linalg.solve(centred.T @ centred + np.eye(24), centred.T @ (b - mean))
    errors = np.abs(following - (seen - a.mean(axis=0)) @ weights - mean)
    expected = np.concatenate([np.zeros(24), errors / np.sqrt(np.mean(errors[learned] ** 2))])
    np.testing.assert_allclose(
        experiment.by_ridge(config, data).score, expected, rtol=SINGLE, atol=SINGLE
    )


def test_a_perfect_reconstruction_scores_nothing(monkeypatch):
    config = experiment.Config(smoke=True, model="autoencoder")
    data = prepared(monkeypatch, config)
    found = experiment.by_windows(config, data, lambda x: x)
    np.testing.assert_array_equal(found.score, 0)
    np.testing.assert_allclose(found.expected, data.x, rtol=SINGLE)
    np.testing.assert_allclose(
        experiment.by_windows(config, data, lambda x: x + 2).score, 2, rtol=SINGLE
    )


def test_a_window_is_seen_in_steps_of_means():
    config = experiment.Config(data="machine_temperature", model="forecaster")
    window = jnp.arange(48.0)[:, None]
    np.testing.assert_allclose(experiment.steps(config, window)[:, 0], np.arange(12) * 4 + 1.5)


def test_zero_is_a_setting_of_ones_own():
    config = experiment.Config(
        model="forecaster", cleaning=0.0, noise=0.0, dropout=0.0, weight_decay=0.0
    )
    assert (config.cleaning, config.noise, config.dropout, config.weight_decay) == (0, 0, 0, 0)
    assert (config.length, config.horizon, config.epochs) == (24, 1, 40)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"length": 24, "every": 5}, "length=24, every=5, expected whole steps"),
        ({"horizon": -1}, "horizon=-1, smoothing=1"),
        (
            {"quantile": 1.0},
            "quantile=1.0, expected horizon and smoothing >= 1, cleaning >= 0 and a quantile between 0 and 1",
        ),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, told):
    with pytest.raises(JnnError, match=told):
        dataclasses.replace(experiment.Config(), **settings)
