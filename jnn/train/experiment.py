"""An experiment is one Python file. ``jnn new FILE.py`` writes one to start from.

    ABOUT      what `jnn list` says of it: a `jnn.runs.About`, in literals. ``metric`` is the one
               that counts, and ``direction``, "highest" or "lowest", which values are better.
    Config     its settings: a frozen dataclass that inherits `jnn.train.TrainingConfig`; each is
               an option of `jnn run`. The default `jnn.train.SUITED` means "what suits the data",
               and the method ``suited`` says what that is.
    load_data  ``(config, *, offline) -> data``, any value; with ``config.smoke`` a few examples,
               without a download.
    task       ``(config, data) -> jnn.train.Task``: model, objective, batches, validation, test,
               baselines, and the sections of the report.

and, where they make sense,

    describe   ``(config) -> (model, example)`` without loading data, for `jnn describe`
    outline    ``(config) -> Task`` without loading data, its feed of shapes alone, for `jnn plan`
    predictor  ``(config, preparation) -> model``: from prepared inputs to predictions, with the
               params of the task's model, for `jnn.load` where the data is not at hand
    generate   ``(config, folder, request) -> pieces of text, or a figure``, for `jnn generate`
    main       ``(config, run) -> {"metrics": ...}`` where training is unusual; otherwise it is
               `run_task` on the task of the loaded data

A file without ``task`` needs ``main``, and cannot be swept.

`jnn.tasks.supervised` makes a whole task of a model and a data set, and `jnn.tasks.task_on_splits`
one of an objective, a prediction and a metric. Tasks of a kind, with their scores and their report,
lie beside them in ``jnn/tasks/``: text classification, translation, language models, image
generation, object detection, verification, anomaly detection, forecasts of a series, returns.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import jax
import numpy as np

from jnn.processes import here
from jnn.runs.run import Run
from jnn.sharding import gathered
from jnn.train.config import TrainingConfig
from jnn.train.evaluate import evaluated
from jnn.train.state import seed_key
from jnn.train.task import Task, train


def main_of(module: ModuleType, task: Task | None = None) -> Callable[[Any, Run], dict[str, Any]]:
    """The ``main`` of an experiment: its own, or `run_task` on the task of the loaded data.

    That is ``task``, where it is made already.
    """

    def main(config: Any, run: Run) -> dict[str, Any]:
        if task is not None:
            return run_task(task, config, run)
        loaded_task = module.task(config, module.load_data(config, offline=run.options.offline))
        return run_task(loaded_task, config, run)

    return getattr(module, "main", main)


def run_task(task: Task, config: TrainingConfig, run: Run) -> dict[str, Any]:
    """Train the task, test the params that were kept once, and return the result of the run.

    It has ``metrics``, ``baselines``, ``parameters``, ``steps``, ``data``, and the report's
    ``sections``.
    """
    if task.save:
        task.save(run.folder)
    fitted = train(task, config, seed_key(config.seed), run)
    metrics = evaluated(task.test, fitted.params, fitted.state)
    params, state = gathered((fitted.params, fitted.state))
    is_first = here().is_first  # the others have no report to write
    return {
        "metrics": metrics,
        "baselines": task.baselines() if is_first else {},
        **fitted.counts,
        "data": data_of(task, config),
        "sections": task.sections(fitted._replace(params=params, state=state)) if is_first else [],
    }


def data_of(task: Task, config: TrainingConfig) -> dict[str, Any]:
    """What the result of a run says of its data: the name, the fingerprint, and the task's own."""
    name = getattr(config, "data", None)
    return {**({"name": name} if name else {}), **task.feed.identity, **task.data}


def once(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """``(params, state) -> value`` with a memory of one: the test and the report share predictions.

    They do also where the report has a copy of params that are split over devices, which has the
    same values.

    >>> predictions = once(lambda params, state: print("predicting") or params["w"] + 1)
    >>> params, state = {"w": 1}, {}
    >>> predictions(params, state) + predictions(params, state)
    predicting
    4
    """
    last: list[Any] = []

    def call(params: Any, state: Any) -> Any:
        kept = (params, state)
        if not last or not _same(last[0], kept):
            last[:] = [kept, function(params, state)]
        return last[1]

    return call


def _same(one: Any, other: Any) -> bool:
    """Whether two trees have the same bits; not where another process has a part of one."""
    leaves, others = jax.tree.leaves(one), jax.tree.leaves(other)
    pairs = list(zip(leaves, others, strict=False))
    if jax.tree.structure(one) != jax.tree.structure(other) or len(leaves) != len(others):
        return False
    if all(a is b for a, b in pairs):
        return True
    is_here = lambda leaf: getattr(leaf, "is_fully_addressable", True)
    if not all(map(is_here, [*leaves, *others])):
        return False
    return all(np.array_equal(*jax.device_get(pair)) for pair in pairs)
