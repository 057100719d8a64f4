"""The training loop: the one place where training touches the world.

    while steps remain:
        read data, where it streams
        make some steps in one dispatch, a pure function of (train state, data, how many)
        stop if a number is not finite
        every so often: log, evaluate, keep the best, save a checkpoint
        stop, with a checkpoint, if asked to by a signal

Everything else is a pure function that is written elsewhere: the update in `jnn.train.step`, the
batches in `jnn.train.feed`. Copy this file when your loop is another one.
"""

import dataclasses
import math
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jnn.errors import mistake
from jnn.model import child_key
from jnn.runs.run import Run
from jnn.train.devices import beside, on_one
from jnn.train.feed import Feed
from jnn.train.recorder import Recorder
from jnn.train.signals import stop_signals
from jnn.train.state import TrainState
from jnn.train.step import Step, leaf_names, make_steps

Evaluate = Callable[[Any, Any], Mapping[str, Any]]
"""``(params, state) -> {"validation/accuracy": ...}``"""

OnEvaluate = Callable[[int, Any, Any], None]
"""``(step, params, state)``: keeps something of the params at this step, such as a picture of what
they make.
"""

PATIENT = 0.2  # seconds of a dispatch, so that signals and progress are not kept waiting


class Fitted(NamedTuple):
    """What training made: the last train state, and the params and state that were best where a
    metric was watched.
    """

    train_state: TrainState
    params: Any
    state: Any
    history: list[dict[str, Any]]
    ledger: "Ledger"

    @property
    def counts(self) -> dict[str, int]:
        """How many parameters were trained, in how many steps."""
        return {
            "parameters": sum(leaf.size for leaf in jax.tree.leaves(self.params)),
            "steps": int(self.train_state.step),
        }


@dataclasses.dataclass
class Ledger:
    """What the loop remembers beside the train state; JSON, saved with it."""

    best: float | None = None
    best_step: int = 0
    worse: int = 0
    """Evaluations since the best one."""
    skipped: int = 0
    """Steps whose update was not finite and was left out."""
    window: dict[str, list[float]] = dataclasses.field(default_factory=dict)
    """Metrics of the steps since the last log."""
    done: bool = False
    """Whether patience ended training before ``planned`` steps were made."""
    planned: int = 0

    @classmethod
    def from_json(cls, host: dict[str, Any]) -> "Ledger":
        """The ledger that was saved."""
        return cls(**host)

    def gather(self, row: dict[str, float]) -> None:
        """Add the metrics of a step to the window."""
        for name, value in row.items():
            self.window.setdefault(name, []).append(value)

    def means(self) -> dict[str, float]:
        """The mean of each metric over the window, which starts anew; the learning rate is that of
        the last step.
        """
        row = {
            f"train/{name}": values[-1] if name == "learning_rate" else sum(values) / len(values)
            for name, values in self.window.items()
        }
        self.window = {}
        return row

    def judge(self, at: int, value: float, *, lowest: bool, patience: int) -> bool:
        """Whether the params of this step are to be kept.

        They are where ``value`` is the best so far, or equal to it: of equals the later one, which
        was trained longer. A value that is not finite never wins. Training is done after
        ``patience`` evaluations in a row that brought no better value, if that is not 0.
        """
        if not math.isfinite(value):
            better = equal = False
        else:
            better = self.best is None or (value < self.best if lowest else value > self.best)
            equal = value == self.best
        self.worse = 0 if better else self.worse + 1
        self.done = bool(patience) and self.worse >= patience
        if better or equal:
            self.best, self.best_step = value, at
        return better or equal


def fit(
    step: Step,
    train_state: TrainState,
    feed: Feed,
    *,
    epochs: int,
    evaluate: Evaluate | None = None,
    on_evaluate: OnEvaluate | None = None,
    best: str | None = None,
    lowest: bool = False,
    patience: int = 0,
    skip_bad: int = 0,
    log_every: int | None = None,
    evaluate_every: int | None = None,
    checkpoint_every: float = 20.0,
    run: Run | None = None,
    quiet: bool = False,
) -> Fitted:
    """Train for ``epochs`` epochs of ``feed``; with ``run``, log and save to its folder, and go on
    from its last checkpoint.

    ``step``              ``(train_state, batch) -> train_state, metrics``, as
                          `jnn.train.make_step` makes it
    ``evaluate``          ``(params, state) -> {"validation/accuracy": ...}``, called every
                          ``evaluate_every`` steps (an epoch) and at the end, with the moving
                          average of params where there is one
    ``on_evaluate``       ``(step, params, state)``, called at the same steps, to keep something of
                          these params; after a resume again for the steps since the last
                          checkpoint, so that what it writes must depend on its arguments alone
    ``best``              the metric of ``evaluate`` by which the best params are kept: the highest,
                          or with ``lowest`` the lowest; of equals the later ones. A run's summary
                          says which were kept
    ``patience``          stop after so many evaluations without a new best; 0 for never
    ``skip_bad``          updates that are not finite and may be skipped before training counts as
                          diverged
    ``log_every``         steps between two rows of training metrics, means over these steps (a
                          tenth of an epoch)
    ``checkpoint_every``  seconds between two checkpoints; when they are made changes nothing in the
                          run
    ``quiet``             show no progress; a run says itself whether it is quiet

    Raises `Diverged` where a loss, gradient, param or state is not finite, with the last good state
    saved, and `Interrupted` after SIGINT or SIGTERM, with a checkpoint saved. Both leave a run that
    ``jnn resume`` continues bit for bit.
    """
    if patience and best is None:
        raise mistake(
            "fit",
            got=f"patience={patience} and no best",
            expected="a metric to be patient about, such as best='validation/loss'",
        )
    steps = epochs * feed.steps_per_epoch
    log_every = log_every or max(1, feed.steps_per_epoch // 10)
    evaluate_every = evaluate_every or feed.steps_per_epoch

    with stop_signals() as stop, Recorder(run, feed, quiet=quiet) as recorder:
        train_state, kept, ledger = _begin(train_state, bool(best), steps, recorder)
        at, pace, saved = int(train_state.step), 1, time.perf_counter()
        feed = beside(train_state, feed)
        with recorder.start(at, steps).compiling("the training step"):
            dispatch = _compiled(step, feed, train_state)
        data = feed.read(child_key(train_state.key, "batches"), at)
        while at < steps and not ledger.done:
            started, count = time.perf_counter(), min(pace, steps - at)
            if evaluate or on_evaluate:
                count = min(count, evaluate_every - at % evaluate_every)
            train_state, metrics = dispatch(train_state, next(data), jnp.int32(count))
            rows, trouble = _read(jax.device_get(metrics), train_state)
            seconds = time.perf_counter() - started
            pace = _next_pace(pace, seconds, feed.most_steps)
            recorder.stepped(at + len(rows), len(rows), seconds, rows[-1] if rows else {})
            at = _log(rows, at, log_every, ledger, recorder)
            if trouble:
                train_state = _leave_out(train_state, trouble, ledger, skip_bad, recorder, kept)
                at = _log([{}], at, log_every, ledger, recorder)
            is_time = at % evaluate_every == 0 or at == steps
            if on_evaluate and is_time:
                on_evaluate(at, *_guess(train_state))
            if evaluate and is_time:
                values = evaluate(*_guess(train_state))
                recorder.row(at, values)
                if best and ledger.judge(
                    at, _watched(values, best), lowest=lowest, patience=patience
                ):
                    kept = _copy(_guess(train_state))
            ending = at == steps or ledger.done
            recorder.line(at, last=ending)
            if ending or stop.signum or time.perf_counter() - saved >= checkpoint_every:
                recorder.save(at, (train_state, kept), ledger)
                saved = time.perf_counter()
            if stop.signum:
                recorder.interrupted(stop.signum)
    if ledger.best is None:  # nothing was watched, or nothing finite was seen
        kept = _guess(train_state)
    elif run and best:
        run.kept = kept_by(best, lowest, ledger.best_step, ledger.best)
    params, state = kept
    return Fitted(train_state, params, state, recorder.rows, ledger)


def kept_by(metric: str, lowest: bool, step: int, value: float) -> dict[str, Any]:
    """By which metric and at which step params were kept, as the summary of a run says it."""
    direction = "lowest" if lowest else "highest"
    return {"metric": metric, "direction": direction, "step": step, "value": value}


def _begin(
    train_state: TrainState, keep_best: bool, steps: int, recorder: Recorder
) -> tuple[TrainState, Any, Ledger]:
    """The train state, the best params and state so far, and the ledger.

    They are those of the last checkpoint, or of the start. A run that patience ended and that is
    now to make another number of ``steps`` goes on, with its patience renewed.
    """
    train_state = _copy(train_state)
    kept = _copy(_guess(train_state)) if keep_best else ()
    ledger = Ledger(planned=steps)
    if restored := recorder.restore((train_state, kept)):
        (train_state, kept), ledger = restored.tree, Ledger.from_json(restored.host)
        if ledger.done and ledger.planned != steps:
            recorder.say(f"Patience ended training at step {int(train_state.step):,}; it goes on.")
            ledger.done, ledger.worse = False, 0
        ledger.planned = steps
    return train_state, kept, ledger


def _guess(train_state: TrainState) -> tuple[Any, Any]:
    """The params to predict with, and the state, on one device."""
    return on_one((train_state.best_guess, train_state.state))


def _compiled(step: Step, feed: Feed, train_state: TrainState) -> Callable:
    """``(train_state, data, count) -> train_state, metrics``: up to ``feed.most_steps`` steps; the
    train state is donated.
    """
    home = (
        jax.tree.map(lambda leaf: leaf.sharding, train_state)
        if len(train_state.step.devices()) > 1
        else None
    )
    steps = jax.jit(
        make_steps(step, feed.batch_of, feed.most_steps),
        donate_argnums=0,
        out_shardings=(home, None),
    )
    return steps.lower(train_state, feed.data, jnp.int32(1)).compile()


def _next_pace(pace: int, seconds: float, most: int) -> int:
    """The steps of the next dispatch, after one of ``pace`` steps took ``seconds``."""
    if seconds > PATIENT:
        return max(pace // 2, 1)
    return min(2 * pace, most) if seconds < PATIENT / 2 else pace


def _log(
    rows: list[dict[str, float]], at: int, every: int, ledger: Ledger, recorder: Recorder
) -> int:
    """Log the steps after ``at``, a row of metrics each, as means over ``every`` steps; returns the
    last one.
    """
    for row in rows:
        at += 1
        ledger.gather(row)
        if at % every == 0:
            recorder.row(at, ledger.means())
    return at


def _copy(tree: Any) -> Any:
    """A copy that donation leaves alone."""
    return jax.tree.map(jnp.copy, tree)


def _read(
    metrics: dict[str, Any], train_state: TrainState
) -> tuple[list[dict[str, float]], dict[str, Any]]:
    """The metrics of each step taken, and what happened in the one, if any, that was not finite."""
    metrics = dict(metrics)
    taken, finite, leaf = (
        int(metrics.pop("taken").sum()),
        metrics.pop("finite"),
        metrics.pop("bad_leaf"),
    )
    rows = [{name: float(values[i]) for name, values in metrics.items()} for i in range(taken)]
    if taken and not finite[taken - 1]:
        return rows[:-1], {**rows[-1], "leaf": leaf_names(train_state)[leaf[taken - 1]]}
    return rows, {}


def _leave_out(
    train_state: TrainState,
    trouble: dict[str, Any],
    ledger: Ledger,
    allowed: int,
    recorder: Recorder,
    kept: Any,
) -> TrainState:
    """Count the step whose update was not finite as made without it, or give up, with the last good
    state saved.
    """
    at = int(train_state.step)
    numbers = ", ".join(f"{name} {value:.4g}" for name, value in trouble.items() if name != "leaf")
    message = (
        f"Step {at} is not finite; the first bad value is in the {trouble['leaf']} ({numbers})."
    )
    if ledger.skipped >= allowed:
        recorder.save(at, (train_state, kept), ledger)
        recorder.diverged(at, message)
    ledger.skipped += 1
    recorder.say(f"{message} Its update is left out ({ledger.skipped} of at most {allowed}).")
    return train_state._replace(step=train_state.step + 1)


def _watched(values: Mapping[str, Any], best: str) -> float:
    if best not in values:
        raise mistake(
            "fit",
            got=f"best={best!r}",
            expected=f"a metric that evaluate returns: {', '.join(values)}",
        )
    return float(values[best])
