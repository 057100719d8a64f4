"""Reading run folders to compare them; nothing is written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from jnn.errors import mistake
from jnn.files import read_json
from jnn.runs.comparison import Result, by_metric
from jnn.runs.folders import is_run
from jnn.runs.run import read_record


def run_folders(paths: Iterable[str | Path]) -> list[Path]:
    """The runs that the paths lead to, or that lie below them, each once however many paths and
    links lead to it, in the order in which they ended. Raises JnnError for a path without any."""
    found: dict[Path, None] = {}
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
        found |= dict.fromkeys(below)
    return sorted(
        found, key=lambda folder: (read_json(folder / "status.json").get("updated", ""), folder)
    )


def read_result(folder: Path) -> Result:
    """What a run set and measured."""
    record, status = read_record(folder), read_json(folder / "status.json")
    ended = status.get("state") == "done" and (folder / "summary.json").exists()
    summary = read_json(folder / "summary.json") if ended else {}
    metric = summary.get("metric") or {}
    return Result(
        experiment=record["experiment"],
        config=record["config"],
        metrics=summary.get("metrics", {}),
        metric=metric,
        kept=summary.get("kept"),
        baselines=by_metric(summary.get("baselines", {}), metric.get("name", "")),
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
    """A run that was killed could not write so into its status."""
    state, message = (
        str(status.get("state", "unknown")),
        " ".join(str(status.get("message", "")).split()),
    )
    words = {
        "running": "running, or killed",
        "done": "done" if ended else "done, without a result",
    }.get(state, state)
    return f"{words}: {message}" if message else words
