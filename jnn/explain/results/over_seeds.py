"""One metric of many configs: its mean over the seeds, with every seed as a dot."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jnn.errors import mistake
from jnn.explain import style
from jnn.wording import is_finite, lower_is_better, metric_name, number, sentence

WIDE = 30.0  # times between the largest and the smallest setting, from which an axis is logarithmic
MEAN = {"markersize": 12, "markeredgewidth": 2}  # a dash, so that it hides no seed

Rows = Sequence[tuple[Mapping[str, Any], Sequence[float]]]


def over_seeds(
    metric: str,
    rows: Rows,
    *,
    baselines: Mapping[str, float] | None = None,
    lowest: bool | None = None,
) -> Figure:
    """The metric against the one numeric setting that differs, a line for each combination of the
    others; where more than one number differs, or none, or there would be more lines than colours,
    a line of dots for each config, the best on top.

    ``rows``       ``(settings, values)`` of each config: the settings that differ between configs,
                   and the metric of each seed.
    ``baselines``  the same metric of other methods.
    ``lowest``     whether less is better; by default judged by the metric's name.

    Learning rates, and settings that are all positive and of more than one order of magnitude, have
    a logarithmic axis. Means are of the seeds whose value is finite. Raises `JnnError` where no
    value is finite.

    >>> figure = over_seeds("test/loss", [({"learning_rate": 0.1}, [2.0, 4.0]), ({"learning_rate": 0.01}, [1.0])])
    >>> figure.axes[0].lines[0].get_ydata()
    array([1., 3.])
    """
    finite = [
        (settings, [float(value) for value in values if is_finite(value)])
        for settings, values in rows
    ]
    drawn = [(settings, values) for settings, values in finite if values]
    if not drawn:
        raise mistake(
            "over_seeds",
            got=f"{len(rows)} configs without a finite {metric}",
            expected="one that has some",
        )
    lowest = lower_is_better(metric) if lowest is None else lowest
    known = {name: value for name, value in (baselines or {}).items() if is_finite(value)}
    x = _numeric_setting(drawn)
    title = f"{sentence(metric_name(metric))} ({'less' if lowest else 'more'} is better): mean and single seeds"
    return (
        _curves(metric, drawn, known, x, title) if x else _dots(metric, drawn, known, lowest, title)
    )


def _numeric_setting(rows: Rows) -> str | None:
    """The one setting with several values, all of them numbers, if the others make no more lines
    than there are colours.
    """
    names = {name for settings, _ in rows for name in settings}
    numeric = [name for name in names if all(is_finite(settings.get(name)) for settings, _ in rows)]
    numeric = [name for name in numeric if len({settings[name] for settings, _ in rows}) > 1]
    if len(numeric) != 1 or len({_label(settings, numeric[0]) for settings, _ in rows}) > len(
        style.SERIES
    ):
        return None
    return numeric[0]


def _curves(metric: str, rows: Rows, baselines: Mapping[str, float], x: str, title: str) -> Figure:
    figure, axes = style.panels(width=6.4, height=4.0, title=title)
    ax = axes[0, 0]
    lines: dict[str, list[tuple[float, Sequence[float]]]] = {}
    for settings, values in rows:
        lines.setdefault(_label(settings, x), []).append((settings[x], values))
    for colour, (label, points) in zip(style.SERIES, lines.items(), strict=False):
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
    for name, value in baselines.items():
        ax.axhline(value, color=style.QUIET, linewidth=0.9, linestyle=(0, (4, 3)))
        ax.annotate(
            name,
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
    if len(lines) > 1:
        style.legend(ax)
    style.gridded(ax)
    style.caption(ax, x=x.replace("_", " "), y=metric_name(metric))
    return figure


def _dots(
    metric: str, rows: Rows, baselines: Mapping[str, float], lowest: bool, title: str
) -> Figure:
    everything = [(_label(settings) or "all", values, style.ORANGE) for settings, values in rows]
    everything += [(f"baseline {name}", [value], style.QUIET) for name, value in baselines.items()]
    everything.sort(key=lambda line: np.mean(line[1]) if lowest else -np.mean(line[1]))
    figure, axes = style.panels(width=6.4, height=0.95 + 0.32 * len(everything), title=title)
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
    ax.set_yticks(range(len(everything)), [label for label, _, _ in everything])
    ax.set_ylim(len(everything) - 0.5, -0.5)
    style.gridded(ax, "both")
    style.caption(ax, x=metric_name(metric))
    return figure


def _scatter(ax: Axes, x: Sequence[float], y: Sequence[float], colour: str) -> None:
    """Single seeds, which are seen through each other."""
    ax.plot(x, y, "o", color=colour, markersize=4, alpha=0.45, markeredgewidth=0, label="_seeds")


def _label(settings: Mapping[str, Any], without: str = "") -> str:
    """The settings in one line, as a user types them."""
    said = {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in settings.items()
        if name != without
    }
    return ", ".join(
        said.values() if len(said) == 1 else [f"{name} {value}" for name, value in said.items()]
    )
