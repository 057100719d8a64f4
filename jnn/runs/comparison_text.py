"""A comparison as text: the cells of a table, Markdown, CSV, and JSON values."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from typing import Any

from jnn.runs.comparison import Comparison, Row, Spread, spread
from jnn.wording import duration, setting, spreads


def cells(comparison: Comparison, metrics: Sequence[str]) -> list[list[str]]:
    """A table with its head: the settings that differ, ``metrics`` as mean ± standard deviation,
    the step whose params were kept and the time of a run, how many runs; then the baselines.

    >>> from jnn.runs.comparison import Result, compare
    >>> results = [
    ...     Result(config={"rate": 0.1, "seed": seed}, metrics={"loss": 0.25 + seed / 50})
    ...     for seed in (0, 1)
    ... ]
    >>> cells(compare(results, metric="loss", lowest=True), ["loss"])
    [['', 'loss', 'runs'], ['all', '0.260 ± 0.014', '2']]
    """
    rows, baselines = comparison.rows, comparison.baselines
    blank = [""] * len(baselines)
    columns = {
        name: [setting(row.settings.get(name, "")) for row in rows] for name in comparison.settings
    } or {"": ["all"] * len(rows)}
    first = next(iter(columns))
    columns = {
        name: shown + ([f"baseline {each}" for each in baselines] if name == first else blank)
        for name, shown in columns.items()
    }
    for name in metrics:
        of_baselines = [
            spread([values[name]]) if name in values else None for values in baselines.values()
        ]
        column = [row.metrics.get(name) for row in rows] + of_baselines
        columns[name] = spreads([each and (each.mean, each.deviation) for each in column])
    told = {
        "kept step": ["" if row.kept_step is None else f"{row.kept_step:,.0f}" for row in rows],
        "time": ["" if row.seconds is None else duration(row.seconds) for row in rows],
        "runs": [_runs(row) for row in rows],
    }
    columns |= {name: shown + blank for name, shown in told.items() if any(shown)}
    return [list(columns), *map(list, zip(*columns.values(), strict=True))]


def markdown(comparison: Comparison) -> str:
    """The table of all metrics for a README."""
    head, *body = cells(comparison, comparison.metrics)
    line = lambda row: "| " + " | ".join(cell.strip().replace("|", "\\|") for cell in row) + " |"
    return "\n".join(
        [line(head), line(["---"] * len(head)), *map(line, body), "", caption(comparison), ""]
    )


def caption(comparison: Comparison) -> str:
    """What the numbers are."""
    measured = "Mean ± standard deviation over seeds"
    if comparison.lowest is None:
        return f"{measured}; which {comparison.metric} is better is not known (--direction)."
    verdict = "lower" if comparison.lowest else "higher"
    return f"{measured}; {verdict} {comparison.metric} is better."


def csv_text(comparison: Comparison) -> str:
    """The rows for other programs, with all digits: mean and deviation in columns of their own, the
    baselines left out.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    measured = [f"{name}{what}" for name in comparison.metrics for what in ("", " deviation")]
    writer.writerow([*comparison.settings, *measured, "kept_step", "seconds", "runs", "unfinished"])
    for row in comparison.rows:
        settings = [
            setting(row.settings[name]) if name in row.settings else ""
            for name in comparison.settings
        ]
        spreads = [
            row.metrics.get(name) or Spread(math.nan, None, ()) for name in comparison.metrics
        ]
        values = [
            value
            for each in spreads
            for value in (each.mean if each.values else None, each.deviation)
        ]
        writer.writerow(
            [*settings, *values, row.kept_step, row.seconds, len(row.results), row.unfinished]
        )
    return text.getvalue()


def as_json(comparison: Comparison) -> dict[str, Any]:
    """The comparison for machines: JSON values, but for NaN."""
    rows = [
        {
            "settings": row.settings,
            "metrics": {name: each._asdict() for name, each in row.metrics.items()},
            "kept_step": row.kept_step,
            "seconds": row.seconds,
            "runs": [result.folder for result in row.results],
            "unfinished": row.unfinished,
        }
        for row in comparison.rows
    ]
    return {
        "metric": comparison.metric,
        "lowest": comparison.lowest,
        "rows": rows,
        "baselines": comparison.baselines,
    }


def _runs(row: Row) -> str:
    return (
        f"{len(row.results)} of {len(row.results) + row.unfinished}"
        if row.unfinished
        else f"{len(row.results)}"
    )
