"""One page about a run: the result beside its baselines, learning curves, plots, how to repeat it.

The page is a single file without scripts, which reads nothing from anywhere: figures are inside it
as data. It follows the reader's choice of light or dark and the width of the screen.
"""

import math
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.figure import Figure

from jnn.errors import mistake
from jnn.explain.page import html
from jnn.explain.page.figures import inline_images
from jnn.explain.page.markup import Markup
from jnn.explain.results.curves import Kept, learning_curves
from jnn.files import read_json, write_text
from jnn.runs.settings import changes
from jnn.wording import (
    DIRECTIONS,
    better,
    duration,
    is_finite,
    lowest_is_best,
    metric_name,
    number,
    ranked,
    sentence,
    setting,
    spreads,
    without_folders,
)

PIXELS = 96
"""Pixels of an inch of a figure, where the screen is wide enough."""

SMOKE = (
    "This is a smoke run:",
    "a few examples and steps, to see that everything works. Its numbers mean nothing.",
)


class Section(NamedTuple):
    """A part of the report: a heading, a sentence that explains it, and a figure or text."""

    title: str
    """The plot in the field's word, such as ``"Confusion matrix"``."""
    text: str
    figure: Figure | Markup | str | None = None
    """A figure, coloured text, or, in fixed-width letters, a table."""


class MainMetric(NamedTuple):
    """The metric by which the model is compared with its baselines."""

    name: str
    lowest: bool | None
    """Whether the lowest value is the best; None where it is not stated."""


NO_METRIC = "Its task has no test, so there is no metric to report."


def write_report(
    folder: Path | str,
    *,
    title: str,
    summary: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]] = (),
    sections: Sequence[Section] = (),
    about: Any = None,
) -> Path:
    """Write ``folder/report.html``, a self-contained page of at most 2 MB, and return its path.

    ``summary``  what ``summary.json`` holds: ``metrics`` and, where there are any, ``baselines``
                 (their name -> the main metric on the same split, or several metrics), ``metric``
                 (``name`` and ``direction`` of the main one), ``kept`` (``metric``, ``direction``,
                 ``step`` and ``value`` of the kept params), ``parameters``, ``seconds``, ``steps``,
                 ``seed``, ``device``, ``versions``, ``config``, ``experiment``, and ``data`` (its
                 name, fingerprint, sizes: text or a mapping).
    ``rows``     the lines of ``metrics.jsonl``, for the learning curves.
    ``about``    whose ``metric`` and ``direction`` are used where the summary has none. Without
                 either the first metric is shown, and nothing is ranked.

    The command is read from ``command.txt`` in the folder where there is one. A task without a
    test has no metrics, which the report says. Raises `JnnError` for a summary without ``metrics``,
    for an unknown direction, and for a missing folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise mistake(
            "write_report", got=f"{folder}, which is no folder", expected="the folder of a run"
        )
    if "metrics" not in summary:
        raise mistake(
            "write_report",
            got="a summary without metrics",
            expected="{'metrics': {'test/accuracy': 0.99}, ...}",
        )
    metric = main_metric(summary, about)
    if rows:
        sections = [_learning_curves(rows, metric.name, summary), *sections]
    images = inline_images([section.figure for section in sections])
    pairs = enumerate(zip(sections, images, strict=True))
    parts = [
        _result(metric, summary),
        _lab(folder),
        *(_section(i, section, image) for i, (section, image) in pairs),
        _reproduction(folder, summary),
        _settings(summary),
    ]
    body = "\n".join(part for part in parts if part)
    path = folder / "report.html"
    lead = result_in_words(metric, summary)
    write_text(path, html.page(title, summary.get("experiment", ""), lead, body))
    return path


def _lab(folder: Path) -> str:
    """A link to ``lab.html``, where the run has one."""
    if not (folder / "lab.html").exists():
        return ""
    link = '<p><a href="lab.html">Look inside: the trained model runs in a page.</a></p>'
    text = "Give it inputs, see every value in it, and change what is inside."
    return html.section("lab", "See inside", text, link)


def main_metric(summary: Mapping[str, Any], about: Any = None) -> MainMetric:
    """The main metric of a run: that of its summary, else of its experiment, else the first or "".

    >>> metric = {"name": "test/nll", "direction": "lowest"}
    >>> main_metric({"metrics": {"test/nll": 0.1}, "metric": metric})
    MainMetric(name='test/nll', lowest=True)
    >>> main_metric({"metrics": {"test/nll": 0.1}})
    MainMetric(name='test/nll', lowest=None)
    """
    chosen = summary.get("metric") or {}
    for name, direction in (
        (chosen.get("name"), chosen.get("direction")),
        (getattr(about, "metric", None), getattr(about, "direction", None)),
    ):
        if name and name in summary["metrics"]:
            return MainMetric(name, lowest_is_best(direction))
    return MainMetric(next(iter(summary["metrics"]), ""), None)


def result_in_words(metric: MainMetric, summary: Mapping[str, Any]) -> str:
    """One sentence: the model's metric and how it compares with the best baseline.

    >>> summary = {"metrics": {"test/accuracy": 0.991}, "baselines": {"logistic regression": 0.96}}
    >>> result_in_words(MainMetric("test/accuracy", lowest=False), summary)
    'Test accuracy is 0.991, better than the best baseline, logistic regression (0.96), by 0.031.'
    """
    if not metric.name:
        return NO_METRIC
    value, baselines = summary["metrics"][metric.name], _baselines(metric.name, summary)
    start = f"{sentence(metric_name(metric.name))} is {number(value)}"
    finite = {name: baseline for name, baseline in baselines.items() if is_finite(baseline)}
    if not finite:
        return f"{start}; there is no baseline to compare it with."
    if not is_finite(value) or metric.lowest is None:
        return f"{start}."
    name = ranked(finite, metric.lowest)[0]
    best = finite[name]
    # one of them may have been rounded to float32
    if math.isclose(value, best, rel_tol=1e-6):
        return f"{start}, the same as the best baseline, {name}."
    if number(value) == number(best):
        return f"{start}, practically the same as the best baseline, {name}."
    verdict = "better" if (value < best) == metric.lowest else "worse"
    difference = abs(_as_written(value) - _as_written(best))
    return (
        f"{start}, {verdict} than the best baseline, {name} ({number(best)}), "
        f"by {number(difference)}."
    )


def _as_written(value: float) -> float:
    """A value with the digits that `number` writes, so that differences fit what is written."""
    return float(number(value).replace(",", ""))


def _baselines(metric: str, summary: Mapping[str, Any]) -> dict[str, Any]:
    """The main metric of each baseline that has it."""
    values = {
        name: value.get(metric) if isinstance(value, Mapping) else value
        for name, value in (summary.get("baselines") or {}).items()
    }
    return {name: value for name, value in values.items() if value is not None}


def _result(metric: MainMetric, summary: Mapping[str, Any]) -> str:
    config = summary.get("config") or {}
    warning = html.warning(*SMOKE) if config.get("smoke") else ""
    seconds = summary.get("seconds")
    facts = {
        "parameters": summary.get("parameters"),
        "steps": summary.get("steps"),
        "time": duration(seconds) if is_finite(seconds) else None,
    }
    facts = html.facts(
        {label: number(value) for label, value in facts.items() if value is not None}
    )
    if not metric.name:
        return html.section("result", "Result", "", warning + facts)
    model = config.get("model")
    name = f"this model ({model})" if isinstance(model, str) else "this model"
    values = {name: summary["metrics"][metric.name], **_baselines(metric.name, summary)}
    sizes = [float(value) if is_finite(value) else math.nan for value in values.values()]
    texts = dict(zip(values, spreads([(size, None) for size in sizes]), strict=True))
    lengths = dict(zip(values, sizes, strict=True))
    direction = f"; {better(metric.lowest)}" if metric.lowest is not None else ""
    bars = html.bar_table(
        sentence(metric_name(metric.name)) + direction,
        [
            (label, texts[label].strip(), lengths[label], label == name)
            for label in ranked(values, metric.lowest)
        ],
    )
    others = _other_metrics(name, metric.name, summary)
    return html.section("result", "Result", "", warning + bars + facts + others)


def _other_metrics(model: str, main: str, summary: Mapping[str, Any]) -> str:
    """A row for each metric but the main one, a column for each method that has some of them."""
    methods = {model: summary["metrics"], **(summary.get("baselines") or {})}
    methods = {
        method: values
        for method, values in methods.items()
        if isinstance(values, Mapping) and any(name != main for name in values)
    }
    names = dict.fromkeys(name for values in methods.values() for name in values if name != main)
    if not names:
        return ""
    if len(methods) == 1:
        values = next(iter(methods.values()))
        rows = {metric_name(name): number(values[name]) for name in names}
        return html.table("Other metrics", rows)
    cell = lambda values, name: number(values[name]) if name in values else ""
    rows = {
        metric_name(name): [cell(values, name) for values in methods.values()] for name in names
    }
    return html.grid("Other metrics", list(methods), rows)


def _learning_curves(
    rows: Sequence[Mapping[str, Any]], metric: str, summary: Mapping[str, Any]
) -> Section:
    """The curves, with the step whose params were kept where the summary says which."""
    kept, differ = summary.get("kept"), why_curves_differ(rows, summary.get("config") or {})
    if not kept:
        text = "The params of the last step were kept." if "kept" in summary else ""
        text = " ".join(filter(None, (text, differ)))
        return Section("Learning curves", text, learning_curves(rows, metric=metric))
    lowest = DIRECTIONS.get(kept.get("direction"))
    mark = Kept(kept["metric"], kept["step"], kept["value"], lowest)
    text = "The dotted line marks the step whose params were kept."
    text = " ".join(filter(None, (text, differ)))
    return Section("Learning curves", text, learning_curves(rows, metric=metric, kept=mark))


def why_curves_differ(rows: Sequence[Mapping[str, Any]], config: Mapping[str, Any]) -> str:
    """A sentence on the settings by which training is harder than validation, "" for none."""
    names = ("dropout", "word_dropout", "label_smoothing", "augmentation")
    active = [name.replace("_", " ") for name in names if config.get(name)]
    validated = any(name.startswith("validation/") for row in rows for name in row)
    if not active or not validated:
        return ""
    listed = ", ".join(active[:-1]) + " and " * (len(active) > 1) + active[-1]
    return (
        f"Training is measured with {listed}, validation without: the two curves of a metric are "
        "not of the same quantity, and training may look worse."
    )


def _section(i: int, section: Section, image: str | None) -> str:
    body = ""
    if image is not None and isinstance(section.figure, Figure):
        width = round(PIXELS * section.figure.get_figwidth())
        body = html.figure(image, section.title, section.text, width)
    elif isinstance(section.figure, Markup):
        body = section.figure
    elif isinstance(section.figure, str):
        body = html.preformatted(section.figure, section.title)
    return html.section(f"section-{i}", section.title, section.text, body)


def _reproduction(folder: Path, summary: Mapping[str, Any]) -> str:
    facts = {
        "seed": summary.get("seed"),
        "device": summary.get("device"),
        **_data(summary.get("data")),
        **(summary.get("versions") or {}),
    }
    facts = {name: str(value) for name, value in facts.items() if value is not None}
    changed = _changed_by_resumes(folder, summary)
    commands = _commands(folder, summary)[: None if changed else 1]
    shortened = [without_folders_of_words(command) for command in commands]
    body = html.preformatted("\n".join(shortened), "command") if commands else ""
    body += html.table("Seed, device, data and versions", facts) if facts else ""
    text = "The same command with the same versions, data and device gives the same numbers."
    if changed:
        text = (
            f"The run was resumed with other settings ({', '.join(changed)}). The same commands, "
            "each from the step at which the one before it had stopped, with the same versions, "
            "data and device give the same numbers."
        )
    if shortened != commands:
        text += " Absolute paths are shortened to their last names."
    return html.section("reproduce", "How to reproduce it", text, body)


def _commands(folder: Path, summary: Mapping[str, Any]) -> list[str]:
    """The commands that started and resumed the run, or one that repeats it."""
    path, name = folder / "command.txt", summary.get("experiment", "")
    lines = path.read_text(encoding="utf-8").strip().splitlines() if path.is_file() else []
    if lines or not name:
        return lines
    return [shlex.join(["jnn", "run", name, "--config", str(folder / "config.json")])]


def _changed_by_resumes(folder: Path, summary: Mapping[str, Any]) -> list[str]:
    """The settings that are not those that the run began with."""
    path, config = folder / "env.json", summary.get("config") or {}
    if not path.is_file():
        return []
    return changes(read_json(path).get("config_at_start") or config, config)


def without_folders_of_words(command: str) -> str:
    """A command with the last names of its absolute paths.

    >>> without_folders_of_words("jnn run a.py --out '/home/ada/my runs/x'")
    'jnn run a.py --out x'
    """
    try:
        words = shlex.split(command)
    except ValueError:  # a quotation mark without its other
        return without_folders(command)
    shortened = []
    for word in words:
        name, equals, value = word.rpartition("=")
        shortened.append(f"{name}{equals}{without_folders(value)}")
    return shlex.join(shortened) if shortened != words else command


def _data(data: Any) -> dict[str, str]:
    """The description of the data, as rows.

    >>> _data({"name": "digits", "examples": {"train": 1200, "test": 397}})
    {'data: name': 'digits', 'data: examples': 'train 1200, test 397'}
    """
    if not isinstance(data, Mapping):
        return {"data": without_folders(str(data))} if data else {}

    def text(value: Any) -> str:
        if isinstance(value, Mapping):
            return ", ".join(f"{name} {item}" for name, item in value.items())
        return without_folders(setting(value))

    return {f"data: {name}": text(value) for name, value in data.items()}


def _settings(summary: Mapping[str, Any]) -> str:
    """The config, without the seed, which is shown above."""
    config = summary.get("config") or {}
    above = {"seed"} & summary.keys()
    values = {
        name: without_folders(setting(value)) for name, value in config.items() if name not in above
    }
    return html.section("settings", "Settings", "", html.table("", values)) if values else ""
