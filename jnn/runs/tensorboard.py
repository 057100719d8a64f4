"""The log of a run, also written for TensorBoard."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jnn.errors import MissingExtraError
from jnn.files import JsonLines, plain, writable

FLUSH = 5  # seconds after which a row is on disk, for TensorBoard to see


class TensorBoardLines(JsonLines):
    """A log whose numbers are also TensorBoard events, in the folder ``tensorboard`` beside it.

    Whenever the log is opened, a new event file hides the earlier ones (``purge_step=0``) and
    repeats the rows of the log: TensorBoard shows the same rows as the log, also after a crash that
    lost events and after `truncate`.
    """

    def __init__(self, path: Path):
        super().__init__(path)
        self._folder = path.parent / "tensorboard"
        self._writer: Any = None

    def write(self, step: int, values: Mapping[str, Any]) -> None:
        """Append the values of one step to both."""
        with writable(self._folder):
            if self._writer is None:
                self._begin()
            super().write(step, values)
            self._add({"step": int(step), **plain(values)})

    def close(self) -> None:
        """Close both; the next `write` opens them again."""
        super().close()
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _begin(self) -> None:
        """Begin an event file.

        Its name ends with a count, so that two begun in the same second differ and sort.
        """
        earlier = len(list(self._folder.glob("events.*")))
        purge, suffix = 0 if earlier else None, f".{earlier:04d}"
        self._writer = summary_writer()(
            str(self._folder), purge_step=purge, filename_suffix=suffix, flush_secs=FLUSH
        )
        for row in self.rows():
            self._add(row)

    def _add(self, row: Mapping[str, Any]) -> None:
        for name, value in row.items():
            if name != "step" and isinstance(value, int | float) and math.isfinite(value):
                self._writer.add_scalar(name, value, row["step"])


def summary_writer() -> type:
    """The class that writes events. Raises MissingExtraError where it is not installed."""
    try:
        from tensorboardX import SummaryWriter
    except ImportError:
        raise MissingExtraError(
            '--tensorboard needs tensorboardX: pip install "jnn[tensorboard]".'
        ) from None
    return SummaryWriter
