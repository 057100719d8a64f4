"""The folder of a run: made once, never written by two processes, never emptied of anything but a
run.
"""

from __future__ import annotations

import datetime
import fcntl
import os
import re
import shutil
import time
from pathlib import Path
from typing import IO, Any

from jnn.errors import JnnError, mistake
from jnn.files import TEMPORARY, read_json, writable
from jnn.runs.settings import changes, hash_of

LOCK = ".lock"

FILES = "config.json env.json status.json summary.json tokenizer.json metrics.jsonl timings.jsonl"
TEXTS = "command.txt log.txt README.md report.html"
FOLDERS = "checkpoints plots explain samples profile tensorboard"
CONTENTS = tuple(f"{FILES} {TEXTS} {FOLDERS}".split())
"""What a run may write into its folder, and so what ``overwrite`` may delete."""
_FIRST = {"status.json", "command.txt", "log.txt", "env.json"}
"""What there is of a run that was killed as it began, before its config was written."""


def dated_folder(parent: Path, seed: int, name: str = "") -> Path:
    """Make ``parent/<YYYYmmdd-HHMMSS>-s<seed>[-name]``; where another run has just taken that name,
    wait for the next second.
    """
    if name and not re.fullmatch(r"[\w.-]+", name):
        raise mistake("name of a run", got=repr(name), expected="letters, digits, dots, - and _")
    while True:
        folder = parent / "-".join(
            filter(None, (f"{datetime.datetime.now():%Y%m%d-%H%M%S}", f"s{seed}", name))
        )
        with writable(folder):
            try:
                folder.mkdir(parents=True)
                return folder
            except FileExistsError:
                time.sleep(0.1)


def chosen_folder(folder: Path, *, overwrite: bool = False) -> Path:
    """Make exactly ``folder``. Raises JnnError where it has contents, unless they are a run's and
    ``overwrite`` is set.
    """
    with writable(folder):
        if folder.exists() and not folder.is_dir():
            raise mistake(
                str(folder), got="a file", expected="a folder", remedy="Choose another --out."
            )
        folder.mkdir(parents=True, exist_ok=True)
        contents = {
            path.name
            for path in folder.iterdir()
            if path.name != LOCK and not path.name.startswith(TEMPORARY)
        }
    if contents and not overwrite:
        remedy = (
            "Choose another --out, continue it with `jnn resume`, or replace it with --overwrite."
        )
        raise mistake(
            str(folder),
            got="a folder that is not empty",
            expected="a new or empty one",
            remedy=remedy,
        )
    begun = "status.json" in contents and contents <= _FIRST
    if contents and not begun and not is_run(folder):
        raise mistake(
            str(folder),
            got="--overwrite of a folder that is no run",
            expected="a run's folder",
            remedy="Choose another --out.",
        )
    return folder


def is_run(folder: Path) -> bool:
    """Whether a run was begun in the folder: others have a ``config.json`` too, but not what a run
    writes beside it.
    """
    return (folder / "config.json").is_file() and any(
        (folder / name).is_file() for name in ("status.json", "env.json")
    )


def read_record(folder: Path) -> dict[str, Any]:
    """The ``config.json`` of a run: its experiment, source, config and config_hash.

    Raises JnnError where the folder holds no run, and where the config is no longer the one that
    the run began with.
    """
    if not is_run(folder):
        remedy = "Give the path that `jnn run` printed, as in runs/<experiment>/latest."
        raise mistake(str(folder), got="no run", expected="the folder of a run", remedy=remedy)
    path = folder / "config.json"
    record = read_json(path)
    kinds = {"experiment": str, "config": dict, "config_hash": str, "source": str | None}
    if wrong := [name for name, kind in kinds.items() if not isinstance(record.get(name), kind)]:
        remedy = "Put a copy of the file back."
        raise mistake(
            str(path),
            got=f"no valid {', '.join(wrong)}",
            expected="the file that the run wrote",
            remedy=remedy,
        )
    if hash_of(record["config"]) != record["config_hash"]:
        name = record.get("source") or record["experiment"]
        edited = changes(
            read_json(folder / "env.json").get("config_at_start", {}), record["config"]
        )
        said = ", ".join(change for change in edited if not change.startswith("epochs:"))
        remedy = f"Undo the edit; or begin a new run of it: jnn run {name} --config {path}"
        raise mistake(
            str(path),
            got=f"a config edited since the run began ({said})",
            expected="the same",
            remedy=remedy,
        )
    return record


def read_status(folder: Path) -> dict[str, Any]:
    """The ``status.json`` of a run; empty where it cannot be read, as a run goes on without it."""
    try:
        return read_json(folder / "status.json")
    except JnnError:
        return {}


def lock(folder: Path) -> IO[str]:
    """Take the folder for this process, as long as the returned file is open; the system lets go of
    it however the process ends.

    Raises JnnError where another process has it, naming that process.
    """
    with writable(folder):
        stream = (folder / LOCK).open("a+", encoding="utf-8")
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.seek(0)
            owner = stream.read().strip()
            stream.close()
            remedy = "Wait for it or stop it, or choose another folder."
            raise mistake(
                str(folder),
                got=f"a folder in use by process {owner}",
                expected="a free one",
                remedy=remedy,
            ) from None
        stream.truncate(0)
        stream.write(str(os.getpid()))
        stream.flush()
        return stream


def clear(folder: Path) -> None:
    """Delete what a run wrote into the folder, and nothing else."""
    sweep(folder)
    for name in CONTENTS:
        path = folder / name
        with writable(path):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Delete what a process that was killed left half-written; only for the process that holds the
    lock.
    """
    for path in (*folder.glob(f"{TEMPORARY}*"), *folder.glob(f"*/{TEMPORARY}*")):
        with writable(path):
            path.unlink(missing_ok=True)


def point_latest(folder: Path) -> None:
    """Let the link ``latest`` beside the folder lead to it; where links cannot be made there is
    none.
    """
    link, temporary = folder.parent / "latest", folder.parent / f".latest-{os.getpid()}"
    try:
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(folder.name, target_is_directory=True)
        temporary.replace(link)
    except OSError:
        temporary.unlink(missing_ok=True)
