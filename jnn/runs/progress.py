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

    The speed leaves out what happens once: compilation, the steps of the first `update`, and the
    first evaluation.

    >>> nowhere = open(os.devnull, "w")
    >>> with Progress(100, steps_per_epoch=50, say=print, log=print, stream=nowhere) as progress:
    ...     progress.update(1, {"train/loss": 0.5})
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
        self._start = start
        self._timed: tuple[int, float] | None = None  # the step and time of the first update
        self._first_evaluation: float | None = None  # its seconds
        self._metrics: dict[str, float] = {}
        self._stream = stream or sys.stderr
        self._live: Any = None
        self._wants_live = not quiet and is_terminal(self._stream)

    def __enter__(self) -> Progress:
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
        self.step = max(self.step, step)  # rows of steps within a dispatch come after it
        if self._timed is None:
            self._timed = self.step, time.monotonic()
        self._metrics |= {name: float(value) for name, value in metrics.items()}
        if self._live is not None:
            self._live.update(self._live.task_ids[0], completed=self.step, text=self.text())

    def epoch(self, step: int, metrics: Mapping[str, Any]) -> None:
        """Update at the end of an epoch, which gets a line of its own.

        The line goes to the log, and to the user where there is no live line.
        """
        self.update(step, metrics)
        (self._say if self._live is None else self._log)(self.text())

    @contextlib.contextmanager
    def compiling(self, program: str) -> Iterator[None]:
        """Say that ``program`` is compiled within the block, and how long that took."""
        self._say(f"compiling {program} ...")
        began = time.monotonic()
        yield
        self._say(f"compiled {program} in {time.monotonic() - began:.1f} s")

    @contextlib.contextmanager
    def evaluating(self) -> Iterator[None]:
        """Leave the time of the first such block out of the speed: it compiles."""
        began = time.monotonic()
        yield
        if self._first_evaluation is None:
            self._first_evaluation = time.monotonic() - began

    @property
    def steps_per_second(self) -> float:
        """The mean speed since the first update, without what happens once; 0 until it is known."""
        if self._timed is None:
            return 0.0
        step, began = self._timed
        seconds = time.monotonic() - began - (self._first_evaluation or 0.0)
        return (self.step - step) / seconds if seconds > 0 else 0.0

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
