"""Nothing of the weather to come enters what is learned or seen, and the baselines are what their
names say.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import weather_forecasting as experiment

CONFIG = experiment.Config(smoke=True)
WEATHER = experiment.load_data(CONFIG)


def changed_after(weather, time):
    inputs = weather.inputs.copy()
    inputs[time:] = 9 * np.random.default_rng(1).standard_normal(inputs[time:].shape)
    return weather._replace(inputs=inputs)


def test_scales_training_windows_and_climatology_know_the_training_part_alone():
    split = WEATHER.split
    other = changed_after(WEATHER, split.train.stop)
    for found, expected in (
        (experiment.fit_scales(other), experiment.fit_scales(WEATHER)),
        (experiment.windows(other, split.train, 4), experiment.windows(WEATHER, split.train, 4)),
        (experiment.climatology(other), experiment.climatology(WEATHER)),
    ):
        jax.tree.map(np.testing.assert_array_equal, found, expected)


def test_what_is_seen_ends_at_the_origin():
    test = experiment.windows(WEATHER, WEATHER.split.test, 1)
    now = int(test["origin"][40])
    other = experiment.windows(changed_after(WEATHER, now + 1), WEATHER.split.test, 1)
    np.testing.assert_array_equal(other["inputs"][:41], test["inputs"][:41])
    assert (other["targets"][40] != test["targets"][40]).all()
    assert test["inputs"].shape[1] == experiment.HOURS
    assert test["origin"][0] + 1 == WEATHER.split.test.start


def test_forecasts_of_an_hour_in_a_sequence_are_those_of_its_window():
    """The network is causal, and sees no more than a window has: training on sequences is training
    on windows.
    """
    model, scales = experiment.build_model(CONFIG), experiment.fit_scales(WEATHER)
    params, state = jax.jit(model.init)(
        jax.random.key(0), jnp.ones(experiment.describe(CONFIG)[1].shape)
    )
    part = WEATHER.split.validation
    sequence, windows = experiment.windows(WEATHER, part, 8), experiment.windows(WEATHER, part, 1)
    predict = jax.jit(
        lambda inputs: experiment.predict(scales, model, params, state, {"inputs": inputs})
    )
    together, alone = predict(sequence["inputs"][:1]), predict(windows["inputs"][:8])
    for name in ("mean", "quantiles"):
        # float32: sums in another order
        np.testing.assert_allclose(together[name][0], alone[name][:, 0], rtol=1e-4)
    assert (np.diff(alone["quantiles"], axis=-1) >= 0).all()


def test_metrics_are_those_of_numpy():
    rng = np.random.default_rng(0)
    targets, mean = rng.normal(size=(6, 2, 3)), rng.normal(size=(6, 2, 3))
    quantiles = np.sort(rng.normal(size=(6, 2, 3, 5)), axis=-1)
    scales = experiment.Scales(experiment.fit_scales(WEATHER).inputs, np.array([1.0, 2.0, 4.0]))
    metric = experiment.measures(scales)
    found = {"mean": jnp.asarray(mean), "quantiles": jnp.asarray(quantiles)}
    values = metric.compute(
        metric.measure(found, jnp.asarray(targets), jnp.array([1.0, 1, 1, 1, 0, 0]))
    )
    squares = np.mean((mean - targets)[:4] ** 2, axis=(0, 1))
    within = np.mean(
        ((quantiles[..., 0] <= targets) & (targets <= quantiles[..., -1]))[:4], axis=(0, 1)
    )
    for k, horizon in enumerate(experiment.HORIZONS):
        np.testing.assert_allclose(values[f"rmse_{horizon}h"], np.sqrt(squares[k]), rtol=1e-6)
        np.testing.assert_allclose(values[f"coverage_{horizon}h"], within[k], rtol=1e-6)
    np.testing.assert_allclose(values["mse"], np.mean(squares / np.array([1, 4, 16])), rtol=1e-6)


def test_the_same_hour_of_yesterday_is_persistence_a_day_ahead():
    found = experiment.baselines(
        CONFIG, WEATHER, experiment.windows(WEATHER, WEATHER.split.test, 1)
    )
    assert found["same hour yesterday"][-1] == found["persistence"][-1]
    assert found["persistence"][0] == pytest.approx(
        np.sqrt(np.mean(np.diff(_tested()) ** 2)), rel=1e-5
    )


def _tested():
    """The temperatures from the first origin to the first target of the last one."""
    test = WEATHER.split.test
    return WEATHER.inputs[test.start - 1 : test.stop - max(experiment.HORIZONS) + 1, 0]


def test_the_clock_turns_once_a_day_and_once_a_year():
    time = np.datetime64("2012-01-01T00") + np.arange(366 * 24)
    found = experiment.clock(time)
    np.testing.assert_allclose(found[:24, :4], found[24:48, :4], atol=1e-12)
    np.testing.assert_allclose(found[6, :2], [1, 0], atol=1e-12)
    assert np.ptp(found[:, 4]) > 1.99
    assert np.abs(np.diff(found[:, 4:], axis=0)).max() < 0.01
