"""A run: a folder with the settings, logs, checkpoints and result of one training.

It can be resumed.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import shlex
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from jnn.errors import Diverged, Interrupted, JnnError, mistake
from jnn.files import (
    JsonLines,
    overwrite_json,
    plain,
    replacing,
    writable,
    write_json,
    write_text,
)
from jnn.paths import check_expression
from jnn.runs.comparison import by_metric, first_of_test
from jnn.runs.environment import device_line, environment, version, versions
from jnn.runs.figures import png
from jnn.runs.folders import (
    chosen_folder,
    dated_folder,
    latest_of,
    leave_latest,
    lock,
    point_latest,
    read_record,
    read_status,
)
from jnn.runs.records import STATES, sealed
from jnn.runs.replaced import Replaced
from jnn.runs.settings import asked_of, hash_of
from jnn.runs.tensorboard import TensorBoardLines, events_writer
from jnn.runs.trackers import check_tracker, details, tracker_of, tracking
from jnn.wording import tell


class About(NamedTuple):
    """What an experiment says of itself, in literals, so that `jnn list` need not import it.

    ``metric`` is the name of the metric that is reported first, such as ``"test/accuracy"``, and
    ``direction`` which values of it are better: ``"highest"`` or ``"lowest"``.
    """

    task: str
    models: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    metric: str = ""
    direction: Literal["", "highest", "lowest"] = ""
    expected: str = ""
    cost: str = ""


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Options of a run that do not change its result."""

    offline: bool = False
    """Download nothing: data that is not on this machine is an error."""
    quiet: bool = False
    """No progress and no messages; the log has them."""
    json: bool = False
    """End with the summary as JSON on one line."""
    tensorboard: bool = False
    """Write the metrics for TensorBoard as well, into the run's folder."""
    track: Literal["none", "mlflow", "trackio", "wandb"] = "none"
    """A tracker of experiments that is told the metrics as well."""
    profile: bool = False
    """Record a profile of every operation into the run's folder; for a short run."""


class Run:
    """The folder of one run, and everything written into it.

    Made by `Run.create` or `Run.open`, and used in a ``with`` statement, which records how the run
    ended and unlocks the folder.

    ``folder`` is absolute; ``config`` is the settings as plain JSON values; ``resuming`` says that
    an earlier process began this run; ``metrics`` is the log of values that depend on the config
    alone, ``timings`` that of seconds and speeds, which vary. ``start`` is the run
    that it began from, and which params it took; None for its own. ``kept`` is the metric, its
    direction, the step and the value by which params were kept; None where the last ones were.
    ``resumed_on`` has the steps from which it went on under other conditions, such as another
    processor or version of JAX, and what changed. ``stepped`` is called with each step that
    training has come to, and with None at its end; ``trained`` is the step at which a training of
    this process has ended, None before; ``home`` is ``folder``, but for `Run.follow`.
    """

    def __init__(
        self,
        folder: Path,
        record: dict[str, Any],
        *,
        resuming: bool,
        options: RunOptions,
        holding: contextlib.ExitStack,
    ):
        self.folder = folder
        self.experiment: str = record["experiment"]
        self.source: str | None = record.get("source")
        self.config: dict[str, Any] = record["config"]
        self.config_hash: str = record["config_hash"]
        self._record = record
        self.resuming = resuming
        self.start: dict[str, str] | None = record.get("start")
        self.kept: dict[str, Any] | None = None
        self.resumed_on: list[dict[str, Any]] = []
        self.trained: int | None = None
        self.stepped: Callable[[int | None], Any] = lambda at: None
        self.home = folder
        self._before: Path | None = None
        self._replaced: Replaced | None = None
        self.options = options
        mirrored = options.tensorboard or (resuming and (folder / "tensorboard").is_dir())
        self.metrics = (TensorBoardLines if mirrored else JsonLines)(folder / "metrics.jsonl")
        self.timings = JsonLines(folder / "timings.jsonl")
        tracker = options.track if options.track != "none" else resuming and tracker_of(folder)
        self._tracking = holding.enter_context(contextlib.ExitStack())
        if tracker:
            told = tracking(folder, self.experiment, self.config, tracker, self.say)
            self.metrics.sink = self._tracking.enter_context(told)
        self._status = read_status(folder) if resuming else {}
        self._status_before = dict(self._status)
        self._finished = False
        seconds = self._status.get("seconds")
        self._earlier_seconds = seconds if isinstance(seconds, int | float) else 0.0
        self._began = time.monotonic()
        holding.callback(self.metrics.close)
        holding.callback(self.timings.close)
        self._holding = holding.pop_all()

    @classmethod
    def create(
        cls,
        experiment: str,
        config: Any,
        *,
        out: Path | str | None = None,
        root: Path | str = "runs",
        name: str = "",
        overwrite: bool = False,
        options: RunOptions | None = None,
        source: Path | None = None,
        start: Path | None = None,
        paths: str = ".*",
        command: str = "",
    ) -> Run:
        """Begin a run of ``config`` (a dataclass or a mapping) in a new folder.

        The folder is exactly ``out`` where that is given, else
        ``root/<experiment>/<YYYYmmdd-HHMMSS>-s<seed>[-name]``, and ``latest`` beside it leads to
        it, unless it is a smoke run, whose model is of no use; where the run fails before its first
        checkpoint, ``latest`` leads again to the run that it led to before. ``source`` is the
        experiment's file where it is the user's own; ``start`` is the run to begin from, with those
        of its params whose path the regular expression ``paths`` matches; ``command`` is the
        command line, by default from ``sys.argv``.

        With ``overwrite`` the run in ``out`` is replaced once the new one takes a step: where that
        ends by an error before, the old one is put back.

        Raises JnnError where ``out`` is not empty (with ``overwrite``: where it is not a run's), in
        use, or cannot be written.
        """
        if options and options.tensorboard:
            events_writer()
        if options and options.track != "none":
            check_tracker(options.track)
        machine, settings = environment(), plain(config)
        record = {
            "experiment": experiment,
            "source": str(source.resolve()) if source else None,
            "config": settings,
            **asked_of(config),
            "config_hash": hash_of(settings),
            "jnn": version("jnn"),
        }
        if start is not None:
            if settings.get("pretrained") != str(start.resolve()):  # whose folder is no run's
                read_record(start)
            check_expression("--paths", paths)
            if out is not None and Path(out).resolve() == start.resolve():
                got = f"--start of {out}, which the new run replaces"
                raise mistake("--out", got=got, expected="another folder")
            record["start"] = {"run": str(start.resolve()), "paths": paths}
        if out is not None:
            folder = chosen_folder(Path(out).absolute(), overwrite=overwrite)
        else:
            folder = dated_folder(Path(root).absolute() / experiment, settings.get("seed", 0), name)
        with contextlib.ExitStack() as stack:
            stack.enter_context(lock(folder))
            replaced = stack.enter_context(Replaced(folder))
            before = latest_of(folder.parent)
            if out is None and not settings.get("smoke"):
                point_latest(folder)
            run = cls(
                folder,
                record,
                resuming=False,
                options=options or RunOptions(),
                holding=stack,
            )
        run._before, run._replaced = before, replaced
        try:
            run._begin(command)
            write_json(folder / "env.json", machine | {"config_at_start": settings})
            run.keep_config()
            run.status("running")  # which can be resumed from here on
            write_text(folder / "README.md", run._readme())
        except BaseException as error:  # on a full disk, say
            run.__exit__(type(error), error, None)
            raise
        return run

    @classmethod
    def open(
        cls,
        folder: Path | str,
        *,
        epochs: int | None = None,
        learning_rate: float | None = None,
        mesh: str | None = None,
        options: RunOptions | None = None,
        command: str = "",
    ) -> Run:
        """Continue the run in ``folder``, to another number of ``epochs`` where that is given.

        From here on it has another ``learning_rate`` or ``mesh`` where they are given.
        `keep_config` saves all, and as ``began`` what the run began with of these two. Where this
        run is to replace another one, which was killed before a step, that one is still put back
        where it comes to nothing. Raises JnnError where the folder holds no run or is in use, and
        where its config was edited.
        """
        folder = Path(folder).absolute().resolve()
        record = read_record(folder)
        with contextlib.ExitStack() as stack:
            stack.enter_context(lock(folder))
            replaced = stack.enter_context(Replaced(folder, resuming=True))
            asked = {"epochs": epochs, "learning_rate": learning_rate, "mesh": mesh}
            changed = {name: value for name, value in asked.items() if value is not None}
            if "asked" in record:
                record["asked"] = sorted({*record["asked"], *changed})
            if epochs is not None:
                record["config"]["epochs"] = changed.pop("epochs")
            if changed:
                was = {name: record["config"].get(name) for name in changed}
                record["began"] = was | (record.get("began") or {})
                record["config"] |= changed
                record["config_hash"] = hash_of(record["config"])
            run = cls(
                folder,
                record,
                resuming=True,
                options=options or RunOptions(),
                holding=stack,
            )
        run._replaced = replaced
        try:
            run._begin(command)
        except BaseException as error:  # on a full disk, say
            run.__exit__(type(error), error, None)
            raise
        return run

    @classmethod
    def follow(cls, home: Path, record: dict[str, Any], *, resuming: bool) -> Run:
        """The run that another process writes into ``home``, with its ``record``.

        Of it this process writes its part of the checkpoints alone. Everything else, and what an
        experiment writes into ``folder``, goes into one that is removed at the end. It is quiet.
        """
        with contextlib.ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="jnn-")))
            (folder / "checkpoints").symlink_to(home / "checkpoints")
            if resuming and (home / "start").is_dir():
                (folder / "start").symlink_to(home / "start")
            options = RunOptions(offline=True, quiet=True)
            run = cls(folder, record, resuming=resuming, options=options, holding=stack)
        run.home = home
        run.status("running", message="")
        return run

    @property
    def record(self) -> dict[str, Any]:
        """What ``config.json`` has, or is to have, as JSON values."""
        return plain(self._record)

    def _begin(self, command: str) -> None:
        self.status("running", message="")
        self._append("command.txt", (command or shlex.join(["jnn", *sys.argv[1:]])) + "\n")
        resuming = "resuming " if self.resuming else ""
        seed = self.config.get("seed", 0)
        self.say(f"{resuming}{self.experiment}, seed {seed}, on {device_line()}")

    def _readme(self) -> str:
        repeat = ["jnn", "run", self.source or self.experiment]
        repeat += ["--config", str(self.folder / "config.json")]
        if self.start:
            repeat += ["--start", self.start["run"], "--paths", self.start["paths"]]
        return _README.format(
            experiment=self.experiment,
            folder=shlex.quote(str(self.folder)),
            repeat=shlex.join(repeat),
            path=json.dumps(str(self.folder), ensure_ascii=False),
        )

    def keep_config(self) -> None:
        """Write ``config.json``.

        Other settings of a resumed run are saved only once a step was taken with them, since they
        may be refused before.
        """
        write_json(self.folder / "config.json", self._record)

    def take_first_step(self) -> None:
        """Note that a step was taken: from now on this run stands for what the folder had before.

        The settings of a resumed run are saved, and the run that a new one overwrites is deleted.
        """
        if self.resuming:
            self.keep_config()
        if self._replaced:
            self._replaced.drop()

    def own(self, name: str, sha256: str) -> None:
        """Save in ``config.json`` that the file ``name`` of this checksum belongs to this run.

        It is done when a run begins: a copy of another run's file is noticed from then on.
        """
        if not self.resuming:
            self._record["files"] = self._record.get("files", {}) | {name: sha256}
            self.keep_config()

    @property
    def identity(self) -> dict[str, Any]:
        """The settings that the checkpoints of the run share: those it began with, but epochs."""
        settings = self.config | (self._record.get("began") or {})
        settings |= {"start": self.start} if self.start else {}
        return {name: value for name, value in settings.items() if name != "epochs"}

    @property
    def checkpoints(self) -> Path:
        """Where the checkpoints are."""
        return self.folder / "checkpoints"

    @property
    def plots(self) -> list[Path]:
        """The pictures saved so far, in the order of their names."""
        return sorted((self.folder / "plots").glob("*.png"))

    @property
    def resume_command(self) -> str:
        """The command that continues this run."""
        return shlex.join(["jnn", "resume", str(self.home)])

    @property
    def _resume(self) -> str | None:
        """The command that continues this run; None before its settings are saved."""
        return self.resume_command if (self.home / "config.json").is_file() else None

    @property
    def seconds(self) -> float:
        """Wall-clock seconds of the run, over all its processes, without the pauses between."""
        return self._earlier_seconds + time.monotonic() - self._began

    def say(self, text: str) -> None:
        """Print to standard error, unless quiet, and write to the log."""
        if not self.options.quiet:
            tell(text)
        self.log(text)

    def log(self, text: str) -> None:
        """Write to ``log.txt`` alone, with the time."""
        self._append("log.txt", f"{datetime.datetime.now():%Y-%m-%d %H:%M:%S}  {text}\n")

    def status(self, state: str, **more: Any) -> None:
        """Write ``status.json``: the state, one of `STATES`, and fields such as ``message``.

        Fields that are not given keep their value.
        """
        if state not in STATES:
            raise mistake("run.status", got=repr(state), expected=f"one of {', '.join(STATES)}")
        resume = None if state == "done" else self._resume
        now = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
        self._status |= {
            "state": state,
            **plain(more),
            "resume": resume,
            "seconds": round(self.seconds, 3),
            "updated": now,
        }
        write_json(self.folder / "status.json", self._status)

    def save_figure(self, name: str, figure: Any) -> Path:
        """Save a matplotlib figure as ``plots/<name>.png``."""
        path = self.folder / "plots" / f"{name}.png"
        with writable(path):
            path.parent.mkdir(exist_ok=True)
        with replacing(path) as temporary:
            temporary.write_bytes(png(figure))
        return path

    def finish(self, result: Any, *, metric: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Write ``summary.json`` from the result of the experiment's ``main``, and return it.

        ``result`` has ``metrics`` (``{"test/accuracy": 0.99}``) and may have ``baselines`` (name
        -> the same metric), ``parameters``, ``steps`` and ``data``; its ``sections`` are the
        report's. ``metric`` is the one that counts (``{"name", "direction"}``; without it the first
        of the test split, in no direction). ``kept`` says by which metric and at which step params
        were kept, as `jnn.train.fit` notes it, and ``resumed_on`` what had changed where it went
        on. ``sha256`` is of all of it, so that a change is noticed. The status becomes ``done`` at
        the end of the ``with``. Raises JnnError for anything but a dict whose metrics are numbers.
        """
        self._finished = True
        check_result(result, self.experiment)
        self.metrics.check()
        summary = {
            "experiment": self.experiment,
            "metrics": {},
            "kept": self.kept,
            "resumed_on": self.resumed_on,
            "baselines": {},
            "parameters": None,
            "seconds": round(self.seconds, 3),
            "steps": None,
            "seed": self.config.get("seed", 0),
            "device": device_line(),
            "versions": versions(),
        }
        summary |= {name: value for name, value in result.items() if name != "sections"}
        summary |= {"config": self.config, "folder": str(self.folder)}
        if self.metrics.sink:
            self.metrics.sink(int(result.get("steps") or 0), plain(result["metrics"]))
        summary["metric"] = metric or {"name": first_of_test(result["metrics"]), "direction": None}
        self.keep_config()
        summary = sealed(summary)
        write_json(self.folder / "summary.json", summary)
        return summary

    def close(self) -> None:
        """Unlock the folder for other processes."""
        self._holding.close()

    def __enter__(self) -> Run:
        return self

    def __exit__(self, kind, error: BaseException | None, trace) -> None:
        ended_by = error
        try:
            # the error that ended the run is the one to report, not a failure to record it
            suppressed = (JnnError,) if error else ()
            with contextlib.suppress(*suppressed):
                try:
                    self._note_end(error)
                except JnnError as failure:  # such as a full disk
                    ended_by = error or failure
                    self._note_end_in_place(None if error else failure)
                    raise
        finally:
            is_done = self._status["state"] == "done"  # as before, where a resume took no step
            self._tracking.__exit__(*details(None if is_done else ended_by))
            self.close()

    def _note_end_in_place(self, failure: JnnError | None) -> None:
        """Write the state over that in ``status.json``, which would say ``running`` for ever.

        A run that ended well but for this ``failure`` has failed. Unlike an atomic write it needs
        no space: a short file keeps its block of the disk.
        """
        if failure and self._status["state"] == "done":
            state = {"state": "failed", "message": str(failure), "resume": self._resume}
            self._status |= state
        message = str(self._status.get("message") or "")[:500]
        with contextlib.suppress(OSError):  # the folder is gone, say
            overwrite_json(self.folder / "status.json", self._status | {"message": message})

    def _note_end(self, error: BaseException | None) -> None:
        if isinstance(error, Exception) and not any(self.checkpoints.glob("[0-9]*")):
            leave_latest(self.folder, self._before)  # there is nothing to use
        if error is None:
            if self._status["state"] == "running":
                self.status("done", message="")
            return
        state, message = _end_by(error)
        if self._replaced and not self._is_begun:
            self._replaced.is_refused = True
            self.say(f"No step was taken, so {self.folder} has the run that it had before.")
            return
        remedy = f"Continue with: {self._resume}" if self._resume else "It had not begun."
        if not self._is_begun and self._status_before.get("state") in _ENDS:
            self._status = self._status_before
            write_json(self.folder / "status.json", self._status)
            remedy = f"No step was taken, so the run is {self._status['state']} as before."
        else:
            self.status(state, message=message)
        match error:
            case Interrupted() | KeyboardInterrupt():
                self.say(f"{message}. {remedy}")
            case JnnError():
                self.log(f"error: {message}")
            case _:
                self.log("".join(traceback.format_exception(error)))

    @property
    def _is_begun(self) -> bool:
        """Whether anything has come of the run in this process."""
        return self.metrics.is_written or self.timings.is_written or self._finished

    def _append(self, name: str, text: str) -> None:
        path = self.folder / name
        with writable(path), path.open("ab") as stream:
            stream.write(text.encode(errors="backslashreplace"))


_ENDS = ("done", "interrupted", "diverged")
"""The states that a resume leaves as they were, where it ends before a step."""


def _end_by(error: BaseException) -> tuple[str, str]:
    """The state and the message of a run that ended by this error."""
    match error:
        case Interrupted() | KeyboardInterrupt():
            return "interrupted", str(error) or "stopped by Ctrl-C"
        case Diverged():
            return "diverged", str(error)
        case JnnError():
            return "failed", str(error)
        case _:
            return "failed", f"{type(error).__name__}: {error}"


def check_result(result: Any, experiment: str) -> None:
    """Refuse a result of an experiment's ``main`` that `Run.finish` cannot record.

    Raises JnnError for anything but a dict whose ``metrics`` are one number each, and whose
    ``baselines``, if any, are each a number or metrics of their own.
    """

    def refuse(got: str, expected: str) -> JnnError:
        remedy = "The run's checkpoints are kept: fix main, then resume the run."
        return mistake(f"main of {experiment}", got=got, expected=expected, remedy=remedy)

    if not isinstance(result, Mapping) or not isinstance(result.get("metrics"), Mapping):
        expected = "a dict with 'metrics', as in {'metrics': {'test/accuracy': 0.99}}"
        raise refuse(f"{result!r} returned", expected)
    baselines = result.get("baselines") or {}
    if not isinstance(baselines, Mapping):
        raise refuse(f"baselines={baselines!r}", "a dict of baselines, as in {'mean': 0.5}")
    for table in (result["metrics"], *by_metric(baselines, "baseline").values()):
        for name, value in plain(table).items():
            if not isinstance(value, int | float | None):
                raise refuse(f"{name}={value!r}", "one number")


_README = """\
Run of {experiment}.

config.json has its settings, summary.json its result, metrics.jsonl its curves, plots/ and
report.html its pictures.

- Continue it: `jnn resume {folder}`
- Repeat it: `{repeat}`
- Use it on files: `jnn predict {folder} FILE...`; elsewhere, without jnn: `jnn export {folder}`
- Look into it: `jnn explain {folder}` writes lab.html, in which the model runs
- Use it in Python: `import jnn; run = jnn.load({path})`, then `run.predict(x)`. Where the
  folder has a preparation.json, x is a text, rows of a table in their own units, or pictures as
  bytes; otherwise it is prepared as the experiment's `load_data` prepares it. The model, its
  params and state are `run.model`, `run.params` and `run.state`.
"""
