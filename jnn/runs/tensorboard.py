"""The log of a run, also written for TensorBoard."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jnn.errors import missing_extra
from jnn.files import JsonLines, plain, writable

FLUSH = 5  # seconds after which a row is on disk, for TensorBoard to see


class TensorBoardLines(JsonLines):
    """A log whose numbers are also TensorBoard events, in the folder ``tensorboard`` beside it.

    Whenever the log is opened, a new event file hides the earlier ones (from step 0 on) and repeats
    the rows of the log: TensorBoard shows the same rows as the log, also after a crash that lost
    events and after `truncate`.

    Events are written by the calling thread: the writing thread of tensorboardX ends at the first
    error, such as that of a full disk, and whoever adds to its queue then waits for ever.
    """

    def __init__(self, path: Path):
        super().__init__(path)
        self._folder = path.parent / "tensorboard"
        self._writer: Any = None
        self._flushed = 0.0

    def write(self, step: int, values: Mapping[str, Any]) -> None:
        """Append the values of one step to both."""
        with self._writable():
            writer = self._writer or self._begin()
            super().write(step, values)
            _add(writer, {"step": int(step), **plain(values)})
            if time.monotonic() > self._flushed + FLUSH:
                writer.flush()
                self._flushed = time.monotonic()

    def check(self) -> None:
        """Raise JnnError where either cannot be written."""
        super().check()
        if self._writer is not None:
            with self._writable():
                self._writer.flush()

    def close(self) -> None:
        """Close both; the next `write` opens them again."""
        super().close()
        writer, self._writer = self._writer, None
        if writer is not None:
            with writable(self._folder):
                writer.close()

    @contextlib.contextmanager
    def _writable(self) -> Iterator[None]:
        """Raise JnnError for a failure to write events, and write no more to that file."""
        with writable(self._folder):
            try:
                yield
            except OSError:
                with contextlib.suppress(OSError):  # the same failure again
                    writer, self._writer = self._writer, None
                    if writer is not None:
                        writer.close()
                raise

    def _begin(self) -> Any:
        """Begin an event file.

        Its name ends with a count, so that two begun in the same second differ and sort.
        """
        self._folder.mkdir(exist_ok=True)
        earlier = len(list(self._folder.glob("events.*")))
        self._writer = events_writer()(str(self._folder / "events"), f".{earlier:04d}")
        self._flushed = time.monotonic()
        if earlier:
            hides = _messages().SessionLog(status=_messages().SessionLog.START)
            self._writer.write_event(_messages().Event(step=0, session_log=hides))
        for row in self.rows():
            _add(self._writer, row)
        return self._writer


def _add(writer: Any, row: Mapping[str, Any]) -> None:
    from tensorboardX.summary import scalar

    for name, value in row.items():
        if name != "step" and isinstance(value, int | float) and math.isfinite(value):
            summary, now = scalar(name, value), time.time()
            writer.write_event(_messages().Event(wall_time=now, step=row["step"], summary=summary))


def _messages() -> Any:
    from tensorboardX.proto import event_pb2

    return event_pb2


def events_writer() -> type:
    """The class that writes events. Raises MissingExtraError where it is not installed."""
    try:
        from tensorboardX import event_file_writer
    except ImportError:
        raise missing_extra("--tensorboard needs tensorboardX", "tensorboard") from None
    return event_file_writer.EventsWriter
