"""A run that begins with the params that another run kept."""

import dataclasses
import shutil
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnn
from jnn.checkpoints import Checkpoints
from jnn.data.splits import from_arrays
from jnn.errors import JnnError
from jnn.runs import Run, RunOptions
from jnn.tasks import supervised
from jnn.train import TrainingConfig, seed_key, start, train
from jnn.train.transfer import check_fits, transferred

QUIET = RunOptions(quiet=True)
X = np.random.default_rng(0).standard_normal((60, 3)).astype(np.float32)
SPLITS = from_arrays({"features": X, "label": (X[:, 0] > 0).astype(np.int32)})
CONFIG = TrainingConfig(epochs=1, batch_size=8, average_decay=0.5)


def task_of(outputs):
    model = jnn.chain(body=jnn.dense(4), norm=jnn.batch_norm(), head=jnn.dense(outputs))
    return supervised(model, SPLITS, batch_size=8)


@pytest.fixture
def learned(tmp_path):
    """The params and state of a run in ``tmp_path / "old"``."""
    model = task_of(2).model
    drawn = jax.jit(model.init)(jax.random.key(9), jnp.ones(3))
    with (
        Run.create("old", CONFIG, out=tmp_path / "old", options=QUIET) as run,
        Checkpoints(run.checkpoints) as checkpoints,
    ):
        checkpoints.save(1, ((), drawn), {})
    return drawn


def new(tmp_path, **options):
    return Run.create(
        "new", CONFIG, out=tmp_path / "new", start=tmp_path / "old", options=QUIET, **options
    )


def begun(outputs, run):
    return start(task_of(outputs), CONFIG, seed_key(0), transfer=partial(transferred, run=run))[0]


def assert_equal(tree, other):
    jax.tree.map(np.testing.assert_array_equal, tree, other)


def test_all_params_and_state_are_those_of_the_run_and_a_resume_needs_it_no_more(tmp_path, learned):
    with new(tmp_path) as run:
        train_state = begun(2, run)
        assert_equal((train_state.params, train_state.state), learned)
        assert_equal(train_state.average, learned[0])
    shutil.rmtree(tmp_path / "old")
    with Run.open(tmp_path / "new", options=QUIET) as run:
        assert_equal(begun(2, run).params, learned[0])


@pytest.mark.slow
def test_it_trains_and_goes_on_without_the_other_run(tmp_path, learned):
    with new(tmp_path) as run:
        fitted = train(task_of(2), CONFIG, seed_key(0), run)
    shutil.rmtree(tmp_path / "old")
    with Run.open(tmp_path / "new", epochs=2, options=QUIET) as run:
        longer = train(task_of(2), dataclasses.replace(CONFIG, epochs=2), seed_key(0), run)
    assert longer.counts["steps"] == 2 * fitted.counts["steps"]


def test_paths_choose_and_the_others_are_drawn(tmp_path, learned):
    with new(tmp_path, paths="body/.*") as run:
        train_state = begun(5, run)
        again = f"config.json --start {tmp_path / 'old'} --paths 'body/.*'`"
        assert again in (run.folder / "README.md").read_text()
    drawn = start(task_of(5), CONFIG, seed_key(0))[0].params
    assert_equal(train_state.params["body"], learned[0]["body"])
    assert_equal(train_state.params["head"], drawn["head"])


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (".*", r"head/kernel: shape \[4, 2\] in the checkpoint, \[4, 5\] here"),
        ("tail/.*", r"--paths: got 'tail/.\*', which matches no path.*body/kernel"),
        ("body/(", "expected a regular expression"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, learned, paths, message):
    if paths == ".*":
        message += r"(?s:.*)\nOr begin with those that fit alone: --paths .* with [a-z, ]+\.$"
    if paths != "body/(":
        check_fits(task_of(2), CONFIG, tmp_path / "old", ".*")
        check_fits(task_of(5), CONFIG, tmp_path / "old", "body/.*")
        with pytest.raises(JnnError, match=message):
            check_fits(task_of(5), CONFIG, tmp_path / "old", paths)
    with pytest.raises(JnnError, match=message), new(tmp_path, paths=paths) as run:
        begun(5, run)


def test_a_run_does_not_begin_from_what_is_no_run_or_from_itself(tmp_path, learned):
    with pytest.raises(JnnError, match="got no run"):
        Run.create("new", CONFIG, out=tmp_path / "new", start=tmp_path)
    old = tmp_path / "old"
    with pytest.raises(JnnError, match="expected another folder"):
        Run.create("new", CONFIG, out=old, start=old, overwrite=True)
