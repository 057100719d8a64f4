"""Running an experiment's ``main`` in a run folder, which records its result or its error."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import jax

from jnn.cli.interrupts import deferring
from jnn.cli.result_table import result_lines
from jnn.errors import Interrupted, JnnError, mistake
from jnn.processes import here
from jnn.processes.lookout import Lookout
from jnn.runs.experiments import Listing
from jnn.runs.run import Run
from jnn.train.experiment import main_of
from jnn.train.task import Task


def execute(
    module: ModuleType,
    config: Any,
    run: Run,
    listing: Listing,
    *,
    task: Task | None = None,
    stuck_after: float = 0.0,
) -> int:
    """Run the experiment, write its report, and print its result on standard output.

    The result is printed as a table, or with ``--json`` as the summary on one line. Of several
    processes the first does so. ``task`` is that of the experiment, where it is made already.
    ``stuck_after`` is that of `jnn.processes.lookout.Lookout`.
    """
    main = main_of(module, task)
    with run, watched(run, stuck_after), terminable():
        try:
            with profiled(run.folder, run.say) if run.options.profile else contextlib.nullcontext():
                result = main(config, run)
        except jax.errors.TracerBoolConversionError as error:
            raise JnnError(plain_sentence(error)) from error
        if not here().is_first:
            return 0
        summary = run.finish(result, metric=listing.metric)
        report(run, listing, summary, result.get("sections", []))
    if run.options.json:
        print(json.dumps(summary, ensure_ascii=False))
    else:
        print("\n".join(result_lines(summary)))
    return 0


@contextlib.contextmanager
def watched(run: Run, stuck_after: float) -> Iterator[None]:
    """Within the block a lookout ends this process where another one of the run is gone."""
    processes = here()
    if processes.count == 1 and not stuck_after:
        yield
        return

    def note(words: str) -> None:
        run.log(f"error: {words}")
        run.status("failed", message=words)

    with Lookout(run.home, processes, stuck_after=stuck_after, tell=note) as lookout:
        run.stepped = lookout.step
        yield


def report(run: Run, listing: Listing, summary: dict[str, Any], sections: list[Any]) -> None:
    """Write ``report.html``, and each figure of its sections as a file of its own in ``plots``.

    Before it, write ``lab.html``, in which the model runs, for the report to link to.
    """
    from jnn.cli.subject import keep_lab
    from jnn.explain.page.report import write_report
    from jnn.runs import About
    from jnn.runs.figures import laid_out
    from jnn.wording import title_of

    keep_lab(run)
    about = About(**{"task": listing.name, **listing.about})
    title = title_of(about.task, run.config.get)
    with laid_out(section.figure for section in sections):
        for section in sections:
            if hasattr(section.figure, "savefig"):
                name = re.sub(r"\W+", "-", section.title.lower()).strip("-")
                run.save_figure(name, section.figure)
        write_report(
            run.folder,
            title=title,
            summary=summary,
            rows=run.metrics.rows(),
            sections=sections,
            about=about,
        )


def plain_sentence(error: BaseException) -> str:
    """The message for an `if` on a traced array, with the line of code that has it."""
    jax_folder = str(Path(str(jax.__file__)).parent)
    frames = traceback.extract_tb(error.__traceback__)
    frames = [frame for frame in frames if not frame.filename.startswith((jax_folder, "<"))]
    line = ""
    if frames:
        line = f"{frames[-1].filename}, line {frames[-1].lineno}: `{frames[-1].line}`: "
    return (
        f"{line}an `if`, `while`, `and`, `or` or `not` on an array inside jit, where its value is "
        "not known. Use jnp.where or jax.lax.cond."
    )


@contextlib.contextmanager
def profiled(folder: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Profile the device and the host within the block, into ``folder/profile``.

    Afterwards, say how to view the profile. Raises JnnError where it cannot be written.
    """
    folder = folder / "profile"
    options = jax.profiler.ProfileOptions()
    options.python_tracer_level = 0  # its calls alone are more than the events that a trace keeps
    jax.profiler.start_trace(str(folder), profiler_options=options)
    try:
        yield
    except BaseException:
        with contextlib.suppress(jax.errors.JaxRuntimeError):
            jax.profiler.stop_trace()
        raise
    try:
        jax.profiler.stop_trace()
    except jax.errors.JaxRuntimeError as error:
        shutil.rmtree(folder, ignore_errors=True)
        got = str(error).splitlines()[0].rpartition("; ")[2]
        remedy = "The run's checkpoints are kept: make room, and resume it."
        raise mistake(str(folder), got=got, expected="a place to write to", remedy=remedy) from None
    traces = sorted(folder.glob("plugins/profile/*/*.trace.json.gz"))
    say(
        f"Profile: open {traces[-1] if traces else folder} at https://ui.perfetto.dev, "
        f"or `pip install xprof` and xprof {folder}"
    )


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """Within the block SIGTERM raises `Interrupted`.

    The run's status is then recorded also where SIGTERM arrives outside the training loop.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(signum, frame):
        raise Interrupted(signum)

    previous = signal.signal(signal.SIGTERM, deferring(stop))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
