"""The progress of training: a live line on a terminal, elsewhere one plain line an epoch."""

from __future__ import annotations

import contextlib
import math
import os
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import IO, Any

from jnn.wording import duration, significant

HIDDEN = ("learning_rate", "gradient_norm")
"""Metrics that are logged but not shown: the last parts of their names."""


class Progress:
    """Loss, metrics, steps per second and time left, from step ``start`` to ``steps``.

    On a terminal one live line is rewritten in place; elsewhere `epoch` prints one line without
    control characters. ``say`` gets the lines for the user and the log (`Run.say`), ``log`` those
    for the log alone (`Run.log`). With ``quiet``, lines are logged but not shown.

    >>> nowhere = open(os.devnull, "w")
    >>> with Progress(100, steps_per_epoch=50, say=print, log=print, stream=nowhere) as progress:
    ...     progress.update(50, {"train/loss": 0.25})
    ...     progress.epoch(50, {"validation/accuracy": 0.9})
    epoch 1/2  step 50/100  train/loss 0.2500  validation/accuracy 0.9000  ... steps/s  ... left
    """

    def __init__(
        self,
        steps: int,
        *,
        steps_per_epoch: int,
        say: Callable[[str], None],
        log: Callable[[str], None],
        start: int = 0,
        quiet: bool = False,
        hidden: Collection[str] = HIDDEN,
        stream: IO[str] | None = None,
    ):
        self.steps, self.steps_per_epoch, self.step = steps, steps_per_epoch, start
        self._say, self._log, self._hidden = say, log, hidden
        self._start, self._began, self._compiling = start, time.monotonic(), 0.0
        self._metrics: dict[str, float] = {}
        self._stream = stream or sys.stderr
        self._live: Any = None
        self._wants_live = not quiet and is_terminal(self._stream)

    def __enter__(self) -> Progress:
        self._began = time.monotonic()
        if self._wants_live:
            self._live = _live_line(self._stream, self.steps, self._start)
            with contextlib.suppress(OSError):  # where the terminal is gone, training goes on
                self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._live is not None:
            with contextlib.suppress(OSError):
                self._live.stop()
            self._live = None

    def update(self, step: int, metrics: Mapping[str, Any]) -> None:
        """Show that ``step`` steps are done; metrics that are not given keep their last value."""
        self.step = step
        self._metrics |= {name: float(value) for name, value in metrics.items()}
        if self._live is not None:
            self._live.update(self._live.task_ids[0], completed=step, text=self.text())

    def epoch(self, step: int, metrics: Mapping[str, Any]) -> None:
        """Update at the end of an epoch, which gets a line of its own.

        The line goes to the log, and to the user where there is no live line.
        """
        self.update(step, metrics)
        (self._say if self._live is None else self._log)(self.text())

    @contextlib.contextmanager
    def compiling(self, program: str) -> Iterator[None]:
        """Say that ``program`` is compiled within the block, and how long that took.

        This time does not count as training.
        """
        self._say(f"compiling {program} ...")
        began = time.monotonic()
        yield
        seconds = time.monotonic() - began
        self._compiling += seconds
        self._say(f"compiled {program} in {seconds:.1f} s")

    @property
    def steps_per_second(self) -> float:
        """The mean speed since the start, without compilation."""
        seconds = time.monotonic() - self._began - self._compiling
        return (self.step - self._start) / seconds if seconds > 0 else 0.0

    def text(self) -> str:
        """The state of training on one line."""
        epochs, speed = math.ceil(self.steps / self.steps_per_epoch), self.steps_per_second
        parts = [
            f"epoch {min(epochs, math.ceil(self.step / self.steps_per_epoch))}/{epochs}",
            f"step {self.step}/{self.steps}",
        ]
        for name, value in self._metrics.items():
            if name.split("/")[-1] not in self._hidden:
                parts.append(f"{name} {significant(value)}")
        if speed > 0:
            parts.append(f"{significant(speed)} steps/s")
            if self.step < self.steps:
                parts.append(f"{duration((self.steps - self.step) / speed)} left")
        return "  ".join(parts)


def is_terminal(stream: IO[str]) -> bool:
    """Whether the stream is a terminal whose lines can be rewritten in place."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def _live_line(stream: IO[str], steps: int, start: int) -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn
    from rich.table import Column

    text = TextColumn(
        "{task.fields[text]}", table_column=Column(no_wrap=True, overflow="ellipsis"), markup=False
    )
    bar = Progress(
        BarColumn(bar_width=20), text, console=Console(file=stream), refresh_per_second=8
    )
    bar.add_task("", total=steps, completed=start, text="")
    return bar
