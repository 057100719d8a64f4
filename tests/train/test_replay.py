"""A step of a run, made again with its bits."""

import dataclasses
import json
import math
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnn
from jnn.checkpoints import Checkpoints
from jnn.cli import main
from jnn.errors import Diverged, JnnError
from jnn.runs import Run, RunOptions
from jnn.train import Task, TrainingConfig, in_memory, seed_key, train
from jnn.train.replay import cause, inside, not_as_logged, replay
from jnn.train.step import objective_key
from tests.train.same import assert_same_bits

RNG = np.random.default_rng(0)
X = RNG.standard_normal((40, 3)).astype(np.float32)
Y = np.sin(X[:, :1])
CONFIG = TrainingConfig(epochs=3, batch_size=8, learning_rate=1e-2)
MODEL = jnn.chain(hidden=jnn.dense(8), act=jnp.tanh, drop=jnn.dropout(0.3), out=jnn.dense(1))


def task(bad_from=None):
    """Regression with dropout and noise; with ``bad_from`` a square root of a negative number from
    that step on, which the data has a counter for.
    """
    arrays = {"x": X, "y": Y}

    def objective(params, state, batch, key):
        noise, key = jax.random.split(key)
        x = batch["x"] + 0.1 * jax.random.normal(noise, batch["x"].shape)
        y, state = MODEL.apply(params, state, x, key=key, train=True)
        loss = jnp.mean((y - batch["y"]) ** 2)
        if bad_from is not None:
            with jax.named_scope("planted"):
                loss = loss + jnp.sqrt(jnp.where(jnp.any(batch["bad"]), -1 - loss, 1.0))
        return loss, (state, {})

    feed = in_memory(arrays, 8)
    if bad_from is not None:
        draw = feed.batch_of
        add = lambda data, key, step: {
            **draw(data, key, step),
            "bad": jnp.full(8, step >= bad_from),
        }
        feed = feed._replace(batch_of=add)
    return Task(MODEL, objective, feed, X[0])


def run_of(tmp_path, config, *, bad_from=None):
    """A run, its last train state, and the metrics of each step."""
    options = RunOptions(quiet=True)
    with Run.create("noisy", config, out=tmp_path / "run", options=options) as run:
        fitted = train(task(bad_from), config, seed_key(config.seed), run)
    rows = (tmp_path / "run/metrics.jsonl").read_text().splitlines()
    return fitted, {row["step"]: row for row in map(json.loads, rows)}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a run, for tests that leave it as it is."""
    folder = tmp_path_factory.mktemp("whole")
    run_of(folder, CONFIG)
    return folder / "run"


@pytest.mark.parametrize(
    "settings",
    [
        {},
        pytest.param({"accumulate": 2}, marks=pytest.mark.slow),
        pytest.param({"mesh": "data=2"}, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_each_step_has_the_bits_that_the_run_had(tmp_path, settings):
    config = dataclasses.replace(CONFIG, **settings)
    fitted, rows = run_of(tmp_path, config)
    steps = config.epochs * task().feed.steps_per_epoch
    for step in (7, steps):
        replayed = replay(task(), config, tmp_path / "run", step)
        expected = {name: rows[step][f"train/{name}"] for name in replayed.metrics}
        assert replayed.metrics == expected
        assert int(replayed.after.step) == step
        assert not replayed.bad_leaf
    assert_same_bits(replayed.after, fitted.train_state)
    drawn = task().feed
    key = jnn.child_key(replayed.before.key, "batches")
    assert_same_bits(replayed.batch, drawn.batch_of(drawn.data, key, jnp.int32(steps - 1)))


@pytest.mark.slow
def test_the_last_checkpoint_before_the_step_is_where_it_begins(tmp_path, whole):
    shutil.copytree(whole, tmp_path / "run", ignore=shutil.ignore_patterns("checkpoints"))
    at_start = replay(task(), CONFIG, tmp_path / "run", 9)
    assert at_start.since == 0
    middle = replay(task(), CONFIG, tmp_path / "run", 6)
    with Checkpoints(tmp_path / "run/checkpoints", keep=9) as checkpoints:
        checkpoints.save(6, (middle.after, ()), {})
    from_middle = replay(task(), CONFIG, tmp_path / "run", 9)
    assert from_middle.since == 6
    assert_same_bits(from_middle.after, at_start.after)


@pytest.mark.slow
def test_what_is_inside_belongs_to_the_step(whole):
    replayed = replay(task(), CONFIG, whole, 5)
    gradient, values = inside(task(), CONFIG, replayed)
    squares = sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(gradient))
    np.testing.assert_allclose(jnp.sqrt(squares), replayed.metrics["gradient_norm"], rtol=1e-5)
    assert list(values) == ["hidden/output", "act/output", "drop/output", "out/output"]
    dropped = np.mean(np.asarray(values["drop/output"]) == 0)
    assert 0.1 < dropped < 0.5


@pytest.mark.slow
def test_a_step_is_compared_with_the_log_where_that_has_it_alone(whole):
    replayed = replay(task(), CONFIG, whole, 4)
    value = replayed.metrics["loss"]
    row = lambda step, loss: {"step": step, "train/loss": loss}
    assert not_as_logged([row(3, 1.0), row(4, value)], replayed) == ""
    mean = [row(2, 1.0), {"step": 3, "test": 0}, row(4, 2.0)]
    assert not_as_logged(mean, replayed) == ""
    assert not_as_logged([row(1, 1.0), row(8, 2.0)], replayed) == ""
    other = f"train/loss is {value:.9g}, the log has 2"
    assert not_as_logged([row(3, 1.0), row(4, 2.0)], replayed) == other
    evaluated = lambda step: {"step": step, "train/accuracy": 0.5}  # on the training data
    logged = [row(3, 1.0), evaluated(3), row(4, 2.0), evaluated(4)]
    assert not_as_logged(logged, replayed) == other
    assert not_as_logged([row(1, 1.0), evaluated(3), row(4, 2.0)], replayed) == ""
    first = replay(task(), CONFIG, whole, 1)
    assert not_as_logged([row(1, 2.0)], first)


def seeing_task():
    """A task whose objective tags its draws, and a state that counts."""
    model = jnn.chain(hidden=jnn.dense(3), out=jnn.dense(1))

    def objective(params, state, batch, key):
        x = batch["x"] + jnn.tag(jax.random.normal(key, batch["x"].shape), "noise")
        y = model.apply(params, {}, x)[0]
        total = jnn.tag(jnp.sum(x), "sum of the part")
        errors = jnn.tag((y - batch["y"]) ** 2, "losses")
        return jnp.mean(errors), (state, {"sum": total})

    return Task(model, objective, in_memory({"x": X, "y": Y}, 8), X[0])


@pytest.mark.parametrize(
    "settings",
    [
        {"accumulate": 2},
        pytest.param({"devices": 2}, marks=pytest.mark.slow),
        pytest.param({"devices": 2, "accumulate": 2}, marks=pytest.mark.slow),
        pytest.param({"untrained": "hidden/.*"}, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_parts_of_a_batch_have_the_draws_that_they_had_in_the_run(tmp_path, settings):
    """The metrics of the run are those of what is shown inside."""
    counts = {name: n for name, n in settings.items() if name != "untrained"}
    config, parts = dataclasses.replace(CONFIG, **counts), math.prod(counts.values())
    whole = seeing_task()._replace(untrained=settings.get("untrained", ""))
    replayed = replay(whole, config, tmp_path, 3)
    gradient, values = inside(whole, config, replayed)
    assert values["noise"].shape == (8, 3)
    assert values["sum of the part"].shape == ((parts,) if parts > 1 else ())
    np.testing.assert_allclose(np.mean(values["losses"]), replayed.metrics["loss"], rtol=1e-5)
    total = np.mean(values["sum of the part"])
    np.testing.assert_allclose(total, replayed.metrics["sum"], rtol=1e-5)
    np.testing.assert_allclose(
        np.sum(values["noise"]) + np.sum(replayed.batch["x"]), parts * total, rtol=1e-4
    )
    squares = sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(gradient))
    np.testing.assert_allclose(jnp.sqrt(squares), replayed.metrics["gradient_norm"], rtol=1e-5)


def test_the_cause_may_lie_in_a_part_of_the_batch_and_in_the_update(tmp_path):
    """One part's draws alone are bad, and params that overflow by a finite gradient."""
    config = dataclasses.replace(CONFIG, accumulate=2, optimizer="sgd")
    plain = seeing_task()

    def in_a_part(params, state, batch, key):
        loss, aux = plain.objective(params, state, batch, key)
        draw = jax.random.uniform(key)
        with jax.named_scope("planted"):
            return loss + 0 * jnp.log(jnp.where(draw < least, 0.0, 1.0)), aux

    key = objective_key(replay(plain, config, tmp_path, 1).before)
    draws = [float(jax.random.uniform(jax.random.fold_in(key, i))) for i in range(2)]
    least = sum(draws) / 2  # between the draws of the two parts
    bad = plain._replace(objective=in_a_part)
    replayed = replay(bad, config, tmp_path, 1)
    assert replayed.bad_leaf == "loss"
    origin = cause(bad, config, replayed)
    assert (origin.operation, origin.path) == ("log", "planted")
    far = dataclasses.replace(config, learning_rate=1e38, schedule="constant", warmup=0.0)
    steep = plain._replace(
        objective=lambda params, *rest: (1e3 * plain.objective(params, *rest)[0], ({}, {}))
    )
    replayed = replay(steep, far, tmp_path, 1)
    assert replayed.bad_leaf.startswith("params of ")
    assert cause(steep, far, replayed).operation == "mul"


def test_the_cause_of_a_divergence_is_named(tmp_path):
    with pytest.raises(Diverged):
        run_of(tmp_path, CONFIG, bad_from=6)
    replayed = replay(task(6), CONFIG, tmp_path / "run", 7)
    assert replayed.bad_leaf == "loss"
    origin = cause(task(6), CONFIG, replayed)
    assert (origin.kind, origin.operation, origin.path) == ("NaN", "sqrt", "planted")
    assert origin.source.startswith("test_replay.py:")
    assert not replay(task(6), CONFIG, tmp_path / "run", 6).bad_leaf


@pytest.mark.slow
def test_a_skipped_update_is_skipped_again(tmp_path):
    config = dataclasses.replace(CONFIG, skip_bad=3)
    steps = config.epochs * task().feed.steps_per_epoch
    fitted, _ = run_of(tmp_path, config, bad_from=steps - 2)
    replayed = replay(task(steps - 2), config, tmp_path / "run", steps)
    assert replayed.bad_leaf == "loss"
    assert_same_bits(replayed.after.params, fitted.train_state.params)


@pytest.mark.parametrize(
    ("step", "message"),
    [(0, "step"), (16, "replay: got step 16, expected 1 to 15"), (2.5, "step")],
)
def test_a_step_that_the_run_has_not_is_refused(tmp_path, step, message):
    with pytest.raises(JnnError, match=message):
        replay(task(), CONFIG, tmp_path, step)


@pytest.mark.slow
def test_a_step_from_the_command_line(tmp_path, capsys):
    run = str(tmp_path / "run")
    words = ["run", "text_generation", "--smoke", "--offline", "--quiet", "--out", run]
    assert main(words) == 0
    rows = (tmp_path / "run/metrics.jsonl").read_text().splitlines()
    row = next(row for row in map(json.loads, rows) if row["step"] == 9)
    capsys.readouterr()
    assert main(["replay", run, "--step", "9", "--offline", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["loss"] == row["train/loss"]
    assert report["not_as_logged"] == ""
    file = str(tmp_path / "step.npz")
    assert main(["replay", run, "--step", "9", "--capture", "layer0/output", "--out", file]) == 0
    said = capsys.readouterr().out
    assert "captured/layer0/output" in said
    assert "captured/out/output" not in said
    with np.load(file) as arrays:
        assert arrays["captured/layer0/output"].shape[0] == arrays["batch/tokens"].shape[0]
    assert main(["replay", run, "--step", "9", "--capture", "nothing"]) == 2
    assert "--capture: got nothing, expected the ends of paths among" in capsys.readouterr().err
