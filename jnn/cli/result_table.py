"""The result of a run, beside its baselines on the same split."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jnn.cli.smoke import SMOKE
from jnn.cli.terminal import bold, dim
from jnn.runs.comparison import by_metric
from jnn.tables import table
from jnn.wording import aligned, duration, printable

MOST_COLUMNS = 4
"""Metrics in the table; the others are in ``summary.json``."""


def result_lines(summary: Mapping[str, Any]) -> list[str]:
    """A heading, the table with this run's model marked, and where the files are."""
    config, folder, metric = summary["config"], summary["folder"], summary["metric"]["name"]
    baselines = by_metric(summary["baselines"], metric)
    columns = chosen_columns(summary["metrics"], metric)
    model = f"▶ {config.get('model') or 'this run'}"
    rows = [["", *columns], [model, *_values(summary["metrics"], columns)]]
    rows += [[f"  {name}", *_values(values, columns)] for name, values in baselines.items()]
    head, ours, *others = table(rows, numbers=range(1, len(columns) + 1))
    lines = [_heading(summary), "", dim(head), bold(ours), *others, ""]
    if config.get("smoke"):
        lines += [f"{SMOKE},", "and `latest` does not lead to it.", ""]
    return [*lines, folder, f"{folder}/report.html"]


def chosen_columns(metrics: Mapping[str, Any], metric: str) -> list[str]:
    """The metrics that fit: the main one, then those of the test split, or all without any."""
    of_test = [name for name in metrics if name.startswith("test/")] or list(metrics)
    first = [metric] if metric in metrics else []
    return (first + [name for name in of_test if name != metric])[:MOST_COLUMNS]


def _heading(summary: Mapping[str, Any]) -> str:
    data = summary["config"].get("data")
    title = " on ".join(str(part) for part in (summary["experiment"], data) if part)
    facts = [
        f"{summary[name]:,} {name}" for name in ("parameters", "steps") if summary[name] is not None
    ]
    facts += [f"{duration(summary['seconds'])} on {summary['device']}", f"seed {summary['seed']}"]
    return f"{bold(printable(title))}: {', '.join(facts)}"


def _values(metrics: Mapping[str, Any], columns: list[str]) -> list[str]:
    return [aligned(metrics.get(name)) for name in columns]
