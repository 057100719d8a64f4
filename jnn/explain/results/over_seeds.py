"""One metric of many configs: its mean over the seeds, with every seed as a dot."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jnn.errors import mistake
from jnn.explain import style
from jnn.wording import better, is_finite, metric_name, number, sentence, setting

WIDE = 30.0
"""Times between the largest and the smallest setting, from which an axis is logarithmic."""
NEAR = 0.05
"""Of the height of the axis, within which the names of baselines would overlap."""
MOST = 40
"""Rows of dots."""
LETTERS = 44
"""In a line of the name of a config."""
MEAN = {"markersize": 12, "markeredgewidth": 2}  # a dash, so that it hides no seed

Rows = Sequence[tuple[Mapping[str, Any], Sequence[float]]]


def over_seeds(
    metric: str,
    rows: Rows,
    *,
    lowest: bool | None,
    baselines: Mapping[str, float] | None = None,
) -> Figure:
    """One metric of many configs: their means over the seeds, and every seed as a dot.

    ``rows``       ``(settings, values)`` of each config: the settings that differ between configs,
                   and the metric of each seed.
    ``lowest``     whether the lowest value is the best; None leaves the configs in their order.
    ``baselines``  the same metric of other methods.

    Where one numeric setting differs it is the horizontal axis, with a line for each combination of
    the others. Where several do, or none, or there would be more lines than colours, each config is
    a row of dots, the best on top; of more than `MOST` the best, or the first, are drawn, and the
    title says so.

    Learning rates, and settings that are all positive and of more than one order of magnitude, have
    a logarithmic axis. Means are of the seeds whose value is finite, and the title says how many
    are not. Raises `JnnError` where no value is finite.

    >>> rows = [({"learning_rate": 0.1}, [2.0, 4.0]), ({"learning_rate": 0.01}, [1.0])]
    >>> over_seeds("test/loss", rows, lowest=True).axes[0].lines[0].get_ydata()
    array([1., 3.])
    """
    finite = lambda values: [float(value) for value in values if is_finite(value)]
    drawn = [(settings, finite(values)) for settings, values in rows if finite(values)]
    if not drawn:
        raise mistake(
            "over_seeds",
            got=f"{len(rows)} configs without a finite {metric}",
            expected="one that has some",
        )
    finite_baselines = {
        name: value for name, value in (baselines or {}).items() if is_finite(value)
    }
    direction = f" ({better(lowest)})" if lowest is not None else ""
    title = f"{sentence(metric_name(metric))}{direction}: mean and single seeds"
    runs, finite_runs = (sum(len(values) for _, values in which) for which in (rows, drawn))
    if finite_runs < runs:
        title += f"; without {runs - finite_runs:,} of {runs:,} runs, which have no finite value"
    x = _numeric_setting(drawn)
    if x is None:
        return _dots(metric, drawn, finite_baselines, lowest, title)
    return _curves(metric, drawn, finite_baselines, x, title)


def _numeric_setting(rows: Rows) -> str | None:
    """The one numeric setting that differs, if the others make no more lines than colours."""
    names = {name for settings, _ in rows for name in settings}
    numeric = [name for name in names if all(is_finite(settings.get(name)) for settings, _ in rows)]
    numeric = [name for name in numeric if len({settings[name] for settings, _ in rows}) > 1]
    if len(numeric) != 1:
        return None
    lines = {_label(settings, numeric[0]) for settings, _ in rows}
    return numeric[0] if len(lines) <= len(style.SERIES) else None


def _curves(metric: str, rows: Rows, baselines: Mapping[str, float], x: str, title: str) -> Figure:
    figure, axes = style.panels(width=6.4, height=4.0, title=title)
    ax = axes[0, 0]
    lines: dict[str, list[tuple[float, Sequence[float]]]] = {}
    for settings, values in rows:
        lines.setdefault(_label(settings, x), []).append((settings[x], values))
    for colour, (label, points) in zip(style.SERIES[: len(lines)], lines.items(), strict=True):
        points = sorted(points, key=lambda point: point[0])
        ax.plot(
            [at for at, _ in points],
            [np.mean(values) for _, values in points],
            "_-",
            color=colour,
            linewidth=1.6,
            label=label,
            **MEAN,
        )
        _scatter(
            ax,
            [at for at, values in points for _ in values],
            [value for _, values in points for value in values],
            colour,
        )
    for value in baselines.values():
        ax.axhline(value, color=style.QUIET, linewidth=0.9, linestyle=(0, (4, 3)))
    for names, value in _together(baselines, NEAR * np.ptp(ax.get_ylim())):
        ax.annotate(
            ", ".join(names),
            (1, value),
            xycoords=("axes fraction", "data"),
            ha="right",
            va="bottom",
            fontsize=8,
            color=style.QUIET,
        )
    values = [settings[x] for settings, _ in rows]
    if min(values) > 0 and ("learning_rate" in x or max(values) > WIDE * min(values)):
        ax.set_xscale("log")
    elif all(isinstance(value, int) for value in values):
        style.whole(ax.xaxis)
    if len(lines) > 1:
        style.legend(ax)
    style.gridded(ax)
    style.caption(ax, x=x.replace("_", " "), y=metric_name(metric))
    return figure


def _together(baselines: Mapping[str, float], distance: float) -> Iterator[tuple[list[str], float]]:
    """Names of baselines that are within a distance of each other, with the highest of them."""
    names: list[str] = []
    for name in sorted(baselines, key=lambda name: baselines[name]):
        if names and baselines[name] - baselines[names[-1]] > distance:
            yield names, baselines[names[-1]]
            names = []
        names.append(name)
    if names:
        yield names, baselines[names[-1]]


def _dots(
    metric: str, rows: Rows, baselines: Mapping[str, float], lowest: bool | None, title: str
) -> Figure:
    everything = [(_label(settings) or "all", values, style.ORANGE) for settings, values in rows]
    order = lambda line: 0.0 if lowest is None else np.mean(line[1]) * (1 if lowest else -1)
    if len(everything) > MOST:
        which = "first" if lowest is None else "best"
        title += f"; the {which} {MOST} of {len(everything):,} configs"
        everything = sorted(everything, key=order)[:MOST]
    everything += [(f"baseline {name}", [value], style.QUIET) for name, value in baselines.items()]
    everything.sort(key=order)
    labels = [textwrap.fill(label, LETTERS) for label, _, _ in everything]
    lines = max(label.count("\n") for label in labels) + 1
    height = 0.95 + (0.18 + 0.14 * lines) * len(everything)
    figure, axes = style.panels(width=6.4, height=height, title=title)
    ax = axes[0, 0]
    for y, (_, values, colour) in enumerate(everything):
        mean = float(np.mean(values))
        _scatter(ax, values, [y] * len(values), colour)
        ax.plot(mean, y, "|", color=colour, **MEAN)
        ax.annotate(
            number(mean),
            (1.02, y),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=9,
            color=style.INK,
            annotation_clip=False,
        )
    ax.set_yticks(range(len(everything)), labels)
    ax.set_ylim(len(everything) - 0.5, -0.5)
    style.gridded(ax, "both")
    style.caption(ax, x=metric_name(metric))
    return figure


def _scatter(ax: Axes, x: Sequence[float], y: Sequence[float], colour: str) -> None:
    """Single seeds, half transparent, so that equal ones show."""
    ax.plot(x, y, "o", color=colour, markersize=4, alpha=0.45, markeredgewidth=0, label="_seeds")


def _label(settings: Mapping[str, Any], without: str = "") -> str:
    """The settings in one line, as a user types them."""
    return ", ".join(
        f"{name} {setting(value)}" for name, value in settings.items() if name != without
    )
