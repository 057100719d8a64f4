"""Reading run folders to compare them; nothing is written."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from jnn.errors import mistake
from jnn.files import read_json
from jnn.runs import records
from jnn.runs.comparison import Result, by_metric
from jnn.runs.folders import is_run, read_record

SWEEP = "sweep.json"
"""The file of a sweep that has ended, in its folder."""
OF_A_SWEEP = {
    "config": records.SCHEMAS["config.json"]["config"],
    "metrics": records.SCHEMAS["summary.json"]["metrics"],
    "kept": records.SCHEMAS["summary.json"]["kept"],
}


def run_folders(paths: Iterable[str | Path]) -> list[Path]:
    """The folders of runs and sweeps at or below the paths, in the order in which they ended.

    What is within a sweep's folder is part of it. Each counts once, however many paths and links
    lead to it. Raises JnnError for a path without any.
    """
    folders: dict[Path, None] = {}
    for path in map(Path, paths):
        below = list(_below(path.resolve()))
        if not below:
            raise mistake(
                str(path),
                got=_what_it_is(path),
                expected="the folder of a run or a sweep, or one that holds some",
                remedy="Give the path that `jnn run` printed, or a folder of runs, "
                "as in runs/image_classification.",
            )
        folders |= dict.fromkeys(below)
    return sorted(folders, key=lambda folder: (_ended(folder), folder))


def read_results(folder: Path) -> list[Result]:
    """What the run in the folder set and measured, or each run of the sweep in it."""
    if not (folder / SWEEP).is_file():
        return [read_result(folder)]
    record, path = read_json(folder / SWEEP), folder / SWEEP
    runs, metric = record.get("runs"), record.get("metric") or {}
    valid = isinstance(record.get("experiment"), str) and isinstance(metric, dict)
    if not (valid and isinstance(runs, list) and all(map(_is_of_a_sweep, runs))):
        remedy = "Put a copy of the file back, or give the same `jnn sweep` again."
        expected = "the file that the sweep wrote"
        raise mistake(str(path), got="no valid runs", expected=expected, remedy=remedy)
    records.check_seal(path, record)
    return [
        Result(
            experiment=record["experiment"],
            config=run["config"],
            metrics=run["metrics"],
            metric=metric,
            kept=run.get("kept"),
            folder=str(folder),
        )
        for run in runs
    ]


def read_result(folder: Path) -> Result:
    """What a run set and measured."""
    record, status = read_record(folder), records.read(folder, "status.json")
    ended = status.get("state") == "done" and (folder / "summary.json").exists()
    summary = records.read(folder, "summary.json") if ended else {}
    metric = summary.get("metric", {})
    return Result(
        experiment=record["experiment"],
        config=record["config"],
        metrics=summary.get("metrics", {}),
        metric=metric,
        kept=summary.get("kept"),
        baselines=by_metric(summary.get("baselines") or {}, metric.get("name", "")),
        seconds=summary.get("seconds"),
        folder=str(folder),
        state=_in_words(status, ended),
    )


def _below(folder: Path) -> Iterator[Path]:
    if is_run(folder) or (folder / SWEEP).is_file():
        yield folder
    elif folder.is_dir():
        for child in sorted(folder.iterdir()):
            if child.is_dir() and not child.is_symlink():
                yield from _below(child)


def _is_of_a_sweep(run: Any) -> bool:
    return isinstance(run, dict) and not records.misfits(run, OF_A_SWEEP)


def _ended(folder: Path) -> str:
    if not (folder / SWEEP).is_file():
        return records.read(folder, "status.json").get("updated") or ""
    ended = datetime.datetime.fromtimestamp((folder / SWEEP).stat().st_mtime).astimezone()
    return ended.isoformat(timespec="seconds")


def _what_it_is(path: Path) -> str:
    """In words, what is at a path where no run is."""
    if path.is_file():
        return "a file"
    if not path.is_dir():
        return "nothing there"
    if any(path.glob("program*")):
        return "a sweep that has not ended"
    return "a folder without runs"


def _in_words(status: dict[str, Any], ended: bool) -> str:
    """The state of a run, with the first sentence of its message.

    A run that was killed still says "running".
    """
    state = str(status.get("state", "unknown"))
    message = " ".join(str(status.get("message", "")).split()).partition(". ")[0].removesuffix(".")
    if state == "running":
        state = "running, or killed"
    elif state == "done" and not ended:
        state = "done, without a result"
    return f"{state}: {message}" if message else state
