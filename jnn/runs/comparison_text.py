"""A comparison as text: the cells of a table, Markdown, CSV, and JSON values."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from jnn.runs.comparison import Comparison, Row, spread
from jnn.wording import duration, setting, spreads


def cells(comparison: Comparison, metrics: Sequence[str]) -> list[list[str]]:
    """The cells of a table, its head first: a row for each config, then the baselines.

    The columns are the settings that differ, ``metrics`` as mean ± standard deviation, the step
    whose params were kept, the time of a run, and the number of runs.

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
    labels = [f"baseline {name}" for name in baselines]
    columns = {
        name: column + (labels if name == first else blank) for name, column in columns.items()
    }
    for name in metrics:
        values = [row.metrics.get(name) for row in rows]
        values += [spread([of[name]]) if name in of else None for of in baselines.values()]
        columns[name] = spreads([value and (value.mean, value.deviation) for value in values])
    of_runs = {
        "kept step": ["" if row.kept_step is None else f"{row.kept_step:,.0f}" for row in rows],
        "time": ["" if row.seconds is None else duration(row.seconds) for row in rows],
        "runs": [_runs(row) for row in rows],
    }
    columns |= {name: column + blank for name, column in of_runs.items() if any(column)}
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
    """The rows as CSV, with all digits and without the baselines.

    Means and deviations have columns of their own.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    measured = [f"{name}{suffix}" for name in comparison.metrics for suffix in ("", " deviation")]
    writer.writerow([*comparison.settings, *measured, "kept_step", "seconds", "runs", "unfinished"])
    for row in comparison.rows:
        cells = [
            setting(row.settings[name]) if name in row.settings else ""
            for name in comparison.settings
        ]
        for name in comparison.metrics:
            measure = row.metrics.get(name)
            cells += [measure.mean, measure.deviation] if measure else [None, None]
        writer.writerow([*cells, row.kept_step, row.seconds, len(row.results), row.unfinished])
    return text.getvalue()


def as_json(comparison: Comparison) -> dict[str, Any]:
    """The comparison as JSON values, except that NaN is NaN."""
    rows = [
        {
            "settings": row.settings,
            "metrics": {name: value._asdict() for name, value in row.metrics.items()},
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
    done = len(row.results)
    return f"{done} of {done + row.unfinished}" if row.unfinished else f"{done}"
