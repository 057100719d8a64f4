"""stock_prediction: a run answers for days that are new to it as it does in its own test."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import stock_prediction as experiment
from jnn.data.series_splits import walk_forward
from jnn.errors import JnnError
from jnn.loaded import Loaded
from jnn.tasks.return_windows import market_preparation, observed_days, return_windows
from tests.compiled import init

SINGLE = 1e-4  # float32: logarithms of variances that are computed anew


def test_folds_must_be_one_at_least():
    with pytest.raises(JnnError, match="folds=0, expected an integer >= 1"):
        experiment.Config(folds=0)


@pytest.mark.slow
def test_the_answer_for_the_days_up_to_a_test_day_is_the_forecast_of_the_test():
    config = experiment.Config(smoke=True)
    market, (model, example) = experiment.load_data(config), experiment.describe(config)
    fold = walk_forward(len(market.time), folds=config.folds)[-1]
    params, state = init(model, example)
    params = jax.tree.map(lambda leaf: leaf + 0.1, params)  # so that folds and networks differ
    preparation = market_preparation(market, fold, length=experiment.DAYS)
    predictor = experiment.predictor(config, preparation)
    loaded = Loaded(predictor, params, state, config, preparation.example, preparation)
    shapes = jax.eval_shape(predictor.init, jax.random.key(0), loaded.example)[0]
    assert jax.tree.map(jnp.shape, shapes) == jax.tree.map(jnp.shape, params)
    seen = observed_days(market)[:-1]
    answer = loaded.predict(seen)
    test = return_windows(market, fold, "test", length=experiment.DAYS)
    last = test["day"] == len(market.time) - 1
    inputs, deviation = test["inputs"][last], test["deviation"][last]
    inputs = np.repeat(inputs[:, None], config.folds, axis=1)
    forecaster = experiment.forecaster(config)
    moments, _ = jax.jit(lambda *kept: forecaster.forecast(*kept, inputs))(params, state)
    mean = np.mean([m[:, -1, 0] for m, _ in moments.values()], axis=0) * deviation
    variance = np.mean([np.exp(h[:, -1, 0]) for _, h in moments.values()], axis=0) * deviation**2
    np.testing.assert_allclose(answer["mean"], mean, rtol=SINGLE)
    np.testing.assert_allclose(answer["deviation"], np.sqrt(variance), rtol=SINGLE)
    expected = r"shape \(39, 16\), expected 40 days \(\.\.\., T, D\) or more"
    with pytest.raises(JnnError, match=expected):
        loaded.predict(seen[-39:])
