"""What an experiment trains, as one record: enough to make one run of it, or many at once."""

from typing import Any, NamedTuple

import jax

from jnn.model import Model
from jnn.runs.run import Run
from jnn.train.config import TrainingConfig
from jnn.train.devices import device_mesh, on_each
from jnn.train.feed import Feed
from jnn.train.loop import Evaluate, Fitted, Look, fit
from jnn.train.state import TrainState, init_train_state
from jnn.train.step import Objective, Step, make_step

FIRST_LOSS_SCALE = 2.0**15


class Task(NamedTuple):
    """A model, what it is to learn from which data, and how it is judged.

    ``example`` is one input of the model, or its shape; ``validate`` and ``test`` are
    ``(params, state) -> {"validation/loss": ...}``, pure; ``best`` is the metric of ``validate`` by
    which params are kept, the lowest or the highest. ``look`` is called once an epoch.
    """

    model: Model
    objective: Objective
    feed: Feed
    example: Any
    validate: Evaluate | None = None
    test: Evaluate = lambda params, state: {}
    best: str | None = None
    lowest: bool = False
    look: Look | None = None


def start(
    task: Task, config: TrainingConfig, key: jax.Array, **overrides: Any
) -> tuple[TrainState, Step]:
    """The train state before the first step, and the step. Pure: ``overrides`` of the optimizer's
    settings may be traced.
    """
    optimizer = config.make_optimizer(config.epochs * task.feed.steps_per_epoch, **overrides)
    scale = FIRST_LOSS_SCALE if config.precision == "float16" else None
    train_state = init_train_state(
        key, task.model, optimizer, task.example, average=config.average_decay > 0, loss_scale=scale
    )
    mesh = device_mesh(config.devices) if config.devices > 1 else None
    settings = {
        "accumulate": config.accumulate,
        "mesh": mesh,
        "average_decay": config.average_decay,
        "statistics": config.statistics,
    }
    return on_each(mesh, train_state) if mesh else train_state, make_step(
        task.objective, optimizer, **settings
    )


def train(task: Task, config: TrainingConfig, key: jax.Array, run: Run | None = None) -> Fitted:
    """One run of the task, by `jnn.train.fit`."""
    train_state, step = start(task, config, key)
    settings = {
        "best": task.best,
        "lowest": task.lowest,
        "patience": config.patience,
        "skip_bad": config.skip_bad,
    }
    return fit(
        step,
        train_state,
        task.feed,
        epochs=config.epochs,
        evaluate=task.validate,
        look=task.look,
        run=run,
        **settings,
    )
