"""A comparison as text: the cells of a table, Markdown, CSV, and JSON values."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from typing import Any

from jnn.runs.comparison import Comparison, Row, Spread, spread
from jnn.runs.progress import duration, number

MOST_DECIMALS = 6
TINY = 1e-3
"""Where a column has no larger value it is written with exponents."""
LARGE = 1e3
"""From here on means need no decimals."""


def cells(comparison: Comparison, metrics: Sequence[str]) -> list[list[str]]:
    """A table with its head: the settings that differ, ``metrics`` as mean ± standard deviation,
    the best step and the time of a run, how many runs; then the baselines.

    >>> from jnn.runs.comparison import Result, compare
    >>> results = [Result(config={"rate": 0.1, "seed": seed}, metrics={"loss": 0.25 + seed / 50}) for seed in (0, 1)]
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
        columns[name] = spread_cells([row.metrics.get(name) for row in rows] + of_baselines)
    told = {
        "best step": ["" if row.best_step is None else f"{row.best_step:,.0f}" for row in rows],
        "time": ["" if row.seconds is None else duration(row.seconds) for row in rows],
        "runs": [_runs(row) for row in rows],
    }
    columns |= {name: shown + blank for name, shown in told.items() if any(shown)}
    return [list(columns), *map(list, zip(*columns.values(), strict=True))]


def setting(value: Any) -> str:
    """A setting as a user types it, lists as JSON.

    >>> [setting(value) for value in ("cnn", 0.001, True, [32, 64], None)]
    ['cnn', '0.001', 'true', '[32, 64]', 'null']
    """
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def spread_cells(spreads: Sequence[Spread | None]) -> list[str]:
    """A column of means and deviations with as many decimals as the smallest deviation needs for
    two digits; with no deviation four, or none for large means.

    >>> spread_cells([Spread(0.98765, 0.0123, ()), Spread(0.5, None, ()), None])
    ['0.988 ± 0.012', '0.500', '']
    """
    known = [each for each in spreads if each is not None and math.isfinite(each.mean)]
    sizes = [abs(each.mean) for each in known if each.mean]
    deviations = [each.deviation for each in known if each.deviation]
    if sizes and max(sizes) < TINY:
        written = number
    else:
        digits = (
            1 - math.floor(math.log10(min(deviations)))
            if deviations
            else 4
            if max(sizes, default=0.0) < LARGE
            else 0
        )
        written = lambda value: f"{value:,.{min(max(digits, 0), MOST_DECIMALS)}f}"
    width = max((len(written(each.mean)) for each in known), default=0)

    def cell(each: Spread | None) -> str:
        if each is None:
            return ""
        if not math.isfinite(each.mean):
            return "not a number"
        return written(each.mean).rjust(width) + (
            "" if each.deviation is None else f" ± {written(each.deviation)}"
        )

    return [cell(each) for each in spreads]


def markdown(comparison: Comparison) -> str:
    """The table of all metrics for a README."""
    head, *body = cells(comparison, comparison.metrics)
    line = lambda row: "| " + " | ".join(cell.strip().replace("|", "\\|") for cell in row) + " |"
    return "\n".join(
        [line(head), line(["---"] * len(head)), *map(line, body), "", caption(comparison), ""]
    )


def caption(comparison: Comparison) -> str:
    """What the numbers are."""
    return f"Mean ± standard deviation over seeds; {'less' if comparison.lowest else 'more'} {comparison.metric} is better."


def csv_text(comparison: Comparison) -> str:
    """The rows for other programs, with all digits: mean and deviation in columns of their own, the
    baselines left out.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    measured = [f"{name}{what}" for name in comparison.metrics for what in ("", " deviation")]
    writer.writerow([*comparison.settings, *measured, "best_step", "seconds", "runs", "unfinished"])
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
            [*settings, *values, row.best_step, row.seconds, len(row.results), row.unfinished]
        )
    return text.getvalue()


def as_json(comparison: Comparison) -> dict[str, Any]:
    """The comparison for machines: JSON values, but for NaN."""
    rows = [
        {
            "settings": row.settings,
            "metrics": {name: each._asdict() for name, each in row.metrics.items()},
            "best_step": row.best_step,
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
