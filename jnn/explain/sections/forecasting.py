"""The report of a model that forecasts a series: errors, fan charts, and calibrated quantiles."""

from collections.abc import Mapping, Sequence

import numpy as np

from jnn.explain.page.report import Section
from jnn.explain.results import forecast


def errors(
    values: Mapping[str, Sequence[float]], horizons: Sequence[str], *, unit: str, name: str = "RMSE"
) -> list[Section]:
    """The error of the model and of its baselines at each horizon.

    ``values`` is ``{"this model": [1.1, 2.9], "persistence": ...}``, an error for each of the
    ``horizons``, in ``unit``.
    """
    figure = forecast.errors_by_horizon(values, [f"+{h}" for h in horizons], name=name)
    return [Section("Errors by horizon", f"{name} in {unit} on the test part.", figure)]


def quantiles(
    time: np.ndarray,
    values: np.ndarray,
    origin: np.ndarray,
    horizons: Mapping[str, int],
    mean: np.ndarray,
    quantiles: np.ndarray,
    levels: Sequence[float],
    *,
    past: int = 48,
    span: int = 14 * 24,
    name: str = "value",
) -> list[Section]:
    """Two fan charts, a stretch of the forecasts over time, and the calibration of the quantiles.

    ``time``, ``values``   the whole series, ``(T,)`` both; a value that is NaN was not observed
    ``origin``             ``(N,)``, increasing: the last input time of each forecast, as an
                           index of the series
    ``horizons``           how many times after the origin, by name: ``{"6 h": 6, "1 day": 24}``
    ``mean``               ``(N, H)``, what is expected at each horizon
    ``quantiles``          ``(N, H, Q)``, at the increasing ``levels``
    ``past``               times before the origin that a fan chart shows
    ``span``               times of the stretch, from the middle forecast on

    What was not observed counts neither among the errors nor in the calibration; a section of
    which nothing was observed is omitted.
    """
    steps = np.array(list(horizons.values()))
    targets = values[origin[:, None] + steps]
    is_observed = np.isfinite(targets)

    def fan(n: int):
        before, ahead = slice(max(0, origin[n] - past + 1), origin[n] + 1), origin[n] + steps
        return forecast.fan_chart(
            (time[before], values[before]),
            (time[ahead], mean[n]),
            quantiles[n],
            levels,
            observed=targets[n],
            name=name,
        )

    rows = np.flatnonzero(is_observed[:, -1])
    by_error = rows[np.argsort(np.abs(mean[rows, -1] - targets[rows, -1]))]
    last = list(horizons)[-1]
    bands = " and ".join(f"{round(100 * share)}" for share in _shares(levels))
    below = {
        f"+{h}": np.mean(targets[at, k, None] <= quantiles[at, k], axis=0)
        for k, (h, at) in enumerate(zip(horizons, is_observed.T, strict=True))
        if at.any()
    }
    sections = []
    if len(by_error):
        sections += [
            Section(
                "Fan chart: median error",
                f"Half of all forecasts {last} ahead are better. Bands hold {bands} % of the "
                "probability.",
                fan(by_error[len(by_error) // 2]),
            ),
            Section(
                "Fan chart: largest error",
                f"The forecast whose error {last} ahead is the largest.",
                fan(by_error[-1]),
            ),
        ]
    sections += _over_time(time, values, origin, horizons, quantiles, levels, span, name)
    if below:
        sections.append(
            Section(
                "Calibration of quantiles",
                "How often the value lay below each quantile, over the whole test part; "
                "calibrated quantiles are on the line.",
                forecast.calibration(levels, below),
            )
        )
    return sections


def _shares(levels: Sequence[float]) -> list[float]:
    """The probability between each pair of levels as far from a half as each other, increasing."""
    low = [level for level in levels if level < 0.5 and np.isclose(1 - level, levels).any()]
    return sorted(1 - 2 * level for level in low)


def _over_time(
    time: np.ndarray,
    values: np.ndarray,
    origin: np.ndarray,
    horizons: Mapping[str, int],
    quantiles: np.ndarray,
    levels: Sequence[float],
    span: int,
    name: str,
) -> list[Section]:
    """A stretch from the middle on; none where no time has a forecast at all horizons."""
    steps = np.array(list(horizons.values()))
    start = len(origin) // 2 + max(steps)
    times = origin[start : start + span]
    origins = times[:, None] - steps
    rows = np.searchsorted(origin, origins)
    complete = np.all(origin[rows] == origins, axis=1)
    if not complete.any():
        return []
    times, rows = times[complete], rows[complete]
    by_horizon = {f"{h} before": quantiles[rows[:, k], k] for k, h in enumerate(horizons)}
    figure = forecast.rolling_forecast(time[times], values[times], by_horizon, levels, name=name)
    text = "Each time of a stretch of the test part, as it was forecast at each horizon."
    return [Section("Forecasts over time", text, figure)]
