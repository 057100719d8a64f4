"""Reading run folders to compare them; nothing is written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from jnn.errors import mistake
from jnn.runs import records
from jnn.runs.comparison import Result, by_metric
from jnn.runs.folders import is_run
from jnn.runs.run import read_record


def run_folders(paths: Iterable[str | Path]) -> list[Path]:
    """The folders of the runs at or below the paths, in the order in which the runs ended.

    Each run counts once, however many paths and links lead to it. Raises JnnError for a path
    without any.
    """
    folders: dict[Path, None] = {}
    for path in map(Path, paths):
        below = list(_below(path.resolve()))
        if not below:
            raise mistake(
                str(path),
                got="no run",
                expected="the folder of a run, or one that holds some",
                remedy="Give the path that `jnn run` printed, or a folder of runs, "
                "as in runs/image_classification.",
            )
        folders |= dict.fromkeys(below)
    ended = lambda folder: records.read(folder, "status.json").get("updated") or ""
    return sorted(folders, key=lambda folder: (ended(folder), folder))


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
    if is_run(folder):
        yield folder
    elif folder.is_dir():
        for child in sorted(folder.iterdir()):
            if child.is_dir() and not child.is_symlink():
                yield from _below(child)


def _in_words(status: dict[str, Any], ended: bool) -> str:
    """The state of a run, with its message. A run that was killed still says "running"."""
    state = str(status.get("state", "unknown"))
    message = " ".join(str(status.get("message", "")).split())
    if state == "running":
        state = "running, or killed"
    elif state == "done" and not ended:
        state = "done, without a result"
    return f"{state}: {message}" if message else state
