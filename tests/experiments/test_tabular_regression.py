"""Settings that suit the data, and predictions in the units of the target."""

import numpy as np
import sklearn.metrics

from experiments import tabular_regression as experiment
from jnn.train import seed_key, start

SINGLE = 1e-5  # float32 against float64: sums over a hundred examples


def test_a_setting_of_zero_is_not_taken_for_none():
    config = experiment.Config(data="diabetes", dropout=0.0, weight_decay=0.0)
    assert (config.dropout, config.weight_decay) == (0, 0)
    assert (config.hidden, config.epochs) == (experiment.NETWORKS["diabetes"]["hidden"], 60)


def test_the_error_is_that_of_the_mean_over_members_in_units_of_the_target():
    config = experiment.Config(data="diamonds", smoke=True, members=2, hidden=(4,), pieces=3)
    splits = experiment.load_data(config)
    task = experiment.task(config, splits)
    train_state, _ = start(task, config, seed_key(0))
    params, state, y = train_state.params, train_state.state, splits.train["target"]
    ends = np.quantile(splits.train["features"], [0, 1 / 3, 2 / 3, 1], axis=0)
    x = splits.test["features"][:, None]
    pieces = np.clip((x - ends[:-1]) / np.diff(ends, axis=0), 0, 1).reshape(len(x), -1)
    standardized, _ = task.model.apply(params, state, pieces.astype(np.float32))
    expected = sklearn.metrics.root_mean_squared_error(
        splits.test["target"], np.mean(standardized, axis=0)[:, 0] * y.std() + y.mean()
    )
    np.testing.assert_allclose(task.test(params, state)["test/rmse"], expected, rtol=SINGLE)
