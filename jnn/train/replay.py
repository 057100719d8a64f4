"""Any step of a run, made again.

A run is a pure function of its config and seed, and repeats its bits however it is divided. So a
step needs no record: it is made again from the last checkpoint before it, or from the start.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jnn.checkpoints import Checkpoints
from jnn.errors import mistake
from jnn.integers import check_integer
from jnn.not_finite import Origin, origin
from jnn.sharding import gathered
from jnn.tags import capture
from jnn.train.config import TrainingConfig
from jnn.train.devices import AXIS, as_over, cut
from jnn.train.loop import compiled
from jnn.train.state import TrainState, seed_key
from jnn.train.step import (
    Objective,
    batches_key,
    leaf_names,
    loss_and_gradient,
    objective_key,
    updated,
)
from jnn.train.task import Task, Transfer, learning, start


class Replayed(NamedTuple):
    """A step that was made again."""

    step: int
    """The update from ``step - 1`` to ``step``, as logs count."""
    since: int
    """The step of the checkpoint that the replay began from; 0 for the start."""
    batch: Any
    before: TrainState
    after: TrainState
    metrics: dict[str, float]
    bad_leaf: str
    """Where the first value is that is not finite; empty where all are."""


def replay(
    task: Task,
    config: TrainingConfig,
    folder: Path | str,
    step: int,
    *,
    transfer: Transfer | None = None,
) -> Replayed:
    """Step ``step`` of the run in ``folder``, with the bits that the run had.

    ``task`` and ``config`` are those of the run, and so is ``transfer``, as `jnn.train.start` takes
    it. The bits are those of the same versions on the same machine; of a run that was resumed with
    other ``--epochs`` or at another learning rate, those of the steps since. Nothing in the folder
    is changed. Raises `JnnError` for a step that the run has not.
    """
    folder, steps = Path(folder), config.epochs * task.feed.steps_per_epoch
    step = check_integer("replay", "step", step)
    if step > steps:
        raise mistake("replay", got=f"step {step:,}", expected=f"1 to {steps:,}")
    train_state, one = start(task, config, seed_key(config.seed), transfer=transfer)
    train_state = jax.tree.map(jnp.copy, train_state)
    since, train_state = restored(folder / "checkpoints", train_state, before=step)
    dispatch, feed, at = compiled(one, task.feed, train_state), task.feed, since
    key = batches_key(train_state)
    data = feed.read(key, at)
    while at < step - 1:
        count = min(feed.most_steps, step - 1 - at)
        train_state, metrics = dispatch(train_state, next(data), count)
        if not all(metrics["finite"][: int(metrics["taken"].sum())]):  # the run skipped this update
            train_state = train_state._replace(step=train_state.step + 1)
        at = int(train_state.step)
    piece, before = next(data), jax.tree.map(jnp.copy, train_state)
    batch = jax.jit(feed.batch_of)(piece, key, train_state.step)
    after, metrics = dispatch(train_state, piece, 1)
    row = {name: values[0].item() for name, values in jax.device_get(metrics).items()}
    finite, leaf = row.pop("finite"), row.pop("bad_leaf")
    row.pop("taken")
    bad_leaf = "" if finite else leaf_names(before)[leaf]
    return Replayed(step, since, batch, before, after, row, bad_leaf)


def restored(folder: Path, train_state: TrainState, *, before: int) -> tuple[int, TrainState]:
    """The last checkpoint before a step, of the shapes of a train state, and its step.

    Where there is none it is the train state itself.
    """
    if not folder.is_dir():
        return 0, train_state
    with Checkpoints(folder, read_only=True) as checkpoints:
        earlier = [at for at in checkpoints.steps() if at < before]
        if not earlier:
            return 0, train_state
        checkpoint = checkpoints.restore((train_state, ()), step=max(earlier), partial=True)
    return (0, train_state) if checkpoint is None else (checkpoint.step, checkpoint.tree[0])


def not_as_logged(rows: Iterable[Mapping[str, Any]], replayed: Replayed) -> str:
    """How a step that was made again differs from the log of the run; empty where it does not.

    ``rows`` are those of ``metrics.jsonl``. One that is a mean over several steps says nothing of
    a single one of them.
    """
    of_training = {f"train/{name}" for name in replayed.metrics}
    metrics = {row["step"]: row for row in rows if of_training & row.keys()}
    step = replayed.step
    if step not in metrics or not (step == 1 or step - 1 in metrics):
        return ""
    for name, value in replayed.metrics.items():
        was = metrics[step].get(f"train/{name}", value)
        if was != value and not (math.isnan(was) and math.isnan(value)):
            return f"train/{name} is {value:.9g}, the log has {was:.9g}"
    return ""


def inside(
    task: Task, config: TrainingConfig, replayed: Replayed
) -> tuple[Any, Mapping[str, jax.Array]]:
    """The gradient of the step, and all tagged values of its forward pass, ``{path: value}``.

    With ``accumulate`` and ``devices`` they are of the parts that the step divides its batch into,
    each with its own key. A value whose first axis counts the examples of a part has those of the
    whole batch; any other has the parts on a new first axis.

    They are computed on one device, by a program of its own, so that last bits may differ from
    those in the run.
    """
    train_state, batch = gathered((replayed.before, replayed.batch))
    _, objective = learning(task, config)
    paths = []

    def values_of(state, batch, key):
        (_, (state, _)), values = capture(objective)(train_state.params, state, batch, key)
        paths[:] = values  # a dict would be sorted; values keep the order of the program
        return state, list(values.values())

    @jax.jit
    def found(train_state, batch):
        gradient = _loss_and_gradient(objective, config, train_state, batch)[1]
        return gradient, _of_each_part(values_of, config, train_state, batch)

    gradient, values = found(train_state, batch)
    return gradient, dict(zip(paths, values, strict=True))


def cause(task: Task, config: TrainingConfig, replayed: Replayed) -> Origin | None:
    """Where the first value of a step comes from that is not finite.

    Of its loss, else of its gradient, else of the state, else of the new params.
    """
    before, batch = gathered((replayed.before, replayed.batch))
    optimizer, objective = learning(task, config)

    def step(params):
        train_state = before._replace(params=params)
        (loss, (state, _)), gradient = _loss_and_gradient(objective, config, train_state, batch)
        new, _ = updated(objective, optimizer, train_state, batch, loss, gradient)
        return loss, gradient, state, new

    return origin(step, before.params)


def _loss_and_gradient(
    objective: Objective, config: TrainingConfig, train_state: TrainState, batch: Any
):
    """The loss, state and gradient of a step of the run, computed on one device."""
    devices = config.devices
    divide = partial(as_over, devices) if devices > 1 else None
    return loss_and_gradient(
        objective, train_state, batch, accumulate=config.accumulate, divide=divide
    )


def _of_each_part(
    values_of: Callable, config: TrainingConfig, train_state: TrainState, batch: Any
) -> list[jax.Array]:
    """The values of a batch, of which each part has its key, and the state of the one before it.

    ``values_of(state, batch, key) -> state, values``
    """
    counts = [count for count in (config.devices, config.accumulate) if count > 1]

    def of_device(state, batch, key):
        if config.accumulate == 1:
            return values_of(state, batch, key)[1]
        of_piece = lambda state, piece: values_of(
            state, piece[0], jax.random.fold_in(key, piece[1])
        )
        pieces = cut(batch, config.accumulate), jnp.arange(config.accumulate)
        return jax.lax.scan(of_piece, state, pieces)[1]

    def of_devices(batch, number):
        key = jax.random.fold_in(objective_key(train_state), number)
        return of_device(train_state.state, batch, key)

    if config.devices > 1:
        parts = cut(batch, config.devices), jnp.arange(config.devices)
        values = jax.vmap(of_devices, axis_name=AXIS)(*parts)
    else:
        values = of_device(train_state.state, batch, objective_key(train_state))
    if not counts:
        return values
    examples = jax.tree.leaves(batch)[0].shape[0] // math.prod(counts)
    return [_joined(value, len(counts), examples) for value in values]


def _joined(value: jax.Array, axes: int, examples: int) -> jax.Array:
    """A value with all parts on one axis, or all their examples."""
    of_part = value.shape[axes:]
    return value.reshape(-1, *(of_part[1:] if of_part[:1] == (examples,) else of_part))
