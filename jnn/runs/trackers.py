"""The log of a run, also told to a tracker of experiments: MLflow, Trackio, or Weights & Biases.

A tracker is a function ``(run) -> sink``, as a context, and a sink a function of a row of the log.
The error that ends a run is raised in that context, so that MLflow and Weights & Biases mark the
run as failed; Trackio has no such mark.
The log stays the truth: a tracker that fails is told no more, and the run goes on.
"""

from __future__ import annotations

import contextlib
import importlib
import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from jnn.errors import missing_extra, mistake
from jnn.files import plain, read_json, write_json

Sink = Callable[[int, Mapping[str, float]], None]
"""``(step, values)``: takes the finite numbers of a row of the log."""
FILE = "tracker.json"
"""In the folder of a run: the tracker, and its name for the run, which goes on when resumed."""


class Tracked(NamedTuple):
    """What a tracker is told of a run.

    ``id`` is the tracker's name for it, None for a new one; ``remember(id)`` saves it.
    """

    experiment: str
    name: str
    folder: Path
    config: Mapping[str, Any]
    id: str | None
    remember: Callable[[str], None]


@contextlib.contextmanager
def mlflow(run: Tracked) -> Iterator[Sink]:
    """Runs of an experiment, in the store that ``MLFLOW_TRACKING_URI`` or MLflow itself chooses."""
    mlflow = _imported("mlflow")
    mlflow.set_experiment(run.experiment)
    with mlflow.start_run(run_id=run.id, run_name=None if run.id else run.name) as active:
        if not run.id:
            run.remember(active.info.run_id)
            mlflow.log_params(run.config)
        yield lambda step, values: mlflow.log_metrics(dict(values), step=step)


@contextlib.contextmanager
def trackio(run: Tracked) -> Iterator[Sink]:
    """Runs of a project on this machine; ``trackio show`` shows them."""
    trackio = _imported("trackio")
    resume = "must" if run.id else "never"
    trackio.init(
        project=run.experiment, name=run.id or run.name, config=dict(run.config), resume=resume
    )
    run.remember(run.name)
    try:
        yield lambda step, values: trackio.log(dict(values), step=step)
    finally:
        trackio.finish()


@contextlib.contextmanager
def wandb(run: Tracked) -> Iterator[Sink]:
    """A run in the folder ``wandb`` of the run, offline unless ``WANDB_MODE`` says otherwise.

    ``wandb sync FOLDER/wandb/offline-*`` sends it.
    """
    wandb = _imported("wandb")
    active = wandb.init(
        project=run.experiment,
        name=run.name,
        config=dict(run.config),
        dir=str(run.folder),
        mode=os.environ.get("WANDB_MODE", "offline"),
        id=run.id,
        resume="allow" if run.id else None,
    )
    run.remember(active.id)
    exit_code = 1
    try:
        yield lambda step, values: active.log(dict(values), step=step)
        exit_code = 0
    finally:
        active.finish(exit_code=exit_code)


TRACKERS: dict[str, Callable[[Tracked], AbstractContextManager[Sink]]] = {
    "mlflow": mlflow,
    "trackio": trackio,
    "wandb": wandb,
}


def check_tracker(name: str) -> None:
    """Raise `JnnError` for an unknown tracker, and MissingExtraError for one not installed."""
    if name not in TRACKERS:
        raise mistake("--track", got=repr(name), expected=f"one of {', '.join(TRACKERS)}")
    _imported(name)


@contextlib.contextmanager
def tracking(
    folder: Path,
    experiment: str,
    config: Mapping[str, Any],
    name: str,
    say: Callable[[str], None],
) -> Iterator[Sink]:
    """The sink of a run in ``folder``, for the tracker called ``name``.

    A run that was told to it before goes on there. A failure is said once, by ``say``, and what
    comes after it is lost to the tracker.
    """
    path = folder / FILE
    earlier = read_json(path) if path.is_file() else {}
    id = earlier.get("id") if earlier.get("tracker") == name else None
    remember = lambda id: write_json(path, {"tracker": name, "id": id})
    run = Tracked(experiment, folder.name, folder, plain(config), id, remember)
    failed = False

    def fail(error: Exception) -> None:
        nonlocal failed
        failed = True
        say(f"{name} is told no more of this run, but the log has all: {error}")

    stack, sink = contextlib.ExitStack(), None
    try:
        sink = stack.enter_context(TRACKERS[name](run))
    except Exception as error:
        fail(error)

    def guarded(step: int, values: Mapping[str, Any]) -> None:
        numbers = {key: value for key, value in values.items() if _is_finite(value)}
        if failed or sink is None or not numbers:
            return
        try:
            sink(step, numbers)
        except Exception as error:
            fail(error)

    ended_by = None
    try:
        yield guarded
    except BaseException as error:
        ended_by = error
        raise
    finally:
        try:
            stack.__exit__(*details(ended_by))
        except Exception as error:
            fail(error)


def details(error: BaseException | None) -> tuple[Any, Any, Any]:
    """The arguments of ``__exit__`` for an error, or for none."""
    return type(error) if error else None, error, error.__traceback__ if error else None


def tracker_of(folder: Path) -> str | None:
    """The tracker that a run was told to; None for none."""
    path = folder / FILE
    return read_json(path).get("tracker") if path.is_file() else None


def _is_finite(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value)


def _imported(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise missing_extra(f"--track {name} needs {name}", name) from None
