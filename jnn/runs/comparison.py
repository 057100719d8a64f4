"""Results side by side: one row for each config, with mean and standard deviation over its seeds.

These are pure functions from results to rows. The results come from run folders or from a sweep.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from jnn.runs.settings import flat


@dataclass(frozen=True, kw_only=True)
class Result:
    """What one run set and measured."""

    config: Mapping[str, Any]
    """Its settings, as JSON values."""
    metrics: Mapping[str, Any]
    """What it measured at its end; empty for a run that is not done."""
    experiment: str = ""
    baselines: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """``{name of the baseline: {metric: value}}``."""
    metric: Mapping[str, Any] = field(default_factory=dict)
    """The ``name`` of the metric that counts in it, and its ``direction``."""
    kept: Mapping[str, Any] | None = None
    """The metric, direction, step and value by which its params were kept; None for the last."""
    seconds: float | None = None
    folder: str = ""
    state: str = "done"
    """In words, where it is not done."""


class Spread(NamedTuple):
    """Values over seeds, with their mean and their standard deviation.

    The deviation has n - 1 in the denominator; it is None for a single value.
    """

    mean: float
    deviation: float | None
    values: tuple[float, ...]


class Row(NamedTuple):
    """The runs that differ in their seed alone."""

    settings: dict[str, Any]
    """Those that differ between rows, without the ones that a run does not have."""
    metrics: dict[str, Spread]
    kept_step: float | None
    """Mean over the seeds of the step whose params were kept; None where the last ones were."""
    seconds: float | None
    """Mean over the seeds."""
    results: list[Result]
    """Those that are done, one a seed."""
    unfinished: int
    """Seeds whose run is not done."""


class Comparison(NamedTuple):
    """The rows, the best of ``metric`` first, where it is known which is better."""

    metric: str
    lowest: bool | None
    settings: list[str]
    """The names of the settings that differ."""
    metrics: list[str]
    """The metrics that all runs have, ``metric`` first."""
    rows: list[Row]
    baselines: dict[str, dict[str, float]]
    """The baselines that are equal in all runs."""
    repeated: int
    """Results omitted because a later one has the same config and seed."""


def compare(results: Sequence[Result], *, metric: str, lowest: bool | None) -> Comparison:
    """The results as rows, the best of ``metric`` first.

    The best is the highest, or with ``lowest`` the lowest; where ``lowest`` is None, rows keep the
    order of the results. ``results`` are in the order of time: of several with the same config and
    seed the last counts. All that are done must have ``metric``.

    >>> results = [
    ...     Result(config={"rate": rate, "seed": seed}, metrics={"loss": rate + seed})
    ...     for rate in (5, 1)
    ...     for seed in (0, 1)
    ... ]
    >>> for row in compare(results, metric="loss", lowest=True).rows:
    ...     print(row.settings, row.metrics["loss"])
    {'rate': 1} Spread(mean=1.5, deviation=0.707..., values=(1.0, 2.0))
    {'rate': 5} Spread(mean=5.5, deviation=0.707..., values=(5.0, 6.0))
    """
    names = differing(results)
    metrics = [metric, *(name for name in shared_metrics(results) if name != metric)]
    groups: dict[str, list[Result]] = {}
    for result in results:
        groups.setdefault(json.dumps(_settings(result), sort_keys=True), []).append(result)
    rows = [_row(group, names, metrics) for group in groups.values()]
    counted = [result for row in rows for result in row.results]
    done = sum(bool(result.metrics) for result in results)
    return Comparison(
        metric=metric,
        lowest=lowest,
        settings=names,
        metrics=metrics,
        rows=sorted(rows, key=lambda row: _rank(row.metrics.get(metric), lowest)),
        baselines=shared_baselines(counted),
        repeated=done - len(counted),
    )


def first_of_test(metrics: Iterable[str]) -> str:
    """The metric that counts where an experiment names none: the first of the test split.

    >>> first_of_test(["validation/loss", "test/accuracy", "test/loss"])
    'test/accuracy'
    """
    names = list(metrics)
    return next(iter([name for name in names if name.startswith("test/")] or names), "")


def by_metric(baselines: Mapping[str, Any], metric: str) -> dict[str, Mapping[str, Any]]:
    """Baselines as ``{name: {metric: value}}``; a single number is a value of ``metric``.

    >>> by_metric({"mean": 0.5, "ridge": {"test/r2": 0.7}}, "test/r2")
    {'mean': {'test/r2': 0.5}, 'ridge': {'test/r2': 0.7}}
    """
    return {
        name: value if isinstance(value, Mapping) else {metric: value}
        for name, value in baselines.items()
    }


def direction_of(results: Sequence[Result], metric: str) -> str:
    """Which values of a metric are better, as the results say; "" where none of them does.

    >>> kept = {"metric": "validation/loss", "direction": "lowest", "step": 5, "value": 0.1}
    >>> direction_of([Result(config={}, metrics={}, kept=kept)], "validation/loss")
    'lowest'
    """
    for result in results:
        if result.metric.get("name") == metric and result.metric.get("direction"):
            return result.metric["direction"]
        if result.kept and result.kept.get("metric") == metric:
            return result.kept["direction"]
    return ""


def differing(results: Sequence[Result]) -> list[str]:
    """The names of the settings that differ between results, without the seed.

    A setting that one experiment does not have at all makes no difference to another experiment
    that has it.
    """
    configs = [_settings(result) for result in results]

    def differs(name: str) -> bool:
        having = [config for config in configs if name in config]
        values = {json.dumps(config[name], sort_keys=True) for config in having}
        have = {config["experiment"] for config in having}
        lack = {config["experiment"] for config in configs if name not in config}
        return len(values) > 1 or bool(have & lack)

    names = dict.fromkeys(name for config in configs for name in config)
    return [name for name in names if differs(name)]


def shared_metrics(results: Sequence[Result]) -> list[str]:
    """The metrics that all results which are done have as numbers, null for NaN included."""

    def is_number(value: Any) -> bool:
        return isinstance(value, int | float | None) and not isinstance(value, bool)

    done = [result.metrics for result in results if result.metrics]
    return [
        name
        for name in (done[0] if done else ())
        if all(name in metrics and is_number(metrics[name]) for metrics in done)
    ]


def shared_baselines(results: Sequence[Result]) -> dict[str, dict[str, Any]]:
    """The baselines that are equal in all results."""
    first = results[0].baselines if results else {}
    return {
        name: dict(values)
        for name, values in first.items()
        if all(result.baselines.get(name) == values for result in results)
    }


def spread(values: Sequence[float | None]) -> Spread:
    """Mean and standard deviation of values over seeds; NaN where one of them is not finite.

    None is JSON's NaN.

    >>> spread([1.0, 2.0, 3.0])
    Spread(mean=2.0, deviation=1.0, values=(1.0, 2.0, 3.0))
    """
    numbers = tuple(math.nan if value is None else float(value) for value in values)
    if not all(map(math.isfinite, numbers)):
        return Spread(math.nan, None if len(numbers) == 1 else math.nan, numbers)
    deviation = statistics.stdev(numbers) if len(numbers) > 1 else None
    return Spread(statistics.fmean(numbers), deviation, numbers)


def _settings(result: Result) -> dict[str, Any]:
    settings = {"experiment": result.experiment, **flat(result.config)}
    return {name: value for name, value in settings.items() if name != "seed"}


def _row(group: Sequence[Result], names: Sequence[str], metrics: Sequence[str]) -> Row:
    seeds = {index: result.config.get("seed", f"run {index}") for index, result in enumerate(group)}
    done = {seeds[index]: result for index, result in enumerate(group) if result.metrics}
    results = list(done.values())
    settings = _settings(group[0])
    steps = [result.kept["step"] for result in results if result.kept]
    seconds = [result.seconds for result in results if result.seconds is not None]
    spreads = {}
    if results:
        spreads = {name: spread([result.metrics[name] for result in results]) for name in metrics}
    return Row(
        settings={name: settings[name] for name in names if name in settings},
        metrics=spreads,
        kept_step=statistics.fmean(steps) if steps else None,
        seconds=statistics.fmean(seconds) if seconds else None,
        results=results,
        unfinished=len(set(seeds.values()) - set(done)),
    )


def _rank(spread: Spread | None, lowest: bool | None) -> float:
    if spread is None or math.isnan(spread.mean):
        return math.inf
    if lowest is None:
        return 0.0
    return spread.mean if lowest else -spread.mean
