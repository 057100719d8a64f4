"""Forecasts of quantiles, by networks whose outputs are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnn
from jnn.errors import JnnError
from jnn.tasks.quantile_forecaster import QuantileForecaster, change_scales, prepared_forecaster
from tests.compiled import apply, init

RNG = np.random.default_rng(0)
SERIES = RNG.normal([10.0, 0.0], [3.0, 1.0], (60, 2)).astype(np.float32)
HORIZONS, LENGTH = (1, 4), 5
SCALES = change_scales(SERIES, range(40), HORIZONS)
SINGLE = 1e-5  # float32
OUTPUT = jnp.array([0.5, 3.0, -1.0, 2.0, -0.5, 1.0, 7.0, 0.0])  # by horizon: mean, three quantiles


def known(x):
    """The same output at each time, whatever is seen."""
    return jnp.broadcast_to(OUTPUT, (*x.shape[:-1], len(OUTPUT)))


FORECASTER = QuantileForecaster(jnn.ensemble(jnn.chain(known), 2), SCALES, LENGTH)


def test_scales_know_their_part_alone():
    other = SERIES.copy()
    other[40:] += 100
    for found, expected in zip(change_scales(other, range(40), HORIZONS), SCALES, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_forecast_is_the_last_value_and_the_change_in_its_deviation():
    forecasts = FORECASTER.predict({}, {}, {"inputs": SERIES[None]})
    now = SERIES[LENGTH - 1 :, 0]
    for k, (mean, *quantiles) in enumerate(OUTPUT.reshape(2, 4)):
        change = SCALES.change[k]
        np.testing.assert_allclose(
            forecasts["mean"][0, :, k], now + change * mean, rtol=SINGLE, atol=SINGLE
        )
        for found, level in zip(
            np.moveaxis(forecasts["quantiles"][0, :, k], -1, 0), sorted(quantiles), strict=True
        ):
            np.testing.assert_allclose(found, now + change * level, rtol=SINGLE, atol=SINGLE)
    targets = FORECASTER.targets(jnp.asarray(SERIES[None]), forecasts["mean"])
    np.testing.assert_allclose(targets[0], np.tile(OUTPUT[::4], (len(now), 1)), atol=1e-4)


def test_what_a_run_prepares_makes_the_same_forecasts():
    preparation = FORECASTER.preparation(jax.ShapeDtypeStruct((LENGTH, 2), np.float32))
    again = prepared_forecaster(FORECASTER.model, preparation)
    x, _ = preparation.encode(SERIES)
    y, _ = again.predictor().apply({}, {}, x)
    found = preparation.decode({"mean": np.asarray(y["mean"])})
    expected = FORECASTER.predict({}, {}, {"inputs": SERIES[None]})["mean"][0]
    np.testing.assert_allclose(found["mean"], expected, rtol=1e-4)
    with pytest.raises(JnnError, match=r"shape \(4, 2\), expected 5 times"):
        again.predictor().apply({}, {}, x[:4])


def test_changes_come_with_the_state_of_the_members():
    model = jnn.ensemble(jnn.chain(jnn.batch_norm(), known), 2)
    params, state = init(model, SERIES[None])
    forecaster = QuantileForecaster(model, SCALES, LENGTH)
    _, new = forecaster.changes(params, state, SERIES[None], train=True)
    scaled = (SERIES[None] - SCALES.inputs.mean) / SCALES.inputs.deviation
    _, expected = apply(model, params, state, scaled.astype(np.float32), train=True)
    for one, other in zip(jax.tree.leaves(new), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=SINGLE, atol=SINGLE)
