"""Forecasts of returns, by networks whose state changes in training."""

import jax
import jax.numpy as jnp
import numpy as np

import jnn
from jnn.tasks.return_forecaster import ReturnForecaster
from jnn.tasks.return_windows import FEATURES
from tests.compiled import apply, init

SINGLE = 1e-5  # float32: means of a few numbers


def test_forecasts_come_with_the_state_of_the_networks():
    network = jnn.chain(jnn.batch_norm(), lambda x: x[..., :2])
    model = jnn.ensemble(jnn.parallel(one=network), 2, x_axis=0)
    forecaster = ReturnForecaster(model, folds=2, length=3)
    inputs = np.random.default_rng(0).normal(3, 2, size=(5, 2, 4, FEATURES)).astype(np.float32)
    params, state = init(model, forecaster.example)
    _, new = forecaster.forecast(params, state, inputs, train=True)
    _, expected = apply(model, params, state, jnp.moveaxis(inputs, 1, 0), train=True)
    assert jax.tree.leaves(new)
    for one, other in zip(jax.tree.leaves(new), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=SINGLE, atol=SINGLE)
