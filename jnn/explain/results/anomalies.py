"""Anomaly scores of a series over time, beside its labelled events; ROC and PR curves."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from jnn.data.series_windows import stretches
from jnn.errors import mistake
from jnn.explain import style
from jnn.wording import number

MOST_EVENTS = 6
GAP = 1.5
"""Median time steps between two times, from which some are missing between them."""


def score_trace(
    time: np.ndarray,
    values: np.ndarray,
    score: np.ndarray,
    anomalous: np.ndarray,
    *,
    threshold: float,
    unit: str = "value",
    training: range | None = None,
) -> Figure:
    """The series and its anomaly score, both ``(T,)``, events shaded and the threshold dashed.

    The axis of the score is linear up to the threshold and logarithmic above, so that large events
    do not flatten the others. ``training`` is the stretch of the training data, which a line marks.

    >>> score, anomalous = np.array([0.0, 3.0, 0.0, 2.0]), np.array([0, 1, 0, 0], bool)
    >>> figure = score_trace(np.arange(4), np.zeros(4), score, anomalous, threshold=1.0)
    >>> figure.get_suptitle()
    'Anomaly score: 1 of 1 event detected, 1 false alarm'
    """
    time, score = np.asarray(time), np.asarray(score, np.float64)
    _check("score_trace", time=time, values=values, score=score, anomalous=anomalous)
    title = f"Anomaly score: {_in_words(score, anomalous, threshold)}"
    figure, axes = style.panels(2, 1, width=9.6, height=5.0, title=title)
    above, below = axes[:, 0]
    above.plot(*_broken(time, values), color=style.BLUE, linewidth=0.9)
    below.plot(*_broken(time, score), color=style.BLUE, linewidth=0.9)
    below.axhline(
        threshold,
        color=style.INK,
        linewidth=1,
        linestyle=(0, (4, 3)),
        label=f"threshold {number(float(threshold))}",
    )
    below.set_yscale("symlog", linthresh=max(float(threshold), 1e-9))
    for ax in (above, below):
        _shade(ax, time, stretches(anomalous))
        _dated(ax, time)
        ax.margins(x=0.01)
    if training is not None:
        ends = time[[training.start, training.stop - 1]]
        below.plot(
            ends,
            [0, 0],
            color=style.GREEN,
            linewidth=4,
            solid_capstyle="butt",
            label="training data",
            clip_on=False,
        )
    style.gridded(below)
    style.legend(below)
    style.caption(above, "series, labelled events shaded", y=unit)
    style.caption(below, "score", x="time")
    return figure


def events_closely(
    time: np.ndarray,
    values: np.ndarray,
    expected: np.ndarray,
    events: Sequence[range],
    *,
    unit: str = "value",
    margin: int = 48,
    name: str = "forecast",
) -> Figure:
    """Each event with ``margin`` times before and after it: values and forecast, both ``(T,)``.

    ``expected`` is the forecast, whose ``name`` is in the legend. Of more than six events the first
    six are drawn, and the title says so.

    >>> figure = events_closely(np.arange(9), np.zeros(9), np.ones(9), [range(4, 6)], margin=2)
    >>> figure.axes[0].lines[0].get_xdata().tolist()
    [2, 3, 4, 5, 6, 7]
    """
    time, values, expected = np.asarray(time), np.asarray(values), np.asarray(expected)
    _check("events_closely", time=time, values=values, expected=expected)
    if not events:
        raise mistake("events_closely", got="no event", expected="one at least")
    drawn = list(events)[:MOST_EVENTS]
    columns = 2 if len(drawn) == 4 else min(3, len(drawn))
    rows = -(-len(drawn) // columns)
    is_cut = len(drawn) < len(events)
    title = f"The first {len(drawn)} of {len(events)} events" if is_cut else ""
    width, height = max(4.8, 3.4 * columns), 2.9 * rows + 0.3 * is_cut
    figure, axes = style.panels(rows, columns, width=width, height=height, title=title)
    for ax, event in zip(axes.ravel()[: len(drawn)], drawn, strict=True):
        near = slice(max(0, event.start - margin), min(len(time), event.stop + margin))
        ax.plot(
            *_broken(time[near], values[near]), color=style.INK, linewidth=1.4, label="measured"
        )
        ax.plot(*_broken(time[near], expected[near]), color=style.ORANGE, linewidth=1.4, label=name)
        _shade(ax, time, [event])
        _dated(ax, time, 4)
        style.gridded(ax)
        style.caption(ax, y=unit)
    style.legend(axes[0, 0], above=True)
    for ax in axes.ravel()[len(drawn) :]:
        ax.remove()
    return figure


def detection_curves(scores: Mapping[str, np.ndarray], anomalous: np.ndarray) -> Figure:
    """ROC and precision-recall curves of each score ``(T,)``, over all thresholds.

    Areas are those of scikit-learn; the dashed lines are those of an uninformative score. The first
    score has the thickest line.
    """
    from sklearn.metrics import (
        average_precision_score,
        precision_recall_curve,
        roc_auc_score,
        roc_curve,
    )

    figure, axes = style.panels(1, 2, width=9.6, height=4.4)
    left, right = axes[0]
    for i, (name, score) in enumerate(scores.items()):
        line = {
            **style.line(i),
            "linewidth": 2.2 if i == 0 else 1.2,
            "zorder": 3 if i == 0 else 2,
        }
        false, true, _ = roc_curve(anomalous, score)
        left.plot(false, true, **line, label=f"{name}: AUC {roc_auc_score(anomalous, score):.3f}")
        precision, recall, _ = precision_recall_curve(anomalous, score)
        area = f"AP {average_precision_score(anomalous, score):.3f}"
        right.plot(recall, precision, **line, label=f"{name}: {area}", drawstyle="steps-pre")
    chance = {"color": style.QUIET, "linewidth": 1, "linestyle": (0, (4, 3)), "zorder": 1}
    left.plot([0, 1], [0, 1], **chance)
    right.axhline(float(np.mean(anomalous)), **chance)
    style.caption(left, "ROC curve", x="false positive rate", y="true positive rate")
    style.caption(right, "precision-recall curve", x="recall", y="precision")
    for ax in (left, right):
        ax.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.03))
        style.gridded(ax, "both")
        style.legend(ax)
    return figure


def _broken(time: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The series with NaN where times are missing, so that no line is drawn over a gap."""
    values, step = np.asarray(values, np.float64), np.diff(time)
    gaps = 1 + np.flatnonzero(step > GAP * np.median(step)) if len(step) else []
    return np.insert(time, gaps, time[gaps]), np.insert(values, gaps, np.nan)


def _shade(ax: Axes, time: np.ndarray, events: Sequence[range]) -> None:
    """Events as bands, each half a step wider on both sides than its times."""
    time = time.astype("datetime64[s]") if np.issubdtype(time.dtype, np.datetime64) else time
    half = np.median(np.diff(time)) / 2
    for event in events:
        ends = time[event.start] - half, time[event.stop - 1] + half
        ax.axvspan(*ends, color=style.ORANGE, alpha=0.22, linewidth=0, zorder=0)


def _dated(ax: Axes, time: np.ndarray, ticks: int = 8) -> None:
    if np.issubdtype(time.dtype, np.datetime64):
        locator = AutoDateLocator(minticks=2, maxticks=ticks)
        ax.xaxis.set_major_locator(locator)
        ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))


def _in_words(score: np.ndarray, anomalous: np.ndarray, threshold: float) -> str:
    alarm, events = score > threshold, stretches(anomalous)
    detected = sum(alarm[event].any() for event in events)
    false = len(stretches(alarm & ~anomalous))
    plural = lambda count: "s" if count != 1 else ""
    return (
        f"{detected} of {len(events)} event{plural(len(events))} detected, "
        f"{false} false alarm{plural(false)}"
    )


def _check(caller: str, **arrays: np.ndarray) -> None:
    shapes = {name: np.shape(array) for name, array in arrays.items()}
    if len(set(shapes.values())) != 1 or len(next(iter(shapes.values()))) != 1:
        raise mistake(caller, got=f"shapes {shapes}", expected="(T,) for each")
