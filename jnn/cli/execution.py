"""Running an experiment's ``main`` in a run folder, to its result or to the record of how it
ended.
"""

from __future__ import annotations

import contextlib
import json
import re
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import jax

from jnn.cli.experiments import Listing
from jnn.cli.result_table import result_lines
from jnn.errors import Interrupted, JnnError
from jnn.runs.run import Run
from jnn.train.experiment import main_of


def execute(module: ModuleType, config: Any, run: Run, listing: Listing) -> int:
    """Run the experiment, write its report, and print its result on standard output: a table, or
    with ``--json`` the summary on one line.
    """
    main = main_of(module)
    with run, terminable():
        try:
            with profiled(run.folder, run.say) if run.options.profile else contextlib.nullcontext():
                result = main(config, run)
        except jax.errors.TracerBoolConversionError as error:
            raise JnnError(plain_sentence(error)) from error
        summary = run.finish(result, metric=listing.metric)
        report(run, listing, summary, result.get("sections", []))
    if run.options.json:
        print(json.dumps(summary, ensure_ascii=False))
    else:
        print("\n".join(result_lines(summary)))
    return 0


def report(run: Run, listing: Listing, summary: dict[str, Any], sections: list[Any]) -> None:
    """Write ``report.html``, and each figure of its sections as a file of its own in ``plots``."""
    from jnn.explain.page.report import write_report
    from jnn.runs import About

    for section in sections:
        if hasattr(section.figure, "savefig"):
            run.save_figure(re.sub(r"\W+", "-", section.title.lower()).strip("-"), section.figure)
    about = About(**{"task": listing.name, **listing.about})
    what = ", ".join(
        str(run.config[name]).replace("_", " ")
        for name in ("data", "target", "model")
        if name in run.config
    )
    title = f"{about.task.capitalize()}: {what}" if what else about.task.capitalize()
    write_report(
        run.folder,
        title=title,
        summary=summary,
        rows=run.metrics.rows(),
        sections=sections,
        about=about,
    )


def plain_sentence(error: BaseException) -> str:
    """What an `if` on a traced array means, with the line that holds it."""
    jax_folder = str(Path(str(jax.__file__)).parent)
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith((jax_folder, "<"))
    ]
    line = (
        f"{frames[-1].filename}, line {frames[-1].lineno}: `{frames[-1].line}`: " if frames else ""
    )
    return (
        f"{line}an `if`, `while`, `and`, `or` or `not` on an array inside jit, where its value is "
        "not known. Use jnp.where or jax.lax.cond."
    )


@contextlib.contextmanager
def profiled(folder: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Record what the device and the host do within the block, into ``folder/profile``, and say how
    to look at it.
    """
    folder = folder / "profile"
    with jax.profiler.trace(str(folder)):
        yield
    traces = sorted(folder.glob("plugins/profile/*/*.trace.json.gz"))
    say(
        f"Profile: open {traces[-1] if traces else folder} at https://ui.perfetto.dev, "
        f"or `pip install xprof` and xprof {folder}"
    )


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """Within the block SIGTERM raises `Interrupted`, so that how it ended is written also outside
    the training loop.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(signum, frame):
        raise Interrupted(signum)

    previous = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
