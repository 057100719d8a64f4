"""The training loop: the one place where training touches the world.

    while steps remain:
        read data, if it is streamed
        take some steps in one dispatch, a pure function of (train state, data, number of steps)
        stop if a value is not finite
        at intervals: log, evaluate, keep the best params, save a checkpoint
        on a signal: save a checkpoint and stop

Everything else is a pure function defined elsewhere: the update in `jnn.train.step`, the batches in
`jnn.train.feed`. For a different loop, copy this file.
"""

import contextlib
import dataclasses
import math
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jnn import threefry
from jnn.data.batches import take
from jnn.errors import JnnError, check_function, check_type, mistake
from jnn.integers import check_integer
from jnn.processes import Together, here
from jnn.runs.run import Run
from jnn.sharding import gathered, whole
from jnn.train.compilation import compiler_options, lowering_for_all_cores
from jnn.train.devices import on_devices_of, on_one
from jnn.train.evaluate import evaluated
from jnn.train.feed import ByIndices, Feed
from jnn.train.recorder import Recorder
from jnn.train.signals import stop_signals
from jnn.train.state import TrainState
from jnn.train.step import Step, batches_key, leaf_names, make_steps

Evaluate = Callable[[Any, Any], Mapping[str, Any]]
"""``(params, state) -> {"validation/accuracy": ...}``"""

OnEvaluate = Callable[[int, Any, Any], None]
"""``(step, params, state)``: records something of the params at this step, such as samples."""

FEW_STEPS = 5  # an epoch with fewer is warned of: schedules and evaluations count epochs
PATIENT = 0.2  # most seconds of a dispatch, so that signals and progress need not wait


class Fitted(NamedTuple):
    """The result of training.

    ``params`` and ``state`` are the best by the monitored metric, or the last ones without such a
    metric; ``train_state`` is the last.
    """

    train_state: TrainState
    params: Any
    state: Any
    history: list[dict[str, Any]]
    ledger: "Ledger"

    def __repr__(self) -> str:
        """The counts, the best evaluation where there is one, and the last row."""
        counts, best, last = self.counts, "", self.history[-1:]
        if self.ledger.best is not None:
            best = f", best {self.ledger.best:.4g} at step {self.ledger.best_step:,}"
        return (
            f"<Fitted {counts['parameters']:,} parameters, {counts['steps']:,} steps{best}, "
            f"last row {dict(last[0]) if last else 'none'}>"
        )

    @property
    def counts(self) -> dict[str, int]:
        """How many parameters were trained, in how many steps."""
        return {
            "parameters": sum(leaf.size for leaf in jax.tree.leaves(self.params)),
            "steps": int(self.train_state.step),
        }


@dataclasses.dataclass
class Ledger:
    """What the loop keeps besides the train state: JSON values, saved with it."""

    best: float | None = None
    best_step: int = 0
    worse: int = 0
    """Evaluations since the best one."""
    skipped: int = 0
    """Steps whose update was not finite and was skipped."""
    window: dict[str, list[float]] = dataclasses.field(default_factory=dict)
    """Metrics of the steps since the last log."""
    done: bool = False
    """Whether training stopped early, before ``planned`` steps, when patience ran out."""
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
        """The mean of each metric over the window, which is then emptied.

        The learning rate is that of the last step.
        """
        row = {
            f"train/{name}": values[-1] if name == "learning_rate" else sum(values) / len(values)
            for name, values in self.window.items()
        }
        self.window = {}
        return row

    def judge(self, at: int, value: float, *, lowest: bool, patience: int) -> bool:
        """Whether to keep the params of this step.

        They are kept if ``value`` is the best so far or equal to it: of equal ones the later, which
        was trained longer. A value that is not finite is never kept. Training is done after
        ``patience`` evaluations in a row without a better value, if ``patience`` is not 0.
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
    """Train for ``epochs`` epochs of ``feed``.

    With ``run``, log and save to its folder, and continue from its last checkpoint.

    ``step``              ``(train_state, batch) -> train_state, metrics``, as
                          `jnn.train.make_step` makes it; it counts each update by one in
                          ``train_state.step``, by which batches are chosen
    ``evaluate``          ``(params, state) -> {"validation/accuracy": ...}``, called every
                          ``evaluate_every`` steps (an epoch) and at the end, with the moving
                          average of params where there is one. The next step takes the memory of
                          these params: keep copies, as ``jax.tree.map(jnp.copy, params)``
    ``on_evaluate``       ``(step, params, state)``, called at the same steps, to record something
                          of these params, whole on one device; called again after a resume for
                          the steps since the last checkpoint, so what it writes must depend on
                          its arguments alone
    ``best``              the metric of ``evaluate`` by which the best params are kept: the highest,
                          or with ``lowest`` the lowest; of equal ones the later. A run's summary
                          says which were kept
    ``patience``          stop after this many evaluations without a new best; 0 for never
    ``skip_bad``          how many updates that are not finite may be skipped before training counts
                          as diverged
    ``log_every``         steps between two rows of training metrics, which are means over these
                          steps (default: a tenth of an epoch)
    ``checkpoint_every``  seconds between two checkpoints; does not affect the result of the run
    ``quiet``             show no progress; a run has its own option for this

    Raises `Diverged` where a loss, gradient, param or state is not finite, with the last good state
    saved, and `Interrupted` after SIGINT or SIGTERM, with a checkpoint saved. After both,
    ``jnn resume`` continues the run bit for bit. Raises `JnnError` where an earlier call has
    trained in this run, unless this one goes on from the ``train_state`` that it returned.
    """
    counts = {"epochs": epochs, "patience": patience, "skip_bad": skip_bad}
    counts |= {"log_every": log_every or 0, "evaluate_every": evaluate_every or 0}
    _check_arguments(step, train_state, feed, run, evaluate, on_evaluate, best, counts)
    steps = epochs * feed.steps_per_epoch
    log_every = log_every or max(1, feed.steps_per_epoch // 10)
    evaluate_every = evaluate_every or feed.steps_per_epoch
    processes = here()
    together = Together(processes)

    with stop_signals() as stop, Recorder(run, feed, quiet=quiet) as recorder:
        train_state, kept, ledger = _begin(train_state, bool(best), steps, recorder)
        at, pace, saved = int(train_state.step), 1, time.perf_counter()
        feed = on_devices_of(train_state, feed)
        if feed.steps_per_epoch < FEW_STEPS and not (run and run.config.get("smoke")):
            recorder.say(_few_steps(feed))
        with recorder.start(at, steps).compiling("the training step"):
            dispatch = compiled(step, feed, train_state)
        key = batches_key(train_state)
        data = feed.read(key, at)
        while at < steps and not ledger.done:
            started, count = time.perf_counter(), min(pace, steps - at)
            if evaluate or on_evaluate:
                count = min(count, evaluate_every - at % evaluate_every)
            piece = next(data)
            train_state, metrics = dispatch(train_state, piece, count)
            rows, trouble = _read(jax.device_get(metrics), train_state)
            seconds = time.perf_counter() - started
            pace = _next_pace(pace, count, seconds, feed.most_steps)
            recorder.stepped(at + len(rows), len(rows), seconds, rows[-1] if rows else {})
            at = _log(rows, at, log_every, ledger, recorder)
            if trouble:
                batch = partial(feed.batch_of, piece, key, jnp.int32(at))
                train_state = _skip(train_state, trouble, ledger, skip_bad, recorder, kept, batch)
                at = _log([{}], at, log_every, ledger, recorder)
            is_time = at % evaluate_every == 0 or at == steps
            with recorder.evaluating() if is_time else contextlib.nullcontext():
                if on_evaluate and is_time:
                    on_evaluate(at, *gathered(_guess(train_state)))
                if evaluate and is_time:
                    values = evaluated(evaluate, *_guess(train_state))
                    values = processes.told(partial(_floats, values))  # others may round otherwise
                    of_training = {f"train/{name}" for name in metrics}
                    check_metrics("fit", "evaluate", values, best, of_training)
                    recorder.row(at, values)
                    if best and ledger.judge(at, values[best], lowest=lowest, patience=patience):
                        kept = _copy(_guess(train_state))
            ending = at == steps or ledger.done
            recorder.line(at, last=ending)
            is_due = time.perf_counter() - saved >= checkpoint_every
            pace, is_due, signum = together.decide(pace, is_due, stop.signum, at_once=is_time)
            if ending or signum or is_due:
                recorder.save(at, (train_state, kept), ledger)
                saved = time.perf_counter()
            if signum:
                recorder.interrupted(signum)
        if at < steps:
            count = f"{ledger.worse} evaluation{'s' * (ledger.worse > 1)}"
            recorder.say(f"Training stopped early at step {at:,}: {count} without a better {best}.")
    if run:
        run.trained = at
    if ledger.best is None:  # no metric is monitored, or none was finite
        kept = _guess(train_state)
    elif run and best:
        run.kept = kept_by(best, lowest, ledger.best_step, ledger.best)
    params, state = kept
    return Fitted(train_state, params, state, recorder.rows, ledger)


def _check_arguments(
    step: Step,
    train_state: TrainState,
    feed: Feed,
    run: Run | None,
    evaluate: Evaluate | None,
    on_evaluate: OnEvaluate | None,
    best: str | None,
    counts: Mapping[str, int],
) -> None:
    """Refuse arguments of other types or signatures, and a metric that nothing measures."""
    remedy = "Make it with make_step."
    check_function("fit", "step", step, "(train_state, batch) -> train_state, metrics", remedy)
    check_type("fit", "train_state", train_state, TrainState, "init_train_state(...)")
    check_type("fit", "feed", feed, Feed, "in_memory(arrays, batch_size)")
    if run is not None:
        check_type("fit", "run", run, Run, "Run.create(name, config)")
    if evaluate is not None:
        check_function("fit", "evaluate", evaluate, "(params, state) -> metrics")
    if on_evaluate is not None:
        check_function("fit", "on_evaluate", on_evaluate, "(step, params, state)")
    for name, value in counts.items():
        check_integer("fit", name, value, least=0)
    if counts["patience"] and best is None:
        raise mistake(
            "fit",
            got=f"patience={counts['patience']} and no best",
            expected="the metric that patience applies to, such as best='validation/loss'",
        )
    if best is not None and evaluate is None:
        got, expected = f"best={best!r} and no evaluate", "the function that returns this metric"
        raise mistake("fit", got=got, expected=expected)


def _few_steps(feed: Feed) -> str:
    """The warning of an epoch with few steps, and what to do."""
    steps, identity = feed.steps_per_epoch, feed.identity
    of = ""
    if {"examples", "batch_size"} <= identity.keys():
        of = f" ({identity['examples']:,} examples, batch_size {identity['batch_size']:,})"
    return (
        f"An epoch has only {steps} step{'s' * (steps > 1)}{of}: choose a smaller batch_size, or "
        "more epochs."
    )


def kept_by(metric: str, lowest: bool, step: int, value: float) -> dict[str, Any]:
    """By which metric and at which step params were kept, for the summary of a run."""
    direction = "lowest" if lowest else "highest"
    return {"metric": metric, "direction": direction, "step": step, "value": value}


def _begin(
    train_state: TrainState, keep_best: bool, steps: int, recorder: Recorder
) -> tuple[TrainState, Any, Ledger]:
    """The train state, the best params and state so far, and the ledger.

    They are those of the last checkpoint, or of the start. A run that stopped early and is resumed
    with another number of ``steps`` continues, with its patience reset.
    """
    began = int(train_state.step)
    trained = recorder.run.trained if recorder.run else None
    if trained not in (None, began):  # before rows are dropped
        raise _second(began, trained)
    train_state = _copy(train_state)
    kept = _copy(_guess(train_state)) if keep_best else ()
    ledger = Ledger(planned=steps)
    if restored := recorder.restore((train_state, kept)):
        (train_state, kept), ledger = restored.tree, Ledger.from_json(restored.host)
        if ledger.done and ledger.planned != steps:
            at = int(train_state.step)
            recorder.say(f"Training stopped early at step {at:,} (patience); it continues.")
            ledger.done, ledger.worse = False, 0
        ledger.planned = steps
    return train_state, kept, ledger


def _second(began: int, trained: int) -> JnnError:
    """The error for another training in a run, which would be taken for the first one resumed."""
    return mistake(
        "fit",
        got=f"a train state of step {began:,} in a run that was trained to step {trained:,}",
        expected="the train_state that the earlier call returned, to go on with it",
        remedy="For another training, give one of the two no run, or a Run.create of its own.",
    )


def _guess(train_state: TrainState) -> tuple[Any, Any]:
    """The params to predict with, and the state, on one device."""
    return on_one((train_state.best_guess, train_state.state))


def compiled(step: Step, feed: Feed, train_state: TrainState) -> Callable:
    """``(train_state, data, count) -> train_state, metrics``: up to ``feed.most_steps`` steps.

    The train state is donated, and keeps its sharding over several devices.
    """
    sharding, of_metrics = None, None
    if len(train_state.step.devices()) > 1:
        sharding = jax.tree.map(lambda leaf: leaf.sharding, train_state)
    if not train_state.step.is_fully_addressable:  # each process reads all metrics
        of_metrics = train_state.step.sharding
    draw, batch_of = _batches(feed, batches_key(train_state))

    def many(train_state: TrainState, data: Any, drawn: jax.Array, count: jax.Array):
        of_step = lambda data, _, at: batch_of(data, drawn, at, at - train_state.step)
        return make_steps(step, of_step, feed.most_steps)(train_state, data, count)

    steps = jax.jit(
        many,
        donate_argnums=0,
        out_shardings=(sharding, of_metrics),
        compiler_options=compiler_options(),
    )
    with lowering_for_all_cores():
        lowered = steps.lower(train_state, feed.data, draw(train_state, 1), np.int32(1))
    program = lowered.compile()

    def dispatch(train_state: TrainState, data: Any, count: int):
        return program(train_state, data, draw(train_state, count), np.int32(count))

    return dispatch


def _batches(feed: Feed, key: jax.Array) -> tuple[Callable, Callable]:
    """``draw(train_state, count)`` for a dispatch, and ``batch_of(data, drawn, step, i)``.

    Drawn are the indices of ``count`` steps, for a feed `ByIndices` on a CPU, of which the program
    takes the i-th: the hash of keys takes a tenth to a fifth of the compilation of a step there.
    Else it is the key, and the program draws.
    """
    words = threefry.key_words(on_one(key))
    if words is None or not isinstance(feed.batch_of, ByIndices) or jax.default_backend() != "cpu":
        draw = lambda train_state, count: key
        batch_of = lambda data, key, step, i: feed.batch_of(data, key, step)
        return draw, batch_of

    def indices(train_state: TrainState, count: int) -> np.ndarray:
        rows = feed.batch_of.on_host(words, int(train_state.step) + np.arange(count))
        whole = np.zeros((feed.most_steps, *rows.shape[1:]), rows.dtype)
        whole[:count] = rows
        return whole

    return indices, lambda data, indices, step, i: take(data, indices[i])


def _next_pace(pace: int, count: int, seconds: float, most: int) -> int:
    """The most steps of the next dispatch, after one of ``count <= pace`` took ``seconds``."""
    if seconds > PATIENT:
        return max(pace // 2, 1)
    return min(2 * pace, most) if count == pace and seconds < PATIENT / 2 else pace


def _log(
    rows: list[dict[str, float]], at: int, every: int, ledger: Ledger, recorder: Recorder
) -> int:
    """Log the ``rows`` of the steps after ``at`` as means over ``every`` steps.

    Returns the last step.
    """
    for row in rows:
        at += 1
        ledger.gather(row)
        if at % every == 0 and (means := ledger.means()):  # none where all steps were skipped
            recorder.row(at, means)
    return at


def _floats(values: Mapping[str, Any]) -> dict[str, float]:
    """What ``evaluate`` returned, as Python's numbers."""
    try:
        return {name: float(value) for name, value in values.items()}
    except (AttributeError, TypeError, ValueError):
        got = f"evaluate that returned {values!r}"[:200]
        expected = "one number for each name, as {'validation/loss': 0.3}"
        raise mistake("fit", got=got, expected=expected) from None


def check_metrics(
    caller: str,
    source: str,
    values: Mapping[str, Any],
    best: str | None,
    of_training: Iterable[str],
) -> None:
    """Refuse values of ``source`` that cannot be a row, or without the one called ``best``.

    Nor may they have names ``of_training``, whose values they would hide.
    """
    if "step" in values:
        got, expected = f"a metric 'step' of {source}", "another name: each row has its own step"
        raise mistake(caller, got=got, expected=expected)
    if both := sorted(values.keys() & set(of_training)):
        got, expected = f"a metric {both[0]!r} of {source}", "another name: training logs this one"
        raise mistake(caller, got=got, expected=expected)
    if best and best not in values:
        expected = f"a metric that {source} returns: {', '.join(values)}"
        raise mistake(caller, got=f"best={best!r}", expected=expected)


def _copy(tree: Any) -> Any:
    """A copy that donation does not invalidate."""
    return jax.tree.map(jnp.copy, tree)


def _read(
    metrics: dict[str, Any], train_state: TrainState
) -> tuple[list[dict[str, float]], dict[str, Any]]:
    """The metrics of each step taken, and those of the step that was not finite, if any.

    The latter also name the leaf that was not finite.
    """
    metrics = dict(metrics)
    for name, values in metrics.items():
        if values.ndim != 1:
            got = f"a metric {name!r} of shape {values.shape[1:]} from the objective"
            raise mistake("fit", got=got, expected="one number", remedy="Take a mean.")
    taken = int(metrics.pop("taken").sum())
    finite, leaf = metrics.pop("finite"), metrics.pop("bad_leaf")
    rows = [{name: float(values[i]) for name, values in metrics.items()} for i in range(taken)]
    if taken and not finite[taken - 1]:
        return rows[:-1], {**rows[-1], "leaf": leaf_names(train_state)[leaf[taken - 1]]}
    return rows, {}


def _skip(
    train_state: TrainState,
    trouble: dict[str, Any],
    ledger: Ledger,
    allowed: int,
    recorder: Recorder,
    kept: Any,
    batch: Callable[[], Any],
) -> TrainState:
    """Skip an update that was not finite: count its step as taken.

    Where too many were skipped, save the last good state and raise `Diverged`, which says what is
    wrong with the ``batch()`` of the step.
    """
    at = int(train_state.step)
    leaf = trouble["leaf"]
    # the learning rate is that of the step before: this one has not reached the optimizer
    numbers = ", ".join(
        f"{name} {value:.4g}"
        for name, value in trouble.items()
        if name not in ("leaf", "learning_rate")
    )
    message = f"Step {at + 1} is not finite; the first bad value is in the {leaf} ({numbers})."
    if ledger.skipped >= allowed:
        recorder.save(at, (train_state, kept), ledger)
        recorder.diverged(at, message, whole(batch()))
    ledger.skipped += 1
    recorder.say(f"{message} Its update is skipped ({ledger.skipped} of at most {allowed}).")
    return train_state._replace(step=train_state.step + 1)
