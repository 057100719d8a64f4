"""A comparison as text: the cells of a table, Markdown, CSV and JSON values."""

from __future__ import annotations

from collections.abc import Sequence

from jnn.train.comparison import Comparison
from jnn.train.progress import duration

MOST_DECIMALS = 6


def cells(comparison: Comparison, metrics: Sequence[str]) -> list[list[str]]:
    """A table with its head, ready to be aligned: the settings that differ, ``metrics`` as mean ± standard deviation, the best step, the
    time of a run, the number of runs; then the baselines.

    >>> from jnn.train.comparison import Result, compare
    >>> results = [Result(config={"rate": 0.1, "seed": seed}, metrics={"loss": 0.25 + seed / 50}) for seed in (0, 1)]
    >>> cells(compare(results, metric="loss", lowest=True), ["loss"])
    [['', 'loss', 'runs'], ['all', '0.260 ± 0.014', '2']]
    """
    rows, baselines = comparison.rows, comparison.baselines
    settings = {name: [setting(row.settings[name]) if name in row.settings else "" for row in rows] for name in comparison.settings}
    columns = settings or {"": ["all"] * len(rows)}
    measured = {
        name: spread_cells([row.metrics.get(name) for row in rows], [each.get(name) for each in baselines.values()]) for name in metrics
    }
    told = {
        "best step": ["" if row.best_step is None else f"{row.best_step:,.0f}" for row in rows],
        "time": ["" if row.seconds is None else duration(row.seconds) for row in rows],
        "runs": [runs_of(row) for row in rows],
    }
    labels = [[f"baseline {name}"] + [""] * (len(columns) - 1) for name in baselines]
    body = [[*names] for names in zip(*columns.values(), strict=True)] + labels
    for values in measured.values():
        body = [[*line, value] for line, value in zip(body, values, strict=True)]
    told = {name: values for name, values in told.items() if any(values)}
    for values in told.values():
        body = [[*line, value] for line, value in zip(body, values + [""] * len(baselines), strict=True)]
    return [[*columns, *measured, *told], *body]
