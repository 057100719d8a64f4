"""The folder of a run: created once, locked by one process, and cleared of a run's files alone."""

from __future__ import annotations

import datetime
import fcntl
import os
import re
import shlex
import shutil
import time
from pathlib import Path
from typing import IO, Any

from jnn.errors import JnnError, mistake
from jnn.files import TEMPORARY, check_text, writable
from jnn.runs import records
from jnn.runs.settings import changes, hash_of

LOCK = ".lock"
REPLACED = f"{TEMPORARY}replaced-"
"""What the folders begin with that hold a run until another one has replaced it."""

FILES = (
    "config.json env.json status.json summary.json preparation.json tokenizer.json "
    "metrics.jsonl timings.jsonl tracker.json"
)
TEXTS = "command.txt log.txt README.md report.html lab.html"
FOLDERS = (
    "checkpoints moments processes start pretrained plots explain samples export profile "
    "tensorboard wandb"
)
CONTENTS = tuple(f"{FILES} {TEXTS} {FOLDERS}".split())
"""What a run may write into its folder, and so what ``overwrite`` may delete."""
_FIRST = {"status.json", "command.txt", "log.txt", "env.json"}
"""The files of a run that was killed at its start, before its config was written."""


def dated_folder(parent: Path, seed: int, name: str = "") -> Path:
    """Create ``parent/<YYYYmmdd-HHMMSS>-s<seed>[-name]``.

    Where another run has just taken that name, wait for the next second.
    """
    if name and not re.fullmatch(r"[\w.-]+", name):
        raise mistake("name of a run", got=repr(name), expected="letters, digits, dots, - and _")
    check_text(parent)
    while True:
        time_and_seed = f"{datetime.datetime.now():%Y%m%d-%H%M%S}-s{seed}"
        folder = parent / (f"{time_and_seed}-{name}" if name else time_and_seed)
        with writable(folder):
            try:
                folder.mkdir(parents=True)
                return folder
            except FileExistsError:
                time.sleep(0.1)


def chosen_folder(folder: Path, *, overwrite: bool = False) -> Path:
    """Create exactly ``folder``.

    Raises JnnError where it has contents, unless they are a run's and ``overwrite`` is set.
    """
    check_text(folder)
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
        raise mistake(
            str(folder),
            got="a folder that is not empty",
            expected="a new or empty one",
            remedy="Choose another --out, continue it with `jnn resume`, or replace it with "
            "--overwrite.",
        )
    begun = "status.json" in contents and contents <= _FIRST
    if contents and not begun and not is_run(folder):
        raise mistake(
            str(folder),
            got="--overwrite of a folder that is not a run's",
            expected="a run's folder",
            remedy="Choose another --out.",
        )
    return folder


def is_run(folder: Path) -> bool:
    """Whether a run was begun in the folder.

    Other folders have a ``config.json`` too, but not the files that a run writes beside it.
    """
    has = lambda name: (folder / name).is_file()
    return has("config.json") and (has("status.json") or has("env.json"))


def read_record(folder: Path) -> dict[str, Any]:
    """The ``config.json`` of a run: its experiment, source, config and config_hash.

    Raises JnnError where the folder holds no run, and where the config is no longer the one that
    the run began with.
    """
    if not is_run(folder):
        remedy = (
            "Give the path that `jnn run` printed, or runs/<experiment>/latest, that of the last "
            "run that was no smoke run."
        )
        raise mistake(str(folder), got="no run", expected="the folder of a run", remedy=remedy)
    path = folder / "config.json"
    record = records.read(folder, path.name)
    if hash_of(record["config"]) != record["config_hash"]:
        name = record.get("source") or record["experiment"]
        at_start = records.read(folder, "env.json").get("config_at_start") or {}
        edits = changes(at_start, record["config"] | (record.get("began") or {}))
        edited = ", ".join(edit for edit in edits if not edit.startswith("epochs:"))
        edited = edited or "config_hash"
        command = shlex.join(["jnn", "run", name, "--config", str(path)])
        raise mistake(
            str(path),
            got=f"a config edited since the run began ({edited})",
            expected="the same",
            remedy=f"Undo the edit; or begin a new run of it: {command}",
        )
    return record


PRETRAINED = "pretrained"
"""The folder in a run with a copy of what describes the pretrained model that it began with."""


def settings_at_hand(folder: Path, record: dict[str, Any]) -> dict[str, Any]:
    """The settings of a run, with its own copy of a pretrained model, which may be gone."""
    settings, copy = record["config"], folder.resolve() / PRETRAINED
    if settings.get("pretrained") and copy.is_dir():
        return settings | {"pretrained": str(copy)}
    return settings


def read_status(folder: Path) -> dict[str, Any]:
    """The ``status.json`` of a run; empty where it cannot be read, since a run can do without."""
    try:
        return records.read(folder, "status.json")
    except JnnError:
        return {}


def lock(folder: Path) -> IO[str]:
    """Lock the folder for this process, as long as the returned file is open.

    The operating system releases the lock however the process ends. Raises JnnError where another
    process holds it, naming that process.
    """
    check_text(folder)
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


def remove_contents(folder: Path) -> None:
    """Delete what a run wrote into the folder, and nothing else."""
    for name in CONTENTS:
        _remove(folder / name)


def sweep(folder: Path) -> None:
    """Delete half-written files of a process that was killed, but no run that it set aside.

    Only for the process that holds the lock.
    """
    for path in (*folder.glob(f"{TEMPORARY}*"), *folder.glob(f"*/{TEMPORARY}*")):
        if not path.name.startswith(REPLACED):
            _remove(path)


def _remove(path: Path) -> None:
    with writable(path):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def latest_of(parent: Path) -> Path | None:
    """The folder that the link ``latest`` in ``parent`` leads to; None where there is none."""
    link = parent / "latest"
    return link.resolve() if link.is_symlink() and link.exists() else None


def leave_latest(folder: Path, before: Path | None) -> None:
    """Point ``latest`` to the folder it led to before, unless it leads to another one by now."""
    if latest_of(folder.parent) != folder.resolve():
        return
    if before is not None and before.is_dir():
        point_latest(before)
    else:
        (folder.parent / "latest").unlink(missing_ok=True)


def point_latest(folder: Path) -> None:
    """Point the link ``latest`` beside the folder to it, where the file system has links."""
    link, temporary = folder.parent / "latest", folder.parent / f".latest-{os.getpid()}"
    try:
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(folder.name, target_is_directory=True)
        temporary.replace(link)
    except OSError:
        temporary.unlink(missing_ok=True)


def is_pretrained(name: str) -> bool:
    """Whether ``name`` is a folder with a model of `jnn.interop.load`, and no run."""
    folder = Path(name)
    if not folder.is_dir() or (folder / "status.json").exists() or (folder / "env.json").exists():
        return False
    return (folder / "config.json").exists() or any(folder.glob("*.safetensors*"))
