"""What is learned from, and what the threshold depends on, when an alarm is set up."""

import dataclasses

import jax
import numpy as np
import pytest

from experiments import anomaly_detection as experiment
from jnn.data.scaling import Scaling
from jnn.errors import JnnError
from jnn.loaded import Loaded
from jnn.scores.anomaly import step_means
from jnn.train import Preparation

RECORDING = experiment.synthetic_recording()


@pytest.mark.parametrize("model", ["forecaster", "autoencoder"])
def test_what_is_tested_does_not_change_what_is_learned_from(model):
    config, tested = experiment.Config(smoke=True, model=model), RECORDING.under_test
    other = RECORDING._replace(
        values=np.where(tested, -7.0, RECORDING.values), anomalous=RECORDING.anomalous ^ tested
    )
    a, b = (experiment.detector(config).windows(recording) for recording in (RECORDING, other))
    jax.tree.map(np.testing.assert_array_equal, (a.train, a.validation), (b.train, b.validation))
    np.testing.assert_array_equal(a.x[~tested], b.x[~tested])
    assert np.abs(a.x - b.x).max() > 1


@pytest.mark.parametrize("model", ["forecaster", "autoencoder"])
def test_no_window_holds_a_known_event(model):
    config = experiment.Config(smoke=True, model=model, data="machine_temperature")
    marked = np.where(RECORDING.anomalous, 1e6, RECORDING.values)
    data = experiment.detector(config).windows(RECORDING._replace(values=marked))
    for part in (data.train, data.validation):
        assert all(np.abs(array).max() < 10 for array in part.values())


def test_the_threshold_depends_on_times_that_no_event_reaches():
    config = experiment.Config(smoke=True, quantile=0.5)
    clean = RECORDING.clean
    near = np.convolve(~clean, np.ones(experiment.detector(config).reach))[: len(clean)] > 0
    score = np.where(near, 1e6, np.arange(len(clean)) % 7)
    assert experiment.judge_of(config, RECORDING).threshold(score) == 3


def test_a_setting_that_is_asked_for_is_kept_where_another_suits():
    config = experiment.Config(
        model="forecaster", cleaning=0.0, noise=0.0, dropout=0.0, weight_decay=0.0
    )
    assert (config.cleaning, config.noise, config.dropout, config.weight_decay) == (0, 0, 0, 0)
    assert (config.length, config.horizon, config.epochs) == (24, 1, 40)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"length": 24, "every": 5}, "length=24, every=5, expected whole steps"),
        ({"horizon": -1}, "horizon=-1, expected an integer >= 1"),
        ({"quantile": 1.0}, r"quantile=1.0, expected a fraction in \(0, 1\)"),
        ({"dropout": 0.3}, "dropout=0.3 for an autoencoder"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, message):
    with pytest.raises(JnnError, match=message):
        dataclasses.replace(experiment.Config(), **settings)


@pytest.mark.parametrize(("model", "every"), [("forecaster", 1), ("autoencoder", 4)])
def test_a_run_answers_windows_in_the_unit_of_the_sensor(model, every):
    """What `jnn.load` predicts, by what is saved with a run, is what the network is trained for."""
    settings = {"members": 2, "width": 4, "latent": 3, "length": 8, "every": every}
    config = experiment.Config(smoke=True, model=model, **settings)
    scaling = Scaling(np.array([50.0]), np.array([4.0]))
    window = jax.ShapeDtypeStruct((8, 1), np.float32)
    preparation = Preparation(window, scaling=scaling, target=scaling)
    predictor = experiment.predictor(config, preparation)
    network, example = experiment.describe(config)
    rng = np.random.default_rng(0)
    shapes = jax.eval_shape(network.init, jax.random.key(0), example)
    draw = lambda leaf: rng.normal(size=leaf.shape).astype(np.float32)
    params, state = jax.tree.map(draw, shapes)
    loaded = Loaded(predictor, params, state, config, window, preparation)
    raw = rng.normal(50, 4, (3, 8, 1))
    steps = step_means(((raw - 50) / 4).astype(np.float32), every)
    y = np.mean(jax.jit(network.apply)(params, state, steps)[0], axis=0)
    expected = steps[:, -1] + y[:, -1] if model == "forecaster" else y
    answer = loaded.predict(raw)
    np.testing.assert_allclose(answer, 50 + 4 * expected, rtol=1e-5)  # float32
    with pytest.raises(JnnError, match=r"shape \(7, 1\), expected windows \(\.\.\., 8, 1\)"):
        loaded.predict(raw[0, 1:])
