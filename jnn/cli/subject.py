"""What `jnn explain` shows of a run: its model, and examples of its data."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp

from jnn.data.tokenizers import read_tokenizer
from jnn.errors import JnnError, MissingDataError
from jnn.explain.lab.inputs import columns_in, columns_of, find_examples
from jnn.explain.lab.page import lab_page
from jnn.explain.lab.subject import Subject
from jnn.files import write_text
from jnn.loaded import experiment_of, load
from jnn.runs import About, records
from jnn.runs.folders import read_status
from jnn.runs.loading import logged
from jnn.runs.run import Run
from jnn.train.moments import kept_moments
from jnn.train.preparation import Preparation
from jnn.train.task import Task
from jnn.wording import is_finite, metric_name, number, title_of

_ROUNDED = (
    "The run computed in {}, and this page computes in float32: its numbers may differ from those "
    "of the run in their third digit."
)
_ENDED = {"diverged": "diverged", "failed": "failed", "interrupted": "was interrupted"}
"""The states of a run that did not end well, in words."""


def subject_of(folder: Path) -> Subject:
    """The model of the run in a folder, with examples where its data is on this machine.

    Raises `JnnError` as `jnn.load` does.
    """
    module, config = experiment_of(folder)
    summary = _summary(folder)
    precision = getattr(config, "precision", "float32")
    loaded = load(folder, precision=None if precision == "float32" else "float32")
    preparation = loaded.preparation
    tokenizer = preparation.tokenizer if preparation else None
    if tokenizer is None and (folder / "tokenizer.json").exists():
        tokenizer = read_tokenizer(folder / "tokenizer.json")
    data = _data(module, config)
    examples = find_examples(loaded.example, preparation, tokenizer, data)
    task = None if data is None or examples.part else _task(module, config, data)
    if task is not None:
        data, batch = task.raw() if task.raw else data, _batch(task)
        examples = find_examples(loaded.example, preparation, tokenizer, data, batch)
    return Subject(
        title=_title(module, loaded.config),
        model=loaded.model,
        params=loaded.params,
        state=loaded.state,
        example=loaded.example,
        preparation=preparation,
        tokenizer=tokenizer,
        examples=examples,
        columns=_columns(loaded.example, preparation, data),
        facts=_facts(summary),
        moments=kept_moments(folder, loaded.params, loaded.state),
        curves=_curves(folder, summary),
        notes=_notes(folder, precision),
        view=task.view if task else None,
    )


def _notes(folder: Path, precision: str) -> list[str]:
    """What a reader has to know of the run: how it ended, if not well, and its precision."""
    status = read_status(folder)
    notes = []
    if ended := _ENDED.get(status.get("state", "")):
        why = " ".join(str(status.get("message", "")).split()).partition(". ")[0].rstrip(".")
        notes.append(f"The run {ended}, and this page has the params that it had kept: {why}.")
    return notes if precision == "float32" else [*notes, _ROUNDED.format(precision)]


def _data(module: ModuleType, config: Any) -> Any:
    """The data of the run; None where it is not on this machine."""
    if not hasattr(module, "load_data"):
        return None
    try:
        return module.load_data(config, offline=True)
    except MissingDataError:
        return None


def _columns(example: Any, preparation: Preparation | None, data: Any) -> Sequence[str]:
    """The names of the columns of a table or a series, where they are known."""
    if preparation is not None and preparation.columns:
        return preparation.columns
    if not getattr(example, "shape", ()):
        return ()
    return columns_in(data, columns_of(example, preparation).shape[-1])


def _task(module: ModuleType, config: Any, data: Any) -> Task | None:
    """The task of the run; None where the experiment has a training of its own."""
    try:
        return module.task(config, data) if hasattr(module, "task") else None
    except JnnError:
        return None


def _batch(task: Task) -> Any:
    """A batch for training, or the inputs of the model in it; None where it cannot be read."""
    feed, key = task.feed, jax.random.key(0)

    def batch_of(raw: Any) -> Any:
        batch = feed.batch_of(raw, key, jnp.int32(0))
        return task.read(batch, key) if task.read else batch

    try:
        return jax.jit(batch_of)(next(feed.read(key, 0)))
    except JnnError:
        return None


def _title(module: ModuleType, config: Any) -> str:
    about = getattr(module, "ABOUT", None) or About(module.__name__.rpartition(".")[2])
    return title_of(about.task, lambda name: getattr(config, name, None))


def _curves(folder: Path, summary: Mapping[str, Any]) -> dict[str, list[tuple[int, float]]]:
    """The losses over the steps; without a loss of validation, the main metric of validation.

    It is the first metric of validation where the main one is of the test alone.
    """
    rows = logged(folder)
    names = dict.fromkeys(name for row in rows for name in row)
    validation = [name for name in names if name.startswith("validation/")]
    losses = [name for name in ("train/loss", "validation/loss") if name in names]
    main = "validation/" + _main_metric(summary).rpartition("/")[2]
    others = [main] if main in names else validation[:1]
    chosen = losses if len(losses) == 2 else [*losses, *others]
    return {
        name: [(row["step"], row[name]) for row in rows if is_finite(row.get(name))]
        for name in chosen
    }


def _facts(summary: Mapping[str, Any]) -> dict[str, str]:
    """The main metric, the number of params, the steps, as the summary has them."""
    main = _main_metric(summary)
    facts = {main: summary["metrics"].get(main)} if summary else {}
    facts |= {name: summary.get(name) for name in ("parameters", "steps")}
    numbers = {name: value for name, value in facts.items() if isinstance(value, int | float)}
    return {metric_name(name): number(value) for name, value in numbers.items()}


def _summary(folder: Path) -> dict[str, Any]:
    """The ``summary.json`` of a run; empty where it has none yet."""
    file = "summary.json"
    return records.read(folder, file) if (folder / file).exists() else {}


def _main_metric(summary: Mapping[str, Any]) -> str:
    from jnn.explain.page.report import main_metric

    return main_metric(summary).name if summary else ""


def keep_lab(run: Run, most: int = 5_000_000) -> None:
    """Write ``lab.html`` into the folder of a run that has its result, if it is small enough.

    Not in a smoke run, whose numbers mean nothing. Whatever is wrong with the page is logged: a run
    that has its result does not fail by it.
    """
    if run.config.get("smoke") or not (run.folder / "checkpoints").is_dir():
        return
    try:
        page = lab_page(subject_of(run.folder))
    except Exception as error:
        run.log(f"No lab.html: {type(error).__name__}: {error}")
        return
    if (size := len(page.encode())) > most:
        command = shlex.join(["jnn", "explain", str(run.folder)])
        run.log(f"No lab.html, which would have {size:,} bytes: {command}")
        return
    write_text(run.folder / "lab.html", page)
