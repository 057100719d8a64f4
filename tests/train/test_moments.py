"""Params at some moments of a run."""

import jax
import numpy as np
import pytest

import jnn
from jnn.data.splits import from_arrays
from jnn.runs import RunOptions
from jnn.runs.run import Run
from jnn.tasks import supervised
from jnn.train import TrainingConfig, seed_key, train
from jnn.train.moments import FOLDER, epochs_to_keep, kept_moments


@pytest.fixture(scope="module")
def task():
    x = np.random.default_rng(0).standard_normal((64, 3)).astype(np.float32)
    splits = from_arrays({"features": x, "label": (x[:, 0] > 0).astype(np.int32)})
    return supervised(jnn.dense(2), splits, batch_size=16)


def test_a_run_keeps_its_start_and_some_epochs_and_trains_the_same(task, tmp_path):
    config, seen = TrainingConfig(epochs=5), []
    copied = lambda tree: jax.tree.map(np.array, tree)
    note = lambda step, params, state: seen.append((step, copied(params)))
    watched = task._replace(on_evaluate=note)
    with Run.create("test", config, out=tmp_path / "run", options=RunOptions(quiet=True)) as run:
        fitted = train(watched, config, seed_key(0), run)
    alone = train(task, config, seed_key(0), quiet=True)
    assert jax.tree.all(jax.tree.map(np.array_equal, fitted.params, alone.params))
    steps = task.feed.steps_per_epoch
    moments = kept_moments(tmp_path / "run", fitted.params, fitted.state)
    assert [moment.step for moment in moments] == [steps * epoch for epoch in range(6)]
    for (step, params), moment in zip(seen, moments[1:], strict=True):
        flat = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(params)])
        assert step == moment.step
        np.testing.assert_array_equal(moment.values, flat.astype(np.float16))
    assert not kept_moments(tmp_path / "run", {"w": np.zeros(3, np.float32)}, {})
    Run.create("test", config, out=tmp_path / "run", overwrite=True).close()
    assert not (tmp_path / "run" / FOLDER).exists()


@pytest.mark.parametrize("numbers", [1, 1000, 76_000, 200_000, 10**7])
def test_all_moments_together_stay_small(numbers):
    kept = epochs_to_keep(300, numbers)
    assert 2 * numbers * (1 + len(kept)) <= 2_000_000 or not kept
    assert kept == sorted(set(kept))
    assert not kept or kept[-1] == 300
