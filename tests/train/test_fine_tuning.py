"""Runs that begin with a pretrained model."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jnn import losses
from jnn.checkpoints import Checkpoints
from jnn.errors import JnnError
from jnn.interop import load
from jnn.interop.pretrained import pretrained_decoder
from jnn.runs import Run, RunOptions
from jnn.runs.folders import PRETRAINED
from jnn.tasks import language_model_feed
from jnn.train import FineTuningConfig, Task, seed_key, start
from jnn.train.task import trained_alone
from jnn.train.transfer import transferred
from tests.interop import tiny

QUIET = RunOptions(quiet=True)
TEXT = np.arange(200) % 7


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny.decoder(tmp_path_factory.mktemp("tiny") / "gpt2")


def config_of(folder, **settings):
    constant = {"schedule": "constant", "warmup": 0.0, "weight_decay": 0.5, "epochs": 1}
    return FineTuningConfig(pretrained=str(folder), batch_size=4, **constant, **settings)


def task_of(config):
    pretrained = config.adapted(pretrained_decoder(config.pretrained))

    def objective(params, state, batch, key):
        logits, state = pretrained.model.apply(params, state, batch["tokens"], key=key, train=True)
        return jnp.mean(losses.cross_entropy(logits, batch["targets"])), (state, {})

    feed, example = language_model_feed(TEXT, 8, 4), jax.ShapeDtypeStruct((8,), jnp.int32)
    return Task(pretrained.model, objective, feed, example, pretrained=pretrained)


def begun(config, run=None):
    """The train state before the first step, the step, and a batch."""
    task = task_of(config)
    transfer = partial(transferred, run=run, pretrained=task.pretrained)
    train_state, step = start(task, config, seed_key(0), transfer=transfer)
    batch = task.feed.batch_of(task.feed.data, jax.random.key(1), jnp.int32(0))
    return task, train_state, step, batch


def logits(model, params, state):
    return jax.jit(model.apply)(params, state, TEXT[:8])[0]


def assert_equal(tree, other):
    jax.tree.map(np.testing.assert_array_equal, tree, other)


def test_with_low_rank_additions_the_function_is_that_of_the_folder_and_they_alone_are_trained(
    folder,
):
    given = load(folder)
    task, before, step, batch = begun(config_of(folder, lora=2))
    assert_equal(before.params["base"], given.params)
    ours = logits(task.model, before.params, before.state)
    np.testing.assert_array_equal(ours, logits(given.model, given.params, given.state))
    after, metrics = jax.jit(step)(before, batch)
    assert metrics["gradient_norm"] > 0
    assert metrics["learning_rate"] > 0
    assert_equal(after.params["base"], before.params["base"])  # in spite of weight decay
    adapters = after.params["lora"]["blocks"]["attention"]
    assert set(adapters) == {"query", "value"}
    assert all(np.any(adapter["kernel"]["up"]) for adapter in adapters.values())
    moments = {leaf.shape for leaf in jax.tree.leaves(before.optimizer_state) if leaf.ndim}
    assert moments == {leaf.shape for leaf in jax.tree.leaves(adapters)}


@pytest.mark.slow
def test_frozen_params_stay_and_the_others_are_trained(folder):
    _, before, step, batch = begun(config_of(folder, frozen="blocks/.*"))
    after, _ = jax.jit(step)(before, batch)
    assert_equal(after.params["blocks"], before.params["blocks"])
    assert np.any(after.params["embedding"]["embedding"] != before.params["embedding"]["embedding"])
    with pytest.raises(JnnError, match=r"got 'body/.\*|got '\(body/.\*\)', which matches no path"):
        begun(config_of(folder, frozen="body/.*"))


@pytest.mark.slow
def test_a_run_keeps_what_it_began_with_and_needs_the_folder_no_more(folder, tmp_path):
    config = config_of(folder)
    options = {"out": tmp_path / "run", "options": QUIET}
    with Run.create("new", config, start=folder, paths="blocks/.*", **options) as run:
        task, train_state, *_ = begun(config, run)
        task.pretrained.keep(run.folder)
    given = load(folder).params
    assert_equal(train_state.params["blocks"], given["blocks"])
    drawn = train_state.params["embedding"]["embedding"]
    assert np.any(drawn != given["embedding"]["embedding"])
    with Run.open(tmp_path / "run", options=QUIET) as run:
        again = begun(config_of(run.folder / PRETRAINED), run)[1]  # where no weights are
    assert_equal(again.params, train_state.params)


@pytest.mark.slow  # test_transfer.py has the params of other runs
def test_a_run_begins_with_what_such_a_run_has_learned(folder, tmp_path):
    config, out = config_of(folder), {"options": QUIET}
    learned = jax.tree.map(lambda leaf: leaf + 1, load(folder, dtype="float32").params)
    with (
        Run.create("old", config, start=folder, out=tmp_path / "old", **out) as run,
        Checkpoints(run.checkpoints) as checkpoints,
    ):
        task_of(config).pretrained.keep(run.folder)
        checkpoints.save(1, ((), (learned, {})), {})
    again = config_of(tmp_path / "old" / PRETRAINED)
    with Run.create("new", again, start=tmp_path / "old", out=tmp_path / "new", **out) as run:
        assert_equal(begun(again, run)[1].params, learned)


def test_additions_to_no_model_and_paths_of_none_are_refused():
    with pytest.raises(JnnError, match=r"got lora=4, expected a model to begin with. Give"):
        FineTuningConfig(lora=4)
    with pytest.raises(JnnError, match=r"got lora_paths='.\*', expected --lora RANK"):
        FineTuningConfig(lora_paths=".*")


@pytest.mark.parametrize("paths", ["blocks/(", "a)|(b", "a{99999999999}"])
def test_what_is_no_regular_expression_is_refused_before_a_run_begins(paths):
    with pytest.raises(JnnError, match=r"config: frozen: got '.*, expected a regular expression"):
        FineTuningConfig(frozen=paths)
    with pytest.raises(JnnError, match=r"config: lora_paths: got '.*, expected a regular expr"):
        FineTuningConfig(pretrained="folder", lora=2, lora_paths=paths)


def test_a_model_of_which_nothing_is_trained_is_refused():
    optimizer, _ = trained_alone(optax.sgd(0.1), lambda *_: None, ".*")
    with pytest.raises(JnnError, match=r"frozen: got '\.\*', which matches every path"):
        optimizer.init({"kernel": jnp.ones(2)})
