"""Learning curves: losses, metrics, the learning rate and the gradient norm against the step."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jnn.errors import mistake
from jnn.explain import style
from jnn.wording import is_finite, metric_name, number

WIDE = 30.0
"""Times between the largest and the smallest value, from which an axis is logarithmic."""

Rows = Sequence[Mapping[str, Any]]
Line = tuple[np.ndarray, np.ndarray]
"""Steps and values."""


class Kept(NamedTuple):
    """The step whose params were kept, and the metric by which it was chosen."""

    metric: str
    step: int
    value: float | None
    lowest: bool | None = None
    """Whether it is the lowest value of the metric, or the highest."""


def learning_curves(rows: Rows, *, metric: str = "", kept: Kept | None = None) -> Figure:
    """Loss, metrics, learning rate and gradient norm against the step.

    ``rows``    the lines of ``metrics.jsonl``: ``{"step": 50, "train/loss": 0.3}``; NaN and None
                leave a gap.
    ``metric``  the one to draw beside the loss, of every split that has it. By default the one that
                was kept by, or else the first of the validation split that is not the loss.
    ``kept``    the step to mark, in all panels.

    What was not logged has no panel. Raises `JnnError` where no row has any of these.

    >>> rows = [{"step": 1, "train/loss": 2.0}, {"step": 2, "validation/accuracy": 0.5}]
    >>> [ax.get_title(loc="left") for ax in learning_curves(rows).axes]
    ['loss', 'accuracy']
    """
    names = list(dict.fromkeys(name for row in rows for name in row if name != "step"))
    panels = _panels(names, metric, kept.metric if kept else "")
    if not panels:
        raise mistake(
            "learning_curves",
            got=f"{len(rows)} rows without a metric",
            expected="rows such as {'step': 50, 'train/loss': 0.3}",
        )
    columns = min(2, len(panels))
    height = -(-len(panels) // columns)
    figure, axes = style.panels(
        height,
        columns,
        width=4.6 * columns,
        height=2.9 * height + 0.4,
        title=f"Learning curves{_in_words(kept)}",
    )
    splits = {_split(name) for lines in panels.values() for name in lines}
    for ax, (title, lines) in zip(axes.ravel()[: len(panels)], panels.items(), strict=True):
        _draw(ax, title, {name: series(rows, name) for name in lines})
        if len(splits) > 1 and not _is_of_optimizer(lines):
            style.legend(ax)
        if kept:
            _mark(ax, kept, with_value=kept.metric in lines)
    for ax in axes.ravel()[len(panels) :]:
        ax.remove()
    return figure


def series(rows: Rows, name: str) -> Line:
    """Steps and values of one metric; a value that is no finite number is NaN.

    >>> series([{"step": 1, "a": 2.0}, {"step": 2, "b": 0.0}, {"step": 3, "a": None}], "a")
    (array([1, 3]), array([ 2., nan]))
    """
    logged = [row for row in rows if name in row]
    values = [row[name] if is_finite(row[name]) else np.nan for row in logged]
    return np.array([row["step"] for row in logged], int), np.array(values, float)


def _panels(names: list[str], metric: str, kept: str) -> dict[str, list[str]]:
    """``{title: names of its lines}``, the same metric of all splits in one panel."""
    last = lambda name: name.rpartition("/")[2]
    validation = [name for name in names if name.startswith("validation/")]
    others = [name for name in validation if last(name) != "loss"]
    chosen = [last(kept), last(metric)] if kept or metric else [last(name) for name in others[:1]]
    drawn = dict.fromkeys(["loss", *filter(None, chosen), "learning_rate", "gradient_norm"])
    panels = {metric_name(part): [name for name in names if last(name) == part] for part in drawn}
    return {title: lines for title, lines in panels.items() if lines}


def _split(name: str) -> str:
    """The part of the data that a metric is of: ``"train"``."""
    return name.split("/", 1)[0]


def _is_of_optimizer(lines: list[str]) -> bool:
    """Whether a panel is of training by what it shows."""
    return {name.rpartition("/")[2] for name in lines} <= {"learning_rate", "gradient_norm"}


def _in_words(kept: Kept | None) -> str:
    if kept is None:
        return ""
    best = {True: "lowest ", False: "highest ", None: ""}[kept.lowest]
    return f": {best}{metric_name(kept.metric)} {number(kept.value)}, at step {kept.step:,}"


def _draw(ax: Axes, title: str, lines: Mapping[str, Line]) -> None:
    values = np.concatenate([y for _, y in lines.values()])
    values = values[np.isfinite(values)]
    if not len(values):
        ax.text(0.5, 0.5, "no finite value", ha="center", transform=ax.transAxes, color=style.QUIET)
        ax.set_yticks([])
    if len(values) and values.min() > 0 and values.max() > WIDE * values.min():
        ax.set_yscale("log")
    else:
        ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    train_first = sorted(lines.items(), key=lambda line: not line[0].startswith("train/"))
    colours = {"train": style.BLUE, "validation": style.ORANGE}
    for i, (name, (steps, y)) in enumerate(train_first):
        split = _split(name)
        look: dict[str, Any] = {"color": colours[split]} if split in colours else style.line(i)
        ax.plot(
            steps,
            y,
            **look,
            linewidth=1.6,
            label=split,
            marker="o" if len(steps) < 25 else None,
            markersize=3,
        )
    style.gridded(ax)
    style.caption(ax, title, x="step")
    style.whole(ax.xaxis)
    ax.margins(x=0.02)


def _mark(ax: Axes, kept: Kept, *, with_value: bool) -> None:
    """A dotted line at the step, and a ring around the value that it was chosen by."""
    ax.axvline(kept.step, color=style.QUIET, linewidth=0.9, linestyle=(0, (2, 2)), zorder=1)
    if with_value and is_finite(kept.value):
        ring = {"markersize": 6, "markerfacecolor": "white", "markeredgewidth": 1.6}
        ax.plot(kept.step, kept.value, "o", color=style.INK, zorder=5, **ring)
