"""How training went: losses, the watched metric, the learning rate and the gradient norm against
the step.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jnn.errors import mistake
from jnn.explain import style
from jnn.wording import is_finite, lower_is_better, metric_name, number

WIDE = 30.0  # times between the largest and the smallest value, from which an axis is logarithmic

Rows = Sequence[Mapping[str, Any]]


def learning_curves(rows: Rows, *, best: str | None = None, lowest: bool | None = None) -> Figure:
    """Loss, the watched metric, learning rate and gradient norm against the step; what was not
    logged has no panel.

    ``rows``    the lines of ``metrics.jsonl``: ``{"step": 50, "train/loss": 0.3}``; NaN and None
                leave a gap.
    ``best``    the metric whose best step is marked; by default the first of the validation metrics
                that is not the loss, or else the validation loss.
    ``lowest``  whether less of it is better; by default judged by its name.

    Raises `JnnError` where no row has a loss or metric, or none has ``best``.

    >>> rows = [{"step": 1, "train/loss": 2.0}, {"step": 2, "train/loss": 1.0, "validation/accuracy": 0.5}]
    >>> [ax.get_title(loc="left") for ax in learning_curves(rows).axes]
    ['loss', 'accuracy']
    """
    names = list(dict.fromkeys(name for row in rows for name in row if name != "step"))
    best = best or _watched(names)
    if best is not None and best not in names:
        raise mistake(
            "learning_curves",
            got=f"best={best!r}",
            expected=f"one of {', '.join(names) or 'some logged metric'}",
        )
    shown = _panels(names, best)
    if not shown:
        raise mistake(
            "learning_curves",
            got=f"{len(rows)} rows without a metric",
            expected="rows such as {'step': 50, 'train/loss': 0.3}",
        )
    columns = min(2, len(shown))
    figure, axes = style.panels(
        -(-len(shown) // columns),
        columns,
        width=4.6 * columns,
        height=2.9 * -(-len(shown) // columns) + 0.4,
    )
    for ax, (title, lines) in zip(axes.ravel(), shown.items(), strict=False):
        _draw(ax, title, {name: series(rows, name) for name in lines})
    for ax in axes.ravel()[len(shown) :]:
        ax.remove()
    heading = "Training"
    if best is not None:
        heading = (
            _mark_best(
                figure,
                shown,
                series(rows, best),
                best,
                lower_is_better(best) if lowest is None else lowest,
            )
            or heading
        )
    style.entitle(figure, heading)
    return figure


def series(rows: Rows, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps and values of one metric; what is no finite number is NaN.

    >>> series([{"step": 1, "a": 2.0}, {"step": 2, "b": 0.0}, {"step": 3, "a": None}], "a")
    (array([1, 3]), array([ 2., nan]))
    """
    found = [
        (row["step"], row[name] if is_finite(row[name]) else np.nan) for row in rows if name in row
    ]
    steps, values = zip(*found, strict=True) if found else ((), ())
    return np.array(steps, int), np.array(values, float)


def _watched(names: list[str]) -> str | None:
    candidates = [name for name in names if name.startswith("validation/")]
    return next(
        (name for name in candidates if name != "validation/loss"),
        candidates[0] if candidates else None,
    )


def _panels(names: list[str], best: str | None) -> dict[str, list[str]]:
    """``{title: names of its lines}``, the same metric of each split in one panel."""
    metric = best.rsplit("/", 1)[-1] if best else "loss"
    wanted = {
        "loss": "loss",
        metric: metric_name(metric),
        "learning_rate": "learning rate",
        "gradient_norm": "gradient norm",
    }
    of = lambda last: [name for name in names if name.rsplit("/", 1)[-1] == last]
    return {title: of(last) for last, title in wanted.items() if of(last)}


def _draw(ax: Axes, title: str, lines: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    values = np.concatenate([y for _, y in lines.values()])
    positive = values[np.isfinite(values)]
    if len(positive) and positive.min() > 0 and positive.max() > WIDE * positive.min():
        ax.set_yscale("log")
    else:
        ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    for i, (name, (steps, y)) in enumerate(
        sorted(lines.items(), key=lambda line: not line[0].startswith("train/"))
    ):
        split = name.split("/", 1)[0]
        colour = (
            style.BLUE
            if split == "train"
            else style.ORANGE
            if split == "validation"
            else style.SERIES[i % len(style.SERIES)]
        )
        ax.plot(
            steps,
            y,
            color=colour,
            linewidth=1.6,
            label=split,
            marker="o" if len(steps) < 25 else None,
            markersize=3,
        )
    style.gridded(ax)
    style.caption(ax, title, x="step")
    if len(lines) > 1:
        style.legend(ax)
    ax.margins(x=0.02)


def _mark_best(
    figure: Figure, shown: dict, line: tuple[np.ndarray, np.ndarray], name: str, lowest: bool
) -> str:
    """Mark the best step in the panels, and say it in words; nothing where no value is finite."""
    steps, values = line
    if not np.any(np.isfinite(values)):
        return ""
    i = np.nanargmin(values) if lowest else np.nanargmax(values)
    for ax, lines in zip(figure.axes, shown.values(), strict=True):
        ax.axvline(steps[i], color=style.QUIET, linewidth=0.9, linestyle=(0, (2, 2)), zorder=1)
        if name in lines:
            ax.plot(
                steps[i],
                values[i],
                "o",
                color=style.INK,
                markersize=6,
                markerfacecolor="white",
                markeredgewidth=1.6,
                zorder=5,
            )
    return f"Best {metric_name(name)}: {number(float(values[i]))}, at step {steps[i]:,}"
