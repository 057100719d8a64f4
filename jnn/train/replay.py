"""Any step of a run, made again.

A run is a pure function of its config and seed, and repeats its bits however it is divided. So a
step needs no record: it is made again from the last checkpoint before it, or from the start.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jnn.checkpoints import Checkpoints
from jnn.errors import mistake
from jnn.integers import check_integer
from jnn.model import child_key
from jnn.not_finite import Origin, origin
from jnn.sharding import gathered
from jnn.tags import capture
from jnn.train.config import TrainingConfig
from jnn.train.loop import compiled
from jnn.train.state import TrainState, seed_key
from jnn.train.step import leaf_names
from jnn.train.task import Task, Transfer, start


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
    data = feed.read(child_key(train_state.key, "batches"), at)
    while at < step - 1:
        count = min(feed.most_steps, step - 1 - at)
        train_state, metrics = dispatch(train_state, next(data), jnp.int32(count))
        if not all(metrics["finite"][: int(metrics["taken"].sum())]):  # the run skipped this update
            train_state = train_state._replace(step=train_state.step + 1)
        at = int(train_state.step)
    piece, before = next(data), jax.tree.map(jnp.copy, train_state)
    key = child_key(train_state.key, "batches")
    batch = jax.jit(feed.batch_of)(piece, key, train_state.step)
    after, metrics = dispatch(train_state, piece, jnp.int32(1))
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
        found = checkpoints.restore((train_state, ()), step=max(earlier), partial=True)
    return (0, train_state) if found is None else (found.step, found.tree[0])


def inside(task: Task, replayed: Replayed) -> tuple[Any, Mapping[str, jax.Array]]:
    """The gradient of the step, and all tagged values of its forward pass, ``{path: value}``.

    They are of the whole batch at once, as without ``accumulate``, ``devices`` and ``mesh``, and
    computed by a program of their own, so that last bits may differ from those in the run.
    """
    train_state, batch, key = _parts(replayed)
    paths = []

    def objective(params):
        (loss, _), values = capture(task.objective)(params, train_state.state, batch, key)
        paths[:] = values  # a dict would be sorted; values keep the order of the program
        return loss, list(values.values())

    gradient, values = jax.jit(jax.grad(objective, has_aux=True))(train_state.params)
    return gradient, dict(zip(paths, values, strict=True))


def cause(task: Task, replayed: Replayed) -> Origin | None:
    """Where the first value of the loss, else of the gradient, comes from that is not finite."""
    train_state, batch, key = _parts(replayed)
    loss = lambda params: task.objective(params, train_state.state, batch, key)[0]
    return origin(loss, train_state.params) or origin(jax.grad(loss), train_state.params)


def _parts(replayed: Replayed) -> tuple[TrainState, Any, jax.Array]:
    """The train state and the batch, whole on one device, and the key of the objective."""
    train_state, batch = gathered((replayed.before, replayed.batch))
    key = jax.random.fold_in(train_state.key, train_state.step)
    return train_state, batch, child_key(key, "objective")
