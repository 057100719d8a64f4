"""Many runs as one compiled program.

A whole training run is a pure function of a key and hyper-parameters, so ``jax.vmap`` trains many.
"""

import dataclasses
import itertools
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jnn._jaxprs import CONVOLUTIONS, equations
from jnn.checkpoints import Checkpoints
from jnn.errors import mistake
from jnn.files import plain
from jnn.runs.environment import conditions
from jnn.runs.settings import changes
from jnn.train.batch_faults import advice_on_rows, ranges_of_integers
from jnn.train.compilation import compiler_options, lowering_for_all_cores
from jnn.train.config import TrainingConfig
from jnn.train.devices import AXIS, device_mesh
from jnn.train.loop import check_metrics, kept_by
from jnn.train.recorder import other_conditions, precision
from jnn.train.state import TrainState, seed_key
from jnn.train.step import batches_key, choose, finite_leaves
from jnn.train.task import Task, learning, start, step_of

TRACED = ("learning_rate", "weight_decay", "clip")
"""The settings of the optimizer that are values of a program, and so may differ between its runs.

A weight decay or clip of 0 leaves a part of the optimizer out, which is another program.
"""
TOGETHER = ("seed", *TRACED)
"""The settings that may differ between the runs of one program.

Runs that differ in others are different programs.
"""


class Member(NamedTuple):
    """One run of several.

    ``kept`` are the best params and state, ``best`` their value (lower is better), ``step`` their
    step.
    """

    train_state: TrainState
    kept: tuple[Any, Any]
    best: jax.Array
    step: jax.Array


class Trained(NamedTuple):
    """A member at its end, alone, with its config and what `sweep` returns of it.

    ``advice`` is what to do about a member that diverged, else empty.
    """

    task: Task
    config: TrainingConfig
    member: Member
    result: dict[str, Any]
    advice: str


def make_epoch(task: Task, config: TrainingConfig) -> tuple[Callable, Callable]:
    """``begin(key, traced) -> member`` and ``epoch(member, traced, data) -> member, row``.

    ``traced`` has settings of `TRACED` by name. Both are pure, and can be vmapped over members. A
    row has means over the epoch, and the learning rate of its last step.
    """
    check_member(config)
    if task.feed.stream:
        raise mistake(
            "sweep",
            got="data that streams",
            expected="data in memory",
            remedy="Load it with jnn.data.streams.load and in_memory.",
        )
    if task.best and task.validate is None:
        got, expected = f"best={task.best!r} and no validate", "the function that returns it"
        raise mistake("sweep", got=got, expected=expected)

    def begin(key, traced):
        train_state, _ = start(task, config, key, **traced)
        now = (train_state.best_guess, train_state.state)
        return Member(train_state, now, jnp.array(jnp.inf), train_state.step)

    def epoch(member, traced, data):
        optimizer, objective = learning(task, config, **traced)
        step = step_of(config, objective, optimizer, guarded=False)

        def one(train_state, _):
            key = batches_key(train_state)
            return step(train_state, task.feed.batch_of(data, key, train_state.step))

        train_state, metrics = jax.lax.scan(
            one, member.train_state, length=task.feed.steps_per_epoch
        )
        row = {
            f"train/{name}": values[-1] if name == "learning_rate" else jnp.mean(values)
            for name, values in metrics.items()
            if name not in ("finite", "bad_leaf")
        }
        at_end = finite_leaves((train_state.params, train_state.state))
        row["train/finite"] = metrics["finite"].all() & at_end.all()
        now = (train_state.best_guess, train_state.state)
        if task.validate is not None:
            values = task.validate(*now)
            check_metrics("sweep", "validate", values, task.best, row)
            row |= values
        # the best params, as in fit: of equal ones the later, the last ones where none is the best
        best, is_kept = member.best, row["train/finite"]
        if task.best:
            value = row[task.best] * (1 if task.lowest else -1)
            is_better = jnp.isfinite(value) & (value <= best)
            is_kept = is_better | (jnp.isinf(best) & is_kept)
            best = jnp.where(is_better, value, best)
        kept, at = choose(is_kept, (now, train_state.step), (member.kept, member.step))
        return Member(train_state, kept, best, at), row

    return begin, epoch


def check_member(config: TrainingConfig) -> None:
    """Raise `JnnError` for settings that a member of a sweep cannot have."""
    for name in ("patience", "skip_bad"):
        if value := getattr(config, name):
            expected = "0: members of one program stop together"
            remedy = f"Add --{name.replace('_', '-')} 0."
            if name == "patience":
                remedy += " Params are kept by the best evaluation all the same."
            raise mistake("sweep", got=f"{name}={value}", expected=expected, remedy=remedy)
    if pretrained := getattr(config, "pretrained", ""):
        got, expected = f"the pretrained model {pretrained}", "params that are drawn"
        raise mistake("sweep", got=got, expected=expected, remedy="Run each with --start.")
    if config.devices > 1 or config.mesh:
        remedy = "Omit it: members are spread over all devices automatically."
        got = f"mesh={config.mesh!r}" if config.mesh else f"devices={config.devices}"
        expected = "no mesh" if config.mesh else "1"
        raise mistake("sweep", got=got, expected=expected, remedy=remedy)


def make_train(task: Task, config: TrainingConfig) -> Callable:
    """``train(key, learning_rate, data) -> member, history``: a whole run as one pure function.

    The history has a value for each epoch.

    ``jax.vmap(train, in_axes=(0, 0, None))`` trains several; each equals the solo run with its key
    and learning rate, but for the order of sums in float32.
    """
    begin, epoch = make_epoch(task, config)

    def train(key, learning_rate, data):
        traced = {"learning_rate": learning_rate}
        return jax.lax.scan(
            lambda member, _: epoch(member, traced, data),
            begin(key, traced),
            length=config.epochs,
        )

    return train


def product(config: TrainingConfig, choices: dict[str, Sequence[Any]]) -> list[TrainingConfig]:
    """A config for each combination of ``choices``.

    Raises `JnnError` for a setting that the config does not have.

    >>> configs = product(TrainingConfig(), {"seed": [0, 1], "learning_rate": [0.1]})
    >>> [(config.seed, config.learning_rate) for config in configs]
    [(0, 0.1), (1, 0.1)]
    """
    settings = {field.name for field in dataclasses.fields(config)}
    if unknown := [name for name in choices if name not in settings]:
        expected = f"some of {', '.join(sorted(settings))}"
        raise mistake("sweep", got=f"a setting {unknown[0]!r}", expected=expected)
    return [
        config.replace(**dict(zip(choices, values, strict=True)))
        for values in itertools.product(*choices.values())
    ]


def sweep(
    task_of: Callable[[Any], Task],
    configs: Sequence[TrainingConfig],
    *,
    folder: Path | None = None,
    say: Callable[[str], None] = print,
    on_member: Callable[[Trained], None] = lambda trained: None,
) -> list[dict[str, Any]]:
    """Train every config; those that differ in `TOGETHER` alone are one compiled program.

    ``task_of`` makes the task of a config. With ``folder`` each program saves a checkpoint after
    each epoch, and goes on from it. Returns for each config ``{"config", "metrics", "kept",
    "history"}``: the test metrics with the best params, by which metric and at which step these
    were kept, and a row for each epoch. ``on_member`` gets each `Trained` member once, program by
    program, to keep it as a run.
    """
    for config in configs:
        check_member(config)
    results: list[dict[str, Any]] = [{} for _ in configs]
    groups = _programs(configs)
    for number, group in enumerate(groups):
        members = [configs[i] for i in group]
        say(f"program {number + 1} of {len(groups)}: {len(members)} runs")
        of_program = folder / f"program{number}" if folder else None
        trained = _together(task_of(members[0]), members, of_program, say, on_member)
        for i, result in zip(group, trained, strict=True):
            results[i] = result
    return results


def _programs(configs: Sequence[TrainingConfig]) -> list[list[int]]:
    """The indices of the configs, grouped by those that train as one program."""
    separate = lambda config: {
        name: value > 0 if name in TRACED else value
        for name, value in dataclasses.asdict(config).items()
        if name != "seed"
    }
    groups: list[list[int]] = []
    for i, config in enumerate(configs):
        for group in groups:
            if separate(configs[group[0]]) == separate(config):
                group.append(i)
                break
        else:
            groups.append([i])
    return groups


def _together(
    task: Task,
    configs: list[TrainingConfig],
    folder: Path | None,
    say: Callable[[str], None],
    on_member: Callable[[Trained], None],
) -> list[dict[str, Any]]:
    """Train configs that differ in `TOGETHER` alone as one program, one dispatch for each epoch."""
    begin, epoch = make_epoch(task, configs[0])
    keys = jnp.stack([seed_key(config.seed) for config in configs])
    first = configs[0]
    traced = {
        name: jnp.array([getattr(config, name) for config in configs])
        for name in TRACED
        if getattr(first, name) > 0
    }
    members = jax.jit(jax.vmap(begin))(*_spread((keys, traced)))
    advance = over_members(epoch, task)
    rows: list[dict[str, Any]] = []
    identity = {"configs": plain(configs), "data": task.feed.identity, **precision()}
    now = conditions()
    with Checkpoints(folder, fingerprint=identity) if folder else _Nowhere() as checkpoints:
        if restored := checkpoints.restore(members):
            members, rows = restored.tree, list(restored.host["rows"])
            for note in restored.notes:
                say(note)
            if changed := changes(restored.host.get("conditions", now), now):
                say(other_conditions(changed, f"epoch {restored.step}"))
        for number in range(len(rows), configs[0].epochs):
            members, row = advance(members, traced, task.feed.data)
            step = [(number + 1) * task.feed.steps_per_epoch] * len(configs)
            values = {name: np.asarray(x, np.float64).tolist() for name, x in row.items()}
            rows.append({"step": step, **values})
            checkpoints.save(number + 1, members, {"rows": rows, "conditions": now})
            say(f"epoch {number + 1}/{configs[0].epochs}  {_in_short(rows[-1], task.best)}")
    results = []
    finite = [all(row["train/finite"][i] for row in rows) for i in range(len(configs))]
    advice = "" if all(finite) else _advice(task.feed.data)
    for i, (config, member) in enumerate(zip(configs, _unstacked(members), strict=True)):
        result = {
            "config": dataclasses.asdict(config),
            "metrics": _tested(task, member.kept, finite[i]),
            "kept": _kept_by(task, float(member.best), int(member.step)),
            "history": [{name: values[i] for name, values in row.items()} for row in rows],
        }
        on_member(Trained(task, config, member, result, "" if finite[i] else advice))
        results.append(result)
    return results


def _advice(data: Any) -> str:
    """What to do where training on ``data`` diverges."""
    if of_rows := advice_on_rows("The data", data):
        return of_rows
    if ranges := ranges_of_integers(data):
        look = f"look at the data, where {ranges}; classes and tokens count from 0"
        return f"Try smaller learning rates, or {look}."
    return "Try smaller learning rates."


def _unstacked(members: Any) -> list[Any]:
    """The members, which may be on several devices, one by one on the first."""
    host = jax.device_get(members)
    count = len(jax.tree.leaves(host)[0])
    return [jax.tree.map(lambda leaf, i=i: jnp.asarray(leaf[i]), host) for i in range(count)]


def _tested(task: Task, kept: tuple[Any, Any], finite: bool) -> dict[str, float]:
    """The test metrics of one member's best params and state; NaN where its training diverged."""
    metrics = task.test(*kept)
    if not metrics:
        raise mistake(
            "sweep",
            got="a task without test metrics",
            expected="a test that returns metrics",
            remedy="Set the Task's test.",
        )
    return {name: float(value) if finite else math.nan for name, value in metrics.items()}


def _kept_by(task: Task, best: float, step: int) -> dict[str, Any] | None:
    if not task.best or math.isinf(best):  # no metric, or none that was finite
        return None
    return kept_by(task.best, task.lowest, step, best if task.lowest else -best)


def over_members(epoch: Callable, task: Task) -> Callable:
    """``(members, traced, data) -> members, row``: an `epoch` of all members, compiled.

    Under ``jax.vmap``, or one by one: see `_is_faster_alone`.
    """

    def one_by_one(members, traced, data):
        return jax.lax.map(lambda member: epoch(*member, data), (members, traced))

    compiled = jax.jit(
        one_by_one if _is_faster_alone(task) else jax.vmap(epoch, in_axes=(0, 0, None)),
        donate_argnums=0,
        compiler_options=compiler_options(),
    )

    def advance(members, traced, data):
        with lowering_for_all_cores():
            return compiled(members, traced, data)

    return advance


def _is_faster_alone(task: Task) -> bool:
    """Whether one CPU trains the members of a sweep faster one after the other.

    So it is where the loss has convolutions, loops or stacks of products, as those of attention:
    under ``jax.vmap`` these get another axis, and all members are in memory at once. Time one by
    one over that under ``jax.vmap``, 8 members, two cores:

        cnn  0.75    gru of 128, lstm of 64  0.6 to 0.9    gpt of 2 x 64  0.7 to 1.06
        mlp of 2 x 256, of 2 x 1024  1.1    mlp of 32, 32 members  1.4 to 1.6
    """
    if jax.default_backend() != "cpu" or jax.device_count() > 1:
        return False
    key = seed_key(0)
    params, state = jax.eval_shape(task.model.init, key, task.example)
    batch = jax.eval_shape(task.feed.batch_of, task.feed.data, key, jnp.int32(0))
    jaxpr = jax.make_jaxpr(task.objective)(params, state, batch, key)
    return any(map(_is_slow_under_vmap, equations(jaxpr.jaxpr)))


def _is_slow_under_vmap(equation: Any) -> bool:
    if equation.primitive.name == "dot_general":
        return any(equation.params["dimension_numbers"][1])  # batch axes
    return equation.primitive.name in (*CONVOLUTIONS, "scan", "while")


def _spread(tree: Any) -> Any:
    """The members split over all devices, where their number allows it."""
    devices, size = jax.devices(), jax.tree.leaves(tree)[0].shape[0]
    if len(devices) == 1 or size % len(devices):
        return tree
    return jax.device_put(tree, jax.NamedSharding(device_mesh(len(devices)), jax.P(AXIS)))


def _in_short(row: dict[str, list[float]], best: str | None) -> str:
    names = [name for name in ("train/loss", best) if name in row]
    return "  ".join(f"{name} {min(row[name]):.4g} to {max(row[name]):.4g}" for name in names)


class _Nowhere:
    """No checkpoints."""

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        return None

    def restore(self, like: Any) -> None:
        return None

    def save(self, step: int, tree: Any, host: dict[str, Any]) -> None:
        return None
