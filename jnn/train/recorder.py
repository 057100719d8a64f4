"""The outputs of the training loop: rows of metrics, checkpoints and progress.

Without a run folder, rows are kept in memory alone and progress goes to standard error.
"""

import contextlib
import dataclasses
import os
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import jax

from jnn.checkpoints import Checkpoints
from jnn.errors import Diverged, Interrupted, JnnError, mistake
from jnn.files import JsonLines, plain
from jnn.processes import here
from jnn.runs.environment import conditions
from jnn.runs.loading import altered
from jnn.runs.progress import Progress
from jnn.runs.run import Run
from jnn.runs.settings import changes
from jnn.train.batch_faults import advice_on_rows, ranges_of_integers
from jnn.train.feed import Feed
from jnn.wording import tell

MOST_LINES = 100  # of plain progress in a run: an epoch each, or several in a run of more epochs


class Recorder:
    """The rows, checkpoints and progress of one call of `jnn.train.fit`."""

    def __init__(self, run: Run | None, feed: Feed, *, quiet: bool = False):
        self.run, self.rows, self._steps_per_epoch = run, [], feed.steps_per_epoch
        self._quiet = run.options.quiet if run else quiet
        self.say = run.say if run else partial(_tell, quiet)
        self._open = contextlib.ExitStack()
        self._checkpoints: Checkpoints | None = None
        if run:
            self._open.push(self._rescue)
            self._conditions, processes = conditions(), here()
            identity = {"experiment": run.experiment, "config": run.identity}
            identity |= {"data": feed.identity, **precision()}
            processes.agree("data", plain(feed.identity))
            self._checkpoints = self._open.enter_context(
                Checkpoints(run.checkpoints, fingerprint=identity, processes=processes)
            )
            self._open.callback(run.stepped, None)

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(self, *exception) -> None:
        self._open.__exit__(*exception)

    def restore(self, like: Any):
        """The newest checkpoint that verifies, or None.

        The rows logged after it are dropped, since these steps are repeated, and so are those that
        the experiment has logged of its step after training.
        """
        restored = self._checkpoints.restore(like) if self._checkpoints else None
        logged = restored.host.pop("rows", None) if restored else None
        if self.run:
            if not restored and any(row["step"] > 0 for row in self.run.metrics.rows()):
                self.say("no checkpoint to continue from: training begins again at step 0")
            self.run.metrics.truncate(restored.step if restored else 0, logged)
            self.rows = self.run.metrics.rows()
        if not restored:
            return None
        digest = restored.host.pop("log", None)
        for note in restored.notes:
            self.say(note)
        was = restored.host.pop("conditions", self._conditions)
        resumed_on = restored.host.pop("resumed_on", [])
        if changed := changes(was, self._conditions):
            resumed_on.append({"step": restored.step, "changed": changed})
            self.say(other_conditions(changed, f"step {restored.step}"))
        if self.run:
            self.run.resumed_on = resumed_on
        if logged is not None and len(self.rows) != logged:
            self.say(
                f"metrics.jsonl has {len(self.rows)} of the {logged} rows up to step "
                f"{restored.step}; the others are lost"
            )
        elif self.run and digest not in (None, self.run.metrics.digest()):
            remedy = "Put a copy of the file back, or delete it to resume without these rows."
            raise altered(self.run.metrics.path, restored.step, remedy)
        return restored

    def start(self, at: int, steps: int) -> Progress:
        """Begin to show progress, from step ``at`` on.

        Raises JnnError where the run has already taken more than ``steps`` steps.
        """
        if at > steps:
            raise mistake(
                "epochs",
                got=f"{steps:,} steps",
                expected=f"at least the {at:,} already taken",
                remedy="Resume it with more, or without --epochs.",
            )
        self._last_line = at // self._steps_per_epoch
        self._line_every = -(-steps // (MOST_LINES * self._steps_per_epoch))
        progress = Progress(
            steps,
            steps_per_epoch=self._steps_per_epoch,
            say=self.say,
            log=self.run.log if self.run else lambda text: None,
            start=at,
            quiet=self._quiet,
        )
        self._progress = self._open.enter_context(progress)
        return progress

    def stepped(self, at: int, count: int, seconds: float, row: dict[str, float]) -> None:
        """Record that ``count`` steps were taken, up to step ``at``.

        Raises the error of a checkpoint whose saving in the background has failed.
        """
        if self._checkpoints:
            self._checkpoints.check()
        if self.run:
            if not self.run.timings.is_written:
                self.run.take_first_step()
            self.run.stepped(at)
            self.run.timings.write(at, {"seconds": seconds, "steps": count})
        self._progress.update(at, {f"train/{name}": value for name, value in row.items()})

    def evaluating(self) -> contextlib.AbstractContextManager[None]:
        """The block of an evaluation."""
        return self._progress.evaluating()

    def row(self, at: int, values: Mapping[str, Any]) -> None:
        """Log metrics of step ``at``."""
        values = {name: float(value) for name, value in values.items()}
        self.rows.append({"step": at, **values})
        if self.run:
            self.run.metrics.write(at, values)
        self._progress.update(at, values)

    def line(self, at: int, *, last: bool) -> None:
        """Show a line if an epoch has ended since the last line.

        A run of more than `MOST_LINES` epochs shows one for several epochs.
        """
        epoch = at // self._steps_per_epoch
        if epoch - self._last_line >= self._line_every or last:
            self._progress.epoch(at, {})
            self._last_line = epoch

    def save(self, at: int, tree: Any, ledger: Any) -> None:
        """Save a checkpoint, in the background, once the rows up to it are on disk."""
        if self.run and self._checkpoints:
            self.run.metrics.synchronize()
            host = {"rows": self.run.metrics.count(), "log": self.run.metrics.digest()}
            host |= {"conditions": self._conditions, "resumed_on": self.run.resumed_on}
            self._checkpoints.save(at, tree, dataclasses.asdict(ledger) | host)

    def interrupted(self, signum: int) -> None:
        """End the run after a signal, once its checkpoint is on disk."""
        if self._checkpoints:
            self._checkpoints.wait()
        raise Interrupted(signum, of_all=True)

    def diverged(self, at: int, message: str, batch: Any) -> None:
        """End a run whose values are no longer finite, once its last good state is on disk.

        ``batch`` is that of the step, which is often the cause.
        """
        if self._checkpoints:
            self._checkpoints.wait()
        norms = [row for row in self.rows if "train/gradient_norm" in row]
        if norms:
            norm, step = norms[-1]["train/gradient_norm"], norms[-1]["step"]
            message += f" The gradient norm was {norm:.3g} around step {step}."
        message += " The update was not applied. "
        ranges = ranges_of_integers(batch)
        if of_data := advice_on_rows("Its batch", batch):
            message += of_data
        elif at == 0 and ranges:
            message += (
                f"No step before it was made, so look at the data: {ranges}; classes and tokens "
                "count from 0. If they are right, try a smaller learning rate."
            )
        else:
            message += "Try a smaller learning rate, or clip gradients (--clip 1)."
            if ranges:
                message += f" Or look at the data of this step, where {ranges}."
        if self.run:
            message += (
                f" The state of step {at} is saved, but with the same settings and data "
                f"{self.run.resume_command} ends at this step again."
            )
            if of_data:
                message += " Begin a new run with the mended data."
            elif "learning_rate" in self.run.config:
                message += (
                    " Add --learning-rate to resume it with a smaller one, or begin a new run "
                    "where its params are too large already."
                )
        raise Diverged(message)

    def _rescue(self, kind, error: BaseException | None, trace) -> None:
        """Keep the rows where the log of the run was taken away, and say where they are."""
        if not self.run or not self.rows:
            return
        try:
            self.run.metrics.check()
        except JnnError as lost:
            cause = error if isinstance(error, JnnError) else lost
            rescued = keep_beside(self.run.folder, self.rows)
            message = f"{cause} The {len(self.rows)} rows of metrics are in {rescued}."
            raise JnnError(message) from error


def precision() -> dict[str, bool]:
    """What distinguishes runs of 64 bits, for which other numbers are drawn and computed."""
    return {"jax_enable_x64": True} if jax.config.read("jax_enable_x64") else {}


def other_conditions(changed: list[str], at: str) -> str:
    """The notice that training goes on, from ``at`` on, under other `conditions`.

    >>> print(other_conditions(['cores: "2" -> "8"'], "step 40")[:71])
    Since step 40 was computed, conditions have changed (cores: "2" -> "8")
    """
    return (
        f"Since {at} was computed, conditions have changed ({', '.join(changed)}): from here on "
        "numbers may differ from those of a run that never stopped."
    )


def keep_beside(folder: Path, rows: list[dict[str, Any]]) -> Path:
    """Write rows into a new file beside the folder, or else where temporary files go."""
    for parent in (folder.parent, Path(tempfile.gettempdir())):
        with contextlib.suppress(OSError, JnnError):
            handle, name = tempfile.mkstemp(".jsonl", f"{folder.name}-metrics-", parent)
            os.close(handle)
            log = JsonLines(Path(name))
            for row in rows:
                log.write(row["step"], {key: row[key] for key in row if key != "step"})
            log.close()
            return log.path
    raise mistake(str(folder), got="no place for its rows", expected="a folder to write to")


def _tell(quiet: bool, text: str) -> None:
    if not quiet:
        tell(text)
