"""Nothing of the future enters scales, training or inputs; baselines are what their names say."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import weather_forecasting as experiment
from jnn.data.sets.synthetic_series import synthetic_weather
from jnn.errors import JnnError
from jnn.explain.lab.inputs import columns_in
from jnn.loaded import Loaded

CONFIG = experiment.Config(smoke=True)
WEATHER = experiment.load_data(CONFIG)
SINGLE = 1e-4  # float32: sums in another order


def changed_after(weather, time):
    inputs = weather.inputs.copy()
    inputs[time:] = 9 * np.random.default_rng(1).standard_normal(inputs[time:].shape)
    return weather._replace(inputs=inputs)


def test_scales_and_training_windows_know_the_training_part_alone():
    split = WEATHER.split
    other = changed_after(WEATHER, split.train.stop)
    for found, expected in (
        [experiment.forecaster(CONFIG, weather).scales for weather in (other, WEATHER)],
        (experiment.windows(other, split.train, 4), experiment.windows(WEATHER, split.train, 4)),
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


@pytest.fixture(scope="module")
def forecaster():
    """The forecaster, params and state of its networks, and its compiled `predict` of inputs."""
    networks = experiment.forecaster(CONFIG, WEATHER)
    params, state = jax.jit(networks.model.init)(
        jax.random.key(0), jnp.ones(experiment.describe(CONFIG)[1].shape)
    )
    predict = lambda inputs: networks.predict(params, state, {"inputs": inputs})
    return networks, params, state, jax.jit(predict)


def test_forecasts_of_an_hour_in_a_sequence_are_those_of_its_window(forecaster):
    """The network is causal, and sees no more than a window has: training on sequences is training
    on windows.
    """
    *_, predict = forecaster
    part = WEATHER.split.validation
    sequence, windows = experiment.windows(WEATHER, part, 8), experiment.windows(WEATHER, part, 1)
    together, alone = predict(sequence["inputs"][:1]), predict(windows["inputs"][:8])
    for name in ("mean", "quantiles"):
        np.testing.assert_allclose(together[name][0], alone[name][:, 0], rtol=SINGLE)
    assert (np.diff(alone["quantiles"], axis=-1) >= 0).all()


def test_a_run_forecasts_in_degrees_from_hours_in_their_own_units(forecaster):
    """What `jnn.load` predicts, by what is saved with a run, is what the run itself tests."""
    networks, params, state, predict = forecaster
    example = experiment.describe(CONFIG)[1]
    preparation = networks.preparation(example)
    model = experiment.predictor(CONFIG, preparation)
    loaded = Loaded(model, params, state, CONFIG, example, preparation)
    inputs = experiment.windows(WEATHER, WEATHER.split.validation, 8)["inputs"][:1]
    expected, found = predict(inputs), loaded.predict(inputs[0])
    np.testing.assert_allclose(found["mean"], expected["mean"][0], rtol=SINGLE)
    quantiles = np.swapaxes(found["quantiles"], -1, -2)
    np.testing.assert_allclose(quantiles, expected["quantiles"][0], rtol=SINGLE)
    with pytest.raises(JnnError, match=r"got shape \(47, 19\), expected 48 times"):
        loaded.predict(inputs[0, :47])


@pytest.mark.slow
def test_each_column_has_the_name_that_a_lab_shows():
    columns = columns_in(WEATHER, WEATHER.inputs.shape[1])
    series = synthetic_weather()
    value = dict(zip(columns, WEATHER.inputs.T, strict=True))
    np.testing.assert_allclose(value["pressure"], series.column("pressure"), rtol=SINGLE)
    np.testing.assert_allclose(value["calm wind"], series.column("calm"), rtol=SINGLE)
    noon = np.flatnonzero(series.time.astype("datetime64[h]").astype(int) % 24 == 12)
    np.testing.assert_allclose(value["cosine of the day, 1"][noon], -1, rtol=SINGLE)


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
