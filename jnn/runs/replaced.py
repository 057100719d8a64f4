"""The run that a folder had, kept until the new one has taken a step."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Self

from jnn.files import writable
from jnn.runs.folders import CONTENTS, REPLACED, remove_contents, sweep


class Replaced:
    """What a run wrote into a folder, moved out of the way of a new run in a ``with`` statement.

    It is put back after an error, and where ``is_refused`` was set: a new run that comes to nothing
    costs no old one. Otherwise it is deleted, by `drop` or at the end. With ``resuming`` nothing is
    moved: the old run is the one that a process set aside which was killed before a step. Only for
    the process that holds the lock of the folder.
    """

    def __init__(self, folder: Path, *, resuming: bool = False):
        self.folder = folder
        self.resuming = resuming
        self.is_refused = False
        self._aside: Path | None = None

    def __enter__(self) -> Self:
        for left in self.folder.glob(f"{REPLACED}*"):  # by a process that was killed
            self._aside = left
            if _is_of_use(self.folder):
                self.drop()
            elif not self.resuming:
                _put_back(left)
                self._aside = None
        sweep(self.folder)
        if self.resuming:
            return self
        if not _is_of_use(self.folder):
            remove_contents(self.folder)
            return self
        with writable(self.folder):
            self._aside = Path(tempfile.mkdtemp(prefix=REPLACED, dir=self.folder))
            try:
                for path in _contents(self.folder):
                    path.rename(self._aside / path.name)
            except BaseException:
                _move_back(self._aside)
                raise
        return self

    def __exit__(self, kind, error, trace) -> None:
        if self._aside and (error or self.is_refused):
            _put_back(self._aside)
            self._aside = None
        self.drop()

    def __bool__(self) -> bool:
        """Whether there is an old run to put back."""
        return self._aside is not None

    def drop(self) -> None:
        """Delete the old run."""
        if self._aside:
            with writable(self._aside):
                shutil.rmtree(self._aside)
            self._aside = None


def _put_back(aside: Path) -> None:
    """Move an old run back into its folder, in place of what is there."""
    with writable(aside.parent):
        remove_contents(aside.parent)
        _move_back(aside)


def _move_back(aside: Path) -> None:
    for path in aside.iterdir():
        path.rename(aside.parent / path.name)
    aside.rmdir()


def _contents(folder: Path) -> list[Path]:
    paths = [folder / name for name in CONTENTS]
    return [path for path in paths if path.exists() or path.is_symlink()]


def _is_of_use(folder: Path) -> bool:
    """Whether the run in a folder has a checkpoint or a result."""
    return any(folder.glob("checkpoints/[0-9]*")) or (folder / "summary.json").is_file()
