"""Forecasts with their quantiles, beside the observed values; calibration, errors by horizon."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from jnn.errors import mistake
from jnn.explain import style
from jnn.wording import is_finite, number, ranked

BAND = 0.45
"""Opacity of the innermost band; outer ones are fainter."""


def fan_chart(
    before: tuple[np.ndarray, np.ndarray],
    after: tuple[np.ndarray, np.ndarray],
    quantiles: np.ndarray,
    levels: Sequence[float],
    *,
    observed: np.ndarray | None = None,
    name: str = "value",
) -> Figure:
    """A fan chart of one forecast: the past, and from its last value a fan of quantiles.

    ``before``     ``(time, values)``, both ``(P,)``, up to now.
    ``after``      ``(time, values)``, both ``(H,)``: the forecast.
    ``quantiles``  ``(H, Q)`` at the increasing ``levels``; two at the same distance from the median
                   bound a band.
    ``observed``   ``(H,)``, the values at the times of the forecast.

    Times are numbers or ``datetime64``. The title has the widest interval of the last time.

    >>> past, future = (np.arange(2), np.zeros(2)), (np.array([3, 5]), np.ones(2))
    >>> figure = fan_chart(past, future, np.array([[0, 2], [-1, 3]]), [0.05, 0.95])
    >>> figure.get_suptitle()
    'Forecast of value: 1 at the last time, 90 % interval −1 to 3'
    """
    quantiles, (when, forecast) = np.asarray(quantiles, np.float64), after
    bands = _bands("fan_chart", levels, quantiles, len(when))
    now, last = before[0][-1:], before[1][-1:]
    joined = lambda values: np.concatenate([last, values])
    title = f"Forecast of {name}: {style.short(forecast[-1])} at the last time"
    for low, high, share in bands[:1]:
        ends = f"{style.short(quantiles[-1, low])} to {style.short(quantiles[-1, high])}"
        title += f", {_percent(share)} interval {ends}"
    figure, axes = style.panels(width=8.0, height=3.8, title=title)
    ax, time = axes[0, 0], np.concatenate([now, when])
    ax.plot(*before, color=style.INK, linewidth=1.4, label="past")
    for i, (low, high, share) in enumerate(bands):
        ends = joined(quantiles[:, low]), joined(quantiles[:, high])
        ax.fill_between(time, *ends, label=_percent(share), **_shade(i, len(bands)))
    line = {"color": style.ORANGE, "linewidth": 1.4, "markersize": 4}
    ax.plot(time, joined(forecast), "o-", label="forecast", **line)
    if observed is not None:
        dots = {"color": style.INK, "markersize": 5, "markerfacecolor": "white"}
        ax.plot(when, observed, "o", label="observed", **dots)
    _dated(ax, before[0])
    style.gridded(ax)
    style.caption(ax, y=name)
    ax.legend(
        frameon=False,
        fontsize=9,
        labelcolor=style.INK,
        handlelength=1.4,
        loc="upper left",
        bbox_to_anchor=(1.0, 1.0),
    )
    return figure


def rolling_forecast(
    time: np.ndarray,
    observed: np.ndarray,
    forecasts: Mapping[str, np.ndarray],
    levels: Sequence[float],
    *,
    name: str = "value",
) -> Figure:
    """Bands of quantiles over time and the observed values, a panel for each horizon.

    ``time`` and ``observed`` are ``(N,)``; each of ``forecasts``, such as ``{"24 h before": ...}``,
    is ``(N, Q)`` at the ``levels``. The heading of a panel has the share of the observed values in
    its widest band; values that are NaN were not observed.

    >>> forecasts = {"1 day before": np.tile([-1, 1], (4, 1))}
    >>> figure = rolling_forecast(np.arange(4), np.array([0, 0, 0, 5]), forecasts, [0.1, 0.9])
    >>> figure.axes[0].get_title(loc="left")
    '1 day before: 75 % within the 80 % interval'
    """
    observed = np.asarray(observed, np.float64)
    figure, axes = style.panels(len(forecasts), 1, width=9.6, height=0.6 + 2.0 * len(forecasts))
    for ax, (title, quantiles) in zip(axes[:, 0], forecasts.items(), strict=True):
        bands = _bands("rolling_forecast", levels, quantiles, len(observed))
        for i, (low, high, _) in enumerate(bands):
            ax.fill_between(time, quantiles[:, low], quantiles[:, high], **_shade(i, len(bands)))
        ax.plot(time, observed, color=style.INK, linewidth=1.0)
        for low, high, share in bands[:1]:
            within = (observed >= quantiles[:, low]) & (observed <= quantiles[:, high])
            if np.isfinite(observed).any():
                covered = float(np.mean(within[np.isfinite(observed)]))
                title += f": {_percent(covered)} within the {_percent(share)} interval"
        _dated(ax, time)
        ax.sharex(axes[0, 0])
        style.gridded(ax)
        style.caption(ax, title, y=name)
    return figure


def series(time: np.ndarray, lines: Mapping[str, np.ndarray], *, name: str = "value") -> Figure:
    """Lines over time, such as observed and forecast values, each ``(N,)``.

    Times are numbers or ``datetime64``. The first line is dark, the others have dots and colours.

    >>> len(series(np.arange(3), {"observed": np.arange(3), "mean": np.ones(3)}).axes[0].lines)
    2
    """
    figure, axes = style.panels(width=9.6, height=3.2)
    ax = axes[0, 0]
    for i, (label, values) in enumerate(lines.items()):
        dots = {**style.line(i - 1, style.METHODS), "marker": "o"}
        look = {"color": style.INK} if i == 0 else dots
        ax.plot(time, values, **look, linewidth=1.4, markersize=3, label=label)
    _dated(ax, time)
    style.gridded(ax)
    style.caption(ax, y=name)
    style.legend(ax)
    return figure


def calibration(levels: Sequence[float], below: Mapping[str, np.ndarray]) -> Figure:
    """The share of observed values below each quantile, against its level.

    Calibrated quantiles are on the dashed line. ``below`` has the shares ``(Q,)`` by name, such as
    those of each horizon. The title has the largest deviation.

    >>> calibration([0.1, 0.5, 0.9], {"1 h": np.array([0.1, 0.45, 0.92])}).get_suptitle()
    'Calibration of quantiles: deviation at most 0.05'
    """
    for name, shares in below.items():
        if np.shape(shares) != (len(levels),):
            got = f"{name} of shape {np.shape(shares)} for {len(levels)} levels"
            raise mistake("calibration", got=got, expected="a share for each level")
    deviation = np.max(np.abs(np.stack(list(below.values())) - np.asarray(levels)))
    title = f"Calibration of quantiles: deviation at most {number(round(float(deviation), 3))}"
    figure, axes = style.panels(width=5.6, height=4.4, title=title)
    ax = axes[0, 0]
    ax.plot([0, 1], [0, 1], color=style.INK, linewidth=1, linestyle=(0, (4, 3)))
    for i, (name, shares) in enumerate(below.items()):
        look = {**style.line(i), "marker": "o", "markersize": 4}
        ax.plot(levels, shares, **look, linewidth=1.4, label=name)
    ax.set_aspect("equal")
    style.gridded(ax, "both")
    style.caption(ax, x="level of the quantile", y="share of observed values below it")
    style.legend(ax)
    return figure


def errors_by_horizon(
    errors: Mapping[str, Sequence[float]],
    horizons: Sequence[str],
    *,
    name: str = "RMSE",
    model: str = "this model",
) -> Figure:
    """The error of each forecaster, a panel for each horizon.

    The lowest error is on top, and that of ``model`` in colour.

    >>> errors = {"this model": [1.0, 2.0], "persistence": [1.5, 1.8]}
    >>> figure = errors_by_horizon(errors, ["+1 h", "+24 h"])
    >>> [label.get_text() for label in figure.axes[1].get_yticklabels()]
    ['persistence', 'this model']
    """
    for forecaster, values in errors.items():
        if len(values) != len(horizons):
            got = f"{len(values)} errors of {forecaster!r} for {len(horizons)} horizons"
            raise mistake("errors_by_horizon", got=got, expected="one for each")
    figure, axes = style.panels(
        1, len(horizons), width=3.3 * len(horizons), height=0.7 + 0.3 * len(errors)
    )
    for k, (ax, horizon) in enumerate(zip(axes[0], horizons, strict=True)):
        of_horizon = {forecaster: values[k] for forecaster, values in errors.items()}
        names = ranked(of_horizon, lowest=True)
        values = [of_horizon[forecaster] for forecaster in names]
        colours = [style.ORANGE if forecaster == model else style.GREY for forecaster in names]
        lengths = [value if is_finite(value) else 0.0 for value in values]
        bars = ax.barh(range(len(names)), lengths, height=0.66, color=colours)
        ax.bar_label(
            bars, [number(value) for value in values], padding=3, fontsize=8, color=style.INK
        )
        ax.set_yticks(range(len(names)), names, fontsize=8)
        ax.invert_yaxis()
        ax.set_xticks([])
        ax.margins(x=0.2)
        ax.spines["bottom"].set_visible(False)
        ax.tick_params(axis="y", length=0)
        style.caption(ax, f"{name}, {horizon}")
    return figure


def _bands(
    caller: str, levels: Sequence[float], quantiles: np.ndarray, size: int
) -> list[tuple[int, int, float]]:
    """(low, high, share) of each pair of levels at the same distance from 0.5, the widest first."""
    levels = list(levels)
    if np.shape(quantiles) != (size, len(levels)):
        raise mistake(
            caller,
            got=f"quantiles of shape {np.shape(quantiles)}",
            expected=f"({size}, {len(levels)}), times and levels",
        )
    if sorted(levels) != levels or not all(0 < level < 1 for level in levels):
        raise mistake(caller, got=f"levels {levels}", expected="increasing numbers between 0 and 1")
    pairs = [(i, len(levels) - 1 - i) for i in range(len(levels) // 2)]
    return [(i, j, levels[j] - levels[i]) for i, j in pairs if np.isclose(levels[i] + levels[j], 1)]


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _shade(i: int, count: int) -> dict[str, Any]:
    return {"color": style.ORANGE, "alpha": BAND * (i + 1) / count, "linewidth": 0}


def _dated(ax: Axes, time: np.ndarray) -> None:
    if np.issubdtype(np.asarray(time).dtype, np.datetime64):
        locator = AutoDateLocator(minticks=3, maxticks=8)
        ax.xaxis.set_major_locator(locator)
        ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    ax.margins(x=0.01)
