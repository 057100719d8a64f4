"""A run that trains low-rank additions to the params that another run kept."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnn
from jnn.checkpoints import Checkpoints
from jnn.data.splits import from_arrays
from jnn.errors import JnnError
from jnn.runs import Run, RunOptions
from jnn.runs.loading import kept
from jnn.tasks import supervised
from jnn.train import FineTuningConfig, seed_key, start, train
from jnn.train.additions import with_additions
from jnn.train.moments import kept_moments
from jnn.train.replay import replay
from jnn.train.transfer import transferred

QUIET = RunOptions(quiet=True)
X = np.random.default_rng(0).standard_normal((40, 3)).astype(np.float32)
SPLITS = from_arrays({"features": X, "label": (X[:, 0] > 0).astype(np.int32)})
CONSTANT = {"schedule": "constant", "warmup": 0.0, "weight_decay": 0.5, "epochs": 1}
BODY = {"lora": 2, "lora_paths": "body/kernel", "paths": "(body|norm)/.*"}


def task_of(outputs=2):
    model = jnn.chain(body=jnn.dense(4), norm=jnn.batch_norm(), head=jnn.dense(outputs))
    return supervised(model, SPLITS, batch_size=8)


def begun(folder, old, *, lora, lora_paths, paths):
    """A new run of additions, not trained yet, and its settings."""
    settings = {"lora": lora, "lora_paths": lora_paths, "adapted_run": str(old)}
    config = FineTuningConfig(batch_size=8, **CONSTANT, **settings)
    return Run.create("new", config, out=folder, start=old, paths=paths, options=QUIET), config


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The folders of a run and of one that has trained additions, and what both learned."""
    root = tmp_path_factory.mktemp("runs")
    learned = jax.jit(task_of().model.init)(jax.random.key(9), jnp.ones(3))
    with (
        Run.create("old", FineTuningConfig(), out=root / "old", options=QUIET) as run,
        Checkpoints(run.checkpoints) as checkpoints,
    ):
        checkpoints.save(1, ((), learned), {})
    run, config = begun(root / "new", root / "old", **BODY)
    with run:
        fitted = train(task_of(), config, seed_key(0), run)
    return root, learned, fitted, config


def assert_equal(tree, other):
    jax.tree.map(np.testing.assert_array_equal, tree, other)


@pytest.mark.slow
def test_additions_and_what_is_drawn_are_trained_and_the_other_params_are_not(runs):
    _, (learned, _), fitted, _ = runs
    base, added = fitted.train_state.params["base"], fitted.train_state.params["lora"]
    assert_equal([base["body"], base["norm"]], [learned["body"], learned["norm"]])
    drawn = start(task_of(), FineTuningConfig(), seed_key(0))[0].params
    assert np.any(base["head"]["kernel"] != drawn["head"]["kernel"])
    assert np.any(added["body"]["kernel"]["up"])
    product = added["body"]["kernel"]["down"] @ added["body"]["kernel"]["up"]
    np.testing.assert_allclose(
        fitted.params["body"]["kernel"], learned["body"]["kernel"] + product, rtol=1e-6
    )


def test_at_first_the_function_is_that_of_the_other_run(runs, tmp_path):
    root, (params, state), _, _ = runs
    run, config = begun(tmp_path / "new", root / "old", lora=1, lora_paths=".*kernel", paths=".*")
    with run:
        task, plain = with_additions(task_of(), config, run.start)
        added, state = transferred(*jax.jit(task.model.init)(jax.random.key(0), X[0]), run)
    ours = jax.jit(task.model.apply)(added, state, X)[0]
    np.testing.assert_array_equal(ours, jax.jit(task_of().model.apply)(params, state, X)[0])
    assert_equal(plain(added), params)


def test_what_is_kept_is_loaded_as_params_of_the_model(runs):
    root, _, fitted, _ = runs
    shapes = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), (fitted.params, fitted.state)
    )
    assert_equal(kept(shapes, root / "new"), (fitted.params, fitted.state))
    part = {"body": {"kernel": shapes[0]["body"]["kernel"]}}
    body = kept((part, {}), root / "new")[0]["body"]["kernel"]
    np.testing.assert_array_equal(body, fitted.params["body"]["kernel"])
    assert len(kept_moments(root / "new", fitted.params, fitted.state)) == 2


def test_a_run_begins_with_one_that_had_additions_with_others_or_none(runs, tmp_path):
    root, _, fitted, _ = runs
    run, _ = begun(tmp_path / "new", root / "new", lora=1, lora_paths="head/kernel", paths=".*")
    added = jnn.lora(task_of().model, 1, "head/kernel")
    drawn = jax.jit(added.init)(jax.random.key(0), jnp.ones(3))
    with run:
        params, state = transferred(*drawn, run)
    assert_equal((params["base"], state), (fitted.params, fitted.state))
    with Run.open(tmp_path / "new", options=QUIET) as run:  # from its own copy
        assert_equal(transferred(*drawn, run)[0], params)
    settings = {"out": tmp_path / "plain", "start": root / "new", "options": QUIET}
    with Run.create("new", FineTuningConfig(), **settings) as run:
        assert_equal(transferred(drawn[0]["base"], drawn[1], run)[0], fitted.params)


@pytest.mark.slow
def test_a_step_is_replayed(runs):
    root, _, fitted, config = runs
    task, _ = with_additions(task_of(), config, {"run": "", "paths": BODY["paths"]})
    with Run.open(root / "new", options=QUIET) as run:
        transfer = lambda *trees: transferred(*trees, run)
        replayed = replay(task, config, run.folder, 3, transfer=transfer)
    assert_equal(replayed.after.params, fitted.train_state.params)


def test_without_a_run_to_begin_with_additions_are_refused():
    with pytest.raises(JnnError, match="lora: got no run to begin with"):
        train(task_of(), FineTuningConfig(lora=2, adapted_run="gone"), seed_key(0))
    with pytest.raises(JnnError, match="adapted_run='old', expected --start RUN and --lora RANK"):
        FineTuningConfig(adapted_run="old")
