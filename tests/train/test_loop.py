"""The loop: logs, the best params, early stopping, guards, and a run that is cut anywhere and
resumed to the same bits.
"""

import dataclasses
import functools
import math
import signal

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jnn
from jnn.errors import Diverged, Interrupted, JnnError
from jnn.layers.batch_normalization import batch_norm
from jnn.layers.dropout import dropout
from jnn.runs import Run, RunOptions
from jnn.tasks.text_feeds import bucketed
from jnn.train import fit, in_memory, init_train_state, make_step, seed_key
from jnn.train.loop import compiled
from jnn.train.state import TrainState
from jnn.train.step import batches_key
from tests.train.same import assert_same_bits

MODEL = jnn.chain(batch_norm(), dropout(0.2), jnn.dense(1))  # small: each run lowers it anew
RNG = np.random.default_rng(0)
DATA = {"x": RNG.standard_normal((50, 3)).astype(np.float32)}
DATA["y"] = np.sin(DATA["x"][:, :1])


@dataclasses.dataclass(frozen=True)
class Config:
    """What a run needs of a config."""

    seed: int = 0
    epochs: int = 4


def objective(params, state, batch, key):
    y, state = MODEL.apply(params, state, batch["x"], key=key, train=True)
    return jnp.mean((y - batch["y"]) ** 2), (state, {"size": jnp.mean(jnp.abs(y))})


@functools.cache
def started(rate=1e-2, loss=objective):
    """The first train state and the step, which is traced once for all runs."""
    optimizer = optax.adam(rate)
    train_state = init_train_state(seed_key(0), MODEL, optimizer, jnp.ones(3))
    return train_state, jax.jit(make_step(loss, optimizer))


def train(run=None, *, data=DATA, rate=1e-2, evaluate=None, train_state=None, **options):
    first, step = started(rate)
    settings = {"epochs": 4, "best": "validation/loss", "lowest": True, "log_every": 3, **options}
    return fit(
        step,
        train_state or first,
        in_memory(data, 8),
        evaluate=evaluate or losses,
        run=run,
        **settings,
    )


@jax.jit
def mean_loss(params, state):
    return jnp.mean((MODEL.apply(params, state, DATA["x"])[0] - DATA["y"]) ** 2)


def losses(params, state):
    return {"validation/loss": float(mean_loss(params, state))}


def start(folder, **options):
    return Run.create("test", Config(), out=folder, options=RunOptions(quiet=True), **options)


def test_rows_are_means_over_their_steps_and_evaluations_stand_beside_them():
    fitted = train(epochs=2)
    steps = [row["step"] for row in fitted.history if "train/loss" in row]
    assert steps == [3, 6, 9, 12]
    assert {"train/loss", "train/size", "train/gradient_norm"} <= set(fitted.history[0])
    assert [row["step"] for row in fitted.history if "validation/loss" in row] == [6, 12]


def test_an_epoch_of_few_steps_is_warned_of(capsys):
    few = {name: array[:20] for name, array in DATA.items()}
    fitted = train(data=few, epochs=1)
    expected = "An epoch has only 2 steps (20 examples, batch_size 8): choose a smaller batch_size"
    assert expected in capsys.readouterr().err
    assert "2 steps, best" in repr(fitted)
    train(epochs=1)
    assert "An epoch has only" not in capsys.readouterr().err


def test_quiet_prints_nothing_but_a_loss_is_still_logged(capsys):
    few = {name: array[:20] for name, array in DATA.items()}
    assert train(data=few, epochs=2, quiet=True, log_every=1).history
    assert capsys.readouterr() == ("", "")


def test_the_best_params_are_kept():
    fitted = train(rate=0.3)
    scores = [
        (row["validation/loss"], row["step"]) for row in fitted.history if "validation/loss" in row
    ]
    assert (fitted.ledger.best, fitted.ledger.best_step) == min(scores)
    assert losses(fitted.params, fitted.state)["validation/loss"] == min(scores)[0]


def test_training_stops_when_patience_ends(capsys):
    worse = iter(range(100))
    fitted = train(
        epochs=50,
        patience=3,
        evaluate=lambda params, state: {"validation/loss": float(next(worse))},
    )
    assert int(fitted.train_state.step) == 4 * 6
    assert fitted.ledger.best_step == 6
    early = "Training stopped early at step 24: 3 evaluations without a better validation/loss.\n"
    assert capsys.readouterr().err.endswith(early)


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("values", "lowest", "step"),
    [
        ([math.nan, 0.3, 0.4, 0.5], True, 12),  # what is not finite never wins
        ([math.inf, 0.3, math.nan, 0.2], True, 24),
        ([-math.inf, 0.3, math.inf, 0.2], False, 12),
        ([0.5, 0.9, 0.9, 0.8], False, 18),  # of equals the later, which was trained longer
        ([0.9, 0.9, 0.9, 0.9], True, 24),
    ],
)
def test_the_step_that_is_kept(values, lowest, step):
    scores = iter(values)
    trained = train(evaluate=lambda params, state: {"validation/loss": next(scores)}, lowest=lowest)
    assert trained.ledger.best_step == step


def test_the_last_params_are_kept_where_no_evaluation_is_finite():
    trained = train(epochs=2, evaluate=lambda params, state: {"validation/loss": math.nan})
    assert trained.ledger.best is None
    assert_same_bits(trained.params, trained.train_state.params)


def test_equal_evaluations_do_not_renew_patience():
    trained = train(epochs=50, patience=3, evaluate=lambda params, state: {"validation/loss": 0.5})
    assert int(trained.train_state.step) == 4 * 6
    assert trained.ledger.best_step == 4 * 6


@pytest.mark.slow
def test_a_run_that_patience_ended_goes_on_with_more_epochs(tmp_path):
    worse = lambda: iter(range(100))

    def go_on(run, epochs, values):
        evaluate = lambda params, state: {"validation/loss": float(next(values))}
        return train(run, epochs=epochs, patience=2, evaluate=evaluate)

    with start(tmp_path / "run") as run:
        assert int(go_on(run, 10, worse()).train_state.step) == 3 * 6
    options = RunOptions(quiet=True)
    with Run.open(tmp_path / "run", options=options) as run:  # nothing more was asked for
        assert int(go_on(run, 10, worse()).train_state.step) == 3 * 6
    with Run.open(tmp_path / "run", epochs=15, options=options) as run:
        assert int(go_on(run, 15, iter([5.0] * 20)).train_state.step) == 5 * 6
    assert (
        "Training stopped early at step 18 (patience); it continues."
        in (tmp_path / "run/log.txt").read_text()
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nothing disturbed, and its log."""
    folder = tmp_path_factory.mktemp("whole")
    with start(folder / "run") as run:
        return train(run, checkpoint_every=0.0), (folder / "run/metrics.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("cut", "kind"),
    [
        pytest.param(3, Interrupted, marks=pytest.mark.slow),
        (13, Interrupted),
        pytest.param(6, KeyError, marks=pytest.mark.slow),
        pytest.param(23, KeyError, marks=pytest.mark.slow),
    ],
)
def test_a_run_that_was_cut_ends_in_the_same_bits(tmp_path, whole, cut, kind):
    expected, log = whole
    with pytest.raises(kind), start(tmp_path / "cut") as run:
        write = run.metrics.write

        def cutting(step, values):
            write(step, values)
            if step < cut:
                return
            run.metrics.write = write
            if kind is KeyError:
                raise KeyError("whatever ends a process between two checkpoints")
            signal.raise_signal(signal.SIGTERM)

        run.metrics.write = cutting
        train(run, checkpoint_every=0.0)
    with Run.open(tmp_path / "cut", options=RunOptions(quiet=True)) as run:
        resumed = train(run, checkpoint_every=0.0)
    assert_same_bits(
        (resumed.train_state, resumed.params, resumed.state),
        (expected.train_state, expected.params, expected.state),
    )
    assert resumed.history == expected.history
    assert (tmp_path / "cut/metrics.jsonl").read_bytes() == log
    assert dataclasses.asdict(resumed.ledger) == dataclasses.asdict(expected.ledger)


def test_more_epochs_go_on_from_the_end(tmp_path, whole):
    with start(tmp_path / "short") as run:
        train(run, epochs=2)
    with Run.open(tmp_path / "short", epochs=4, options=RunOptions(quiet=True)) as run:
        longer = train(run, epochs=4)
    assert_same_bits(longer.train_state, whole[0].train_state)
    assert longer.history == whole[0].history


def test_rows_that_are_logged_during_training_stay_in_a_resumed_run(tmp_path):
    def own(run):
        return lambda at, params, state: run.metrics.write(at, {"own": 1.0 * at})

    with start(tmp_path / "whole") as run:
        train(run, epochs=4, on_evaluate=own(run))
    with start(tmp_path / "cut") as run:
        train(run, epochs=2, on_evaluate=own(run))
    with Run.open(tmp_path / "cut", epochs=4, options=RunOptions(quiet=True)) as run:
        train(run, epochs=4, on_evaluate=own(run))
    rows = [(tmp_path / name / "metrics.jsonl").read_text() for name in ("whole", "cut")]
    assert rows[0] == rows[1]
    assert rows[0].count('"own"') == 4


def test_a_second_training_in_a_run_is_not_taken_for_the_first(tmp_path, whole):
    with start(tmp_path / "run") as run:
        train_state = train(run, epochs=2).train_state
        run.metrics.write(12, {"own": 1.0})
        rows = run.metrics.rows()
        with pytest.raises(JnnError, match="state of step 0 in a run that was trained to step 12"):
            train(run, epochs=4)
        assert run.metrics.rows() == rows
        longer = train(run, epochs=4, train_state=train_state)
    assert_same_bits(longer.train_state, whole[0].train_state)
    assert longer.history == whole[0].history


@functools.cache
def spoiled(*bad_steps):
    """The objective, with a loss that is NaN at some steps: the state counts them."""

    def spoil(params, state, batch, key):
        bad = jnp.any(batch["number"][0] == jnp.array(bad_steps))
        loss, aux = objective(params, state, batch, key)
        return jnp.where(bad, jnp.nan, loss), aux

    return spoil


def numbered():
    """A feed whose batches are all of the data with the number of the step."""
    feed = in_memory(DATA, 8)
    return feed._replace(
        batch_of=lambda data, key, step: {
            **feed.batch_of(data, key, step),
            "number": jnp.full((1,), step),
        }
    )


def train_spoiled(bad_steps, run=None, **options):
    train_state, step = started(loss=spoiled(*bad_steps))
    return fit(
        step,
        train_state,
        numbered(),
        epochs=2,
        log_every=3,
        run=run,
        **options,
    )


def test_a_loss_that_is_not_finite_ends_the_run_with_its_last_good_state_saved(tmp_path):
    with pytest.raises(Diverged) as raised, start(tmp_path / "run") as run:
        train_spoiled([7], run)
    message = str(raised.value)
    assert "Step 8 is not finite; the first bad value is in the loss (" in message
    assert "The gradient norm was" in message
    assert f"jnn resume {tmp_path / 'run'} ends at this step again" in message
    assert "Try a smaller learning rate" in message
    assert (tmp_path / "run/checkpoints/7").is_dir()
    assert '"diverged"' in (tmp_path / "run/status.json").read_text()


@pytest.mark.parametrize(
    ("spoil", "advice"),
    [
        (lambda data: data["x"].__setitem__((slice(None), 0), np.nan), "x in rows 0, 1, 2, 3, 4"),
        (
            lambda data: data["label"].__iadd__(1),
            "look at the data: label has 1 to 2, the largest in row",
        ),
        (
            lambda data: data["label"].__setitem__(0, 5),
            r"Step [1-4] .* look at the data of this step, where label has 0 to 5, the largest in",
        ),
    ],
    ids=["NaN", "labels from 1", "a label of its own"],
)
def test_data_that_cannot_be_learned_from_is_named(spoil, advice):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((40, 3)).astype(np.float32)
    data = {"x": x, "label": (x[:, 0] > 0).astype(np.int32)}
    spoil(data)
    model, optimizer = jnn.dense(2), optax.sgd(0.1)

    def objective(params, state, batch, key):
        logits, _ = model.apply(params, state, batch["x"])
        return jnp.mean(jnn.losses.cross_entropy(logits, batch["label"])), (state, {})

    train_state = init_train_state(seed_key(0), model, optimizer, jnp.ones(3))
    with pytest.raises(Diverged, match=advice):
        fit(make_step(objective, optimizer), train_state, in_memory(data, 8), epochs=1, quiet=True)


def test_bad_updates_may_be_left_out(capsys):
    fitted = train_spoiled([2, 7], skip_bad=2)
    assert int(fitted.train_state.step) == 12
    assert fitted.ledger.skipped == 2
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(fitted.params))
    assert "Its update is skipped (2 of at most 2)." in capsys.readouterr().err
    with pytest.raises(Diverged):
        train_spoiled([2, 7], skip_bad=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"best": None, "patience": 2},
            "fit: got patience=2 and no best, expected the metric that patience applies to",
        ),
        ({"patience": "2"}, "fit: got patience='2', expected an integer >= 0"),
        ({"epochs": 1.5}, r"fit: got epochs=1\.5, expected an integer >= 0"),
        ({"skip_bad": -1}, "fit: got skip_bad=-1, expected an integer >= 0"),
        ({"log_every": 2.5}, r"fit: got log_every=2\.5, expected an integer >= 0"),
        ({"evaluate_every": -2}, "fit: got evaluate_every=-2, expected an integer >= 0"),
        *(
            ({"evaluate": lambda params, state, value=value: value}, "fit: got evaluate that ret")
            for value in (0.5, None, {"validation/loss": jnp.ones(3)}, {"validation/loss": "low"})
        ),
        (
            {"evaluate": lambda params, state: {"validation/loss": 0.5, "step": 7}},
            "fit: got a metric 'step' of evaluate, expected another name",
        ),
        (
            {"evaluate": lambda params, state: {"validation/loss": 0.5, "train/loss": 0.5}},
            "fit: got a metric 'train/loss' of evaluate, expected another name: training logs th",
        ),
        (
            {"best": "validation/accuracy"},
            "fit: got best='validation/accuracy', expected a metric that evaluate returns: "
            "validation/loss",
        ),
    ],
)
def test_what_cannot_be_watched_is_refused(options, message):
    with pytest.raises(JnnError, match=message):
        train(**{"epochs": 1} | options)


def test_a_metric_of_the_objective_that_is_no_number_is_refused():
    def several(params, state, batch, key):
        loss, (state, _) = objective(params, state, batch, key)
        return loss, (state, {"of_classes": jnp.ones(3)})

    train_state, step = started(loss=several)
    message = r"fit: got a metric 'of_classes' of shape \(3,\) from the objective, expected one num"
    with pytest.raises(JnnError, match=message):
        fit(step, train_state, in_memory(DATA, 8), epochs=1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"step": None}, r"step=None, expected a function .* Make it with make_step\."),
        ({"train_state": {}}, r"train_state of type dict, expected a TrainState, .*init_train_"),
        ({"feed": DATA}, r"feed of type dict, expected a Feed, such as in_memory\("),
        ({"run": "runs/a"}, r"run of type str, expected a Run, such as Run\.create\("),
        ({"evaluate": {"validation/loss": 0.3}}, r"evaluate=.*, expected a function \(params, sta"),
        ({"evaluate": lambda params: {}}, r"evaluate\(params\), expected a function \(params, st"),
        ({"on_evaluate": "samples"}, r"on_evaluate='samples', expected a function \(step, params"),
    ],
)
def test_arguments_of_another_kind_are_refused(change, message):
    train_state, step = started()
    right = {"step": step, "train_state": train_state, "feed": in_memory(DATA, 8)}
    with pytest.raises(JnnError, match=f"fit: got {message}"):
        fit(**(right | change), epochs=1)


def test_a_best_that_nothing_evaluates_is_refused():
    train_state, step = started()
    with pytest.raises(JnnError, match="fit: got best='validation/loss' and no evaluate, expected"):
        fit(step, train_state, in_memory(DATA, 8), epochs=1, best="validation/loss", patience=2)


def test_another_config_or_other_data_is_refused(tmp_path):
    with start(tmp_path / "run") as run:
        train(run, epochs=1)
    other = {**DATA, "y": DATA["y"] + 1}
    with (
        pytest.raises(JnnError, match="sha256"),
        Run.open(tmp_path / "run", options=RunOptions(quiet=True)) as run,
    ):
        train(run, epochs=1, data=other)


def test_donation_leaves_the_callers_state_alone():
    train_state, step = started()
    before = jax.tree.map(np.array, train_state.params)
    fit(step, train_state, in_memory(DATA, 8), epochs=1)
    jax.tree.map(np.testing.assert_array_equal, train_state.params, before)


def test_on_evaluate_gets_the_params_of_each_epoch_and_changes_nothing(tmp_path):
    seen = {}

    def keep(at, params, state):
        seen[at] = losses(params, state)["validation/loss"]

    with start(tmp_path / "looked") as run:
        looked = train(run, on_evaluate=keep)
    plain = train()
    assert_same_bits(looked.train_state, plain.train_state)
    assert seen == {
        row["step"]: row["validation/loss"] for row in plain.history if "validation/loss" in row
    }
    seen.clear()
    train_state, step = started()
    fit(step, train_state, in_memory(DATA, 8), epochs=2, on_evaluate=keep)
    assert list(seen) == [6, 12]


@pytest.mark.parametrize("kind", ["in_memory", "bucketed", "by a function"])
@pytest.mark.parametrize("impl", ["threefry2x32", "rbg"])
def test_a_dispatch_takes_the_batches_of_its_feed(kind, impl):
    """However the program gets them: as indices that the host draws, or of the key."""
    numbers = {"n": np.arange(50, dtype=np.int32)}
    mask = np.arange(4) < 1 + np.arange(50)[:, None] % 4
    feed = bucketed({**numbers, "mask": mask}, (2, 4), 8) if kind == "bucketed" else None
    feed = feed or in_memory(numbers, 8)
    if kind == "by a function":
        feed = feed._replace(batch_of=lambda data, key, step: {"n": jnp.full(8, step)})
    train_state = TrainState(jnp.int32(0), {}, {}, (), jax.random.key(5, impl=impl))

    def step(train_state, batch):
        metrics = {"finite": jnp.array(True), "n": batch["n"]}
        return train_state._replace(step=train_state.step + 1), metrics

    dispatch, seen = compiled(step, feed, train_state), []
    for count in (1, 5, 30):
        train_state, metrics = dispatch(train_state, feed.data, count)
        assert metrics["taken"].sum() == count
        seen.extend(metrics["n"][:count])
    batch_of = jax.jit(lambda at: feed.batch_of(feed.data, batches_key(train_state), at)["n"])
    assert np.array_equal(seen, [batch_of(jnp.int32(at)) for at in range(36)])
