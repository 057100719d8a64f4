"""One page about a run: the result beside its baselines, how training went, what the model does,
how to repeat it.

The page is a single file without scripts, which reads nothing from anywhere: figures are inside it
as data. It follows the reader's choice of light or dark and the width of the screen.
"""

import json
import math
import os
import shlex
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.figure import Figure

from jnn.errors import mistake
from jnn.explain.page import html
from jnn.explain.page.figures import inline_images
from jnn.explain.page.markup import Markup
from jnn.explain.results.curves import learning_curves
from jnn.wording import is_finite, lower_is_better, metric_name, number, ranked, sentence

READABLE = 72  # pixels an inch at which the letters of a figure can be read
WIDEST = 850  # pixels that a wide screen has for a figure


class Section(NamedTuple):
    """A part of the report: a heading, a sentence that says what one sees, and a figure, coloured
    text, or, in fixed-width letters, a table."""

    title: str
    text: str
    figure: Figure | Markup | str | None = None


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

    ``summary``   what ``summary.json`` holds: ``metrics`` and, where there are any, ``baselines``
                  (name -> the same metric on the same split), ``parameters``, ``seconds``,
                  ``steps``, ``seed``, ``device``, ``versions``, ``config``, ``experiment``,
                  ``data`` (its name, fingerprint, sizes: text or a mapping).
    ``rows``      the lines of ``metrics.jsonl``, for the learning curves.
    ``about``     whose ``metric`` (such as ``"test/accuracy"``) is the one that is compared;
                  without it the first one.

    The command is read from ``command.txt`` in the folder where there is one. Raises `JnnError`
    without a metric, or for a missing folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise mistake(
            "write_report", got=f"{folder}, which is no folder", expected="the folder of a run"
        )
    if not summary.get("metrics"):
        raise mistake(
            "write_report",
            got="a summary without metrics",
            expected="{'metrics': {'test/accuracy': 0.99}, ...}",
        )
    metric = getattr(about, "metric", "") or ""
    metric = metric if metric in summary["metrics"] else next(iter(summary["metrics"]))
    if rows:
        candidates = (f"validation/{metric.rsplit('/', 1)[-1]}", "validation/loss")
        watched = next((name for name in candidates if any(name in row for row in rows)), None)
        caption = (
            "The dotted line marks the best step on validation data."
            if watched
            else "No data were held out to choose the step by."
        )
        curves = Section("How training went", caption, learning_curves(rows, best=watched))
        sections = [curves, *sections]
    sources = inline_images([section.figure for section in sections])
    parts = [
        _result(metric, summary),
        *(
            _section(i, section, source)
            for i, (section, source) in enumerate(zip(sections, sources, strict=True))
        ),
        _reproduction(folder, summary),
        _settings(summary.get("config") or {}),
    ]
    task = getattr(about, "task", "") or summary.get("experiment", "")
    path = folder / "report.html"
    _write(
        path,
        html.page(
            title, task, result_in_words(metric, summary), "\n".join(part for part in parts if part)
        ),
    )
    return path


def result_in_words(metric: str, summary: Mapping[str, Any]) -> str:
    """One sentence: the model's metric and how it compares with the best baseline.

    >>> result_in_words("test/accuracy", {"metrics": {"test/accuracy": 0.991}, "baselines": {"logistic regression": 0.96}})
    'Test accuracy is 0.991, better than the best baseline, logistic regression (0.96), by 0.031.'
    """
    value, baselines, lowest = (
        summary["metrics"][metric],
        summary.get("baselines") or {},
        lower_is_better(metric),
    )
    start = f"{sentence(metric_name(metric))} is {number(value)}"
    finite = {name: baseline for name, baseline in baselines.items() if is_finite(baseline)}
    if not finite or not is_finite(value):
        return f"{start}." if finite else f"{start}; there is no baseline to compare it with."
    name = ranked(finite, lowest)[0]
    ahead = finite[name] - value if lowest else value - finite[name]
    # one of them may have been rounded to float32
    if math.isclose(value, finite[name], rel_tol=1e-6):
        return f"{start}, the same as the best baseline, {name}."
    return f"{start}, {'better' if ahead > 0 else 'worse'} than the best baseline, {name} ({number(finite[name])}), by {number(abs(ahead))}."


def _result(metric: str, summary: Mapping[str, Any]) -> str:
    lowest, baselines = lower_is_better(metric), summary.get("baselines") or {}
    smoke = (summary.get("config") or {}).get("smoke")
    warning = "<strong>This is a smoke run:</strong> a few examples and steps, to see that everything works. Its numbers mean nothing."
    model = (summary.get("config") or {}).get("model")
    name = f"this model ({model})" if isinstance(model, str) else "this model"
    values = {name: summary["metrics"][metric], **baselines}
    compared = html.bar_table(
        f"{sentence(metric_name(metric))}; {'less' if lowest else 'more'} is better",
        [
            (
                each,
                number(values[each]),
                float(values[each]) if is_finite(values[each]) else 0.0,
                each == name,
            )
            for each in ranked(values, lowest)
        ],
    )
    facts = {
        "parameters": summary.get("parameters"),
        "steps": summary.get("steps"),
        "time": _duration(summary.get("seconds")),
        "device": summary.get("device"),
        "seed": summary.get("seed"),
    }
    known = {
        what: number(value) if is_finite(value) else str(value)
        for what, value in facts.items()
        if value is not None
    }
    others = {
        metric_name(each): number(value)
        for each, value in summary["metrics"].items()
        if each != metric
    }
    body = (
        (f'<p class="warning" role="note">{warning}</p>' if smoke else "")
        + compared
        + html.facts(known)
    )
    return html.section(
        "result", "Result", "", body + (html.table("All other metrics", others) if others else "")
    )


def _section(i: int, section: Section, source: str | None) -> str:
    body = ""
    if source is not None and isinstance(section.figure, Figure):
        body = html.figure(
            source,
            f"{section.title}. {section.text}",
            min(WIDEST, round(READABLE * section.figure.get_figwidth())),
        )
    elif isinstance(section.figure, Markup):
        body = section.figure
    elif isinstance(section.figure, str):
        body = html.preformatted(section.figure, section.title)
    return html.section(f"section-{i}", section.title, section.text, body)


def _reproduction(folder: Path, summary: Mapping[str, Any]) -> str:
    command = folder / "command.txt"
    lines = command.read_text(encoding="utf-8").strip().splitlines() if command.is_file() else []
    name = summary.get("experiment", "")
    again = (
        shlex.join(["jnn", "run", name, "--config", str(folder / "config.json")]) if name else ""
    )
    text = "The same command with the same versions, data and device makes the same numbers."
    facts = {
        "seed": summary.get("seed"),
        "device": summary.get("device"),
        **_data(summary.get("data")),
        **(summary.get("versions") or {}),
    }
    body = html.preformatted(lines[0] if lines else again, "command") if lines or again else ""
    known = {what: str(value) for what, value in facts.items() if value is not None}
    return html.section(
        "reproduce",
        "How to reproduce it",
        text,
        body + (html.table("What it was made with", known) if known else ""),
    )


def _data(data: Any) -> dict[str, str]:
    """What is known of the data, as rows.

    >>> _data({"name": "digits", "examples": {"train": 1200, "test": 397}})
    {'data: name': 'digits', 'data: examples': 'train 1200, test 397'}
    """
    if not isinstance(data, Mapping):
        return {"data": str(data)} if data else {}
    return {
        f"data: {name}": ", ".join(f"{k} {v}" for k, v in value.items())
        if isinstance(value, Mapping)
        else _plain(value)
        for name, value in data.items()
    }


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _settings(config: Mapping[str, Any]) -> str:
    values = {name: _plain(value) for name, value in config.items()}
    return html.section("settings", "Settings", "", html.table("", values)) if values else ""


def _duration(seconds: Any) -> str | None:
    """Seconds in the units that people use.

    >>> _duration(41.2), _duration(754), _duration(7600)
    ('41 s', '12 min 34 s', '2 h 6 min')
    """
    if not is_finite(seconds):
        return None
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return (
        f"{minutes} min {rest} s"
        if minutes
        else f"{seconds:.2g} s"
        if seconds < 10
        else f"{rest} s"
    )


def _write(path: Path, text: str) -> None:
    """The file appears whole or not at all."""
    with tempfile.NamedTemporaryFile(
        "w", dir=path.parent, prefix=".report-", delete=False, encoding="utf-8"
    ) as stream:
        stream.write(text)
    os.chmod(stream.name, 0o644)
    os.replace(stream.name, path)
