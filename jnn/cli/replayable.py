"""What is needed to make the steps of a run again, from its folder."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

from jnn.errors import mistake
from jnn.runs.recorded import recorded
from jnn.train.additions import with_additions
from jnn.train.task import Task
from jnn.train.transfer import COPY, transferred


class Replayable(NamedTuple):
    """The arguments of `jnn.train.replay.replay`, but for the step."""

    task: Task
    config: Any
    folder: Path
    transfer: Any


def replayable(folder: Path, record: dict[str, Any], *, offline: bool) -> Replayable:
    """The task and the config of the run in a folder, whose ``config.json`` is ``record``.

    Raises `JnnError` for an experiment without a task, whose training is its own.
    """
    listing, module, _, config = recorded(folder, record)
    if not hasattr(module, "task"):
        got, expected = f"{listing.name}, whose training is its own", "an experiment with a task"
        raise mistake("replay", got=got, expected=expected)
    task = module.task(config, module.load_data(config, offline=offline))
    task, _ = with_additions(task, config, record.get("start"))
    return Replayable(task, config, folder, _transfer(folder, record, task))


def _transfer(folder: Path, record: dict[str, Any], task: Task) -> Any:
    """What the run began with from another run or model, of which it keeps a copy."""
    if not record.get("start") and not task.pretrained:
        return None
    if not (folder / COPY).is_dir():
        got = f"no {COPY} folder"
        raise mistake(str(folder), got=got, expected="the copy of what the run began with")
    parts = {"start": record.get("start"), "config": record["config"]}
    run: Any = SimpleNamespace(folder=folder, say=lambda text: None, **parts)
    return partial(transferred, run=run, pretrained=task.pretrained)
