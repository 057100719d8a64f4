"""Forecasts of a series without a network: climatology, and regression on windows."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from jnn.errors import mistake


def climatology(time: np.ndarray, values: np.ndarray, within: range) -> np.ndarray:
    """The mean of ``values`` at each time's month, day and hour, ``(T,)`` float64.

    Means are over the times ``within`` a part alone, such as the training part. Where it has no
    such day, as 29 February, the mean of the hour over all its days is used.

    ``time`` is ``(T,)`` datetime64 and ``values`` ``(T,)``. Raises `JnnError` for other shapes.

    >>> hours = np.arange("2011-12-31T00", "2012-01-03T00", 12, dtype="datetime64[h]")
    >>> climatology(hours, np.array([1.0, 2, 3, 4, 9, 9]), within=range(4)).tolist()
    [1.0, 2.0, 3.0, 4.0, 2.0, 3.0]
    """
    time, values = np.asarray(time), np.asarray(values)
    if time.ndim != 1 or time.shape != values.shape:
        got = f"times {time.shape} and values {values.shape}"
        raise mistake("climatology", got=got, expected="both of shape (T,)")
    months, days = time.astype("datetime64[M]"), time.astype("datetime64[D]")
    hour = (time.astype("datetime64[h]") - days).astype(int)
    date = months.astype(int) % 12 * 31 + (days - months).astype(int)
    rows = np.array(within)

    def mean(slot: np.ndarray) -> np.ndarray:
        size = slot.max() + 1
        count = np.bincount(slot[rows], minlength=size)
        total = np.bincount(slot[rows], values[rows], minlength=size)
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)[slot]

    usual = mean(24 * date + hour)
    return np.where(np.isnan(usual), mean(hour), usual)


def regression_forecasts(
    regressor: Any,
    values: np.ndarray,
    train: Mapping[str, np.ndarray],
    test: Mapping[str, np.ndarray],
    *,
    horizons: Sequence[int],
    calendar: np.ndarray,
) -> np.ndarray:
    """The forecasts of a regressor of scikit-learn, fitted anew for each horizon, ``(N, H)``.

    It predicts the change ``values[origin + h] - values[origin]`` from all inputs of a window and
    from the ``calendar`` of the time that is forecast.

    ``values``         ``(T,)``, the series
    ``train, test``    windows: ``inputs`` ``(N, length, D)`` and ``origin`` ``(N,)``, as
                       `jnn.data.series_windows.forecast_windows` makes them
    ``calendar``       ``(T, C)``, what is known of each time in advance, such as the hour

    It runs in one thread: threads that wait for each other on busy cores take longer.

    >>> from sklearn.linear_model import LinearRegression
    >>> from jnn.data.series_windows import forecast_windows
    >>> x = 2.0 ** np.arange(8)
    >>> windows = forecast_windows(x, x, length=2, horizons=[1])
    >>> nothing = np.zeros((8, 1))
    >>> forecast = regression_forecasts(
    ...     LinearRegression(), x, windows, windows, horizons=[1], calendar=nothing
    ... )
    >>> forecast[:, 0].round(6).tolist()
    [4.0, 8.0, 16.0, 32.0, 64.0, 128.0]
    """
    from threadpoolctl import threadpool_limits

    values = np.asarray(values, np.result_type(values, np.float32))  # a uint8 has no change below 0

    def features(windows: Mapping[str, np.ndarray], horizon: int) -> np.ndarray:
        inputs = windows["inputs"].reshape(len(windows["origin"]), -1)
        return np.hstack([inputs, calendar[windows["origin"] + horizon]])

    def change(horizon: int) -> np.ndarray:
        target = values[train["origin"] + horizon] - values[train["origin"]]
        return regressor.fit(features(train, horizon), target).predict(features(test, horizon))

    with threadpool_limits(1):
        changes = [change(horizon) for horizon in horizons]
    return values[test["origin"], None] + np.stack(changes, axis=1)


def hourly_forecasts(
    time: np.ndarray,
    values: np.ndarray,
    train: Mapping[str, np.ndarray],
    test: Mapping[str, np.ndarray],
    *,
    within: range,
    horizons: Sequence[int],
    calendar: np.ndarray,
    trees: int = 150,
) -> dict[str, np.ndarray]:
    """The usual forecasts of an hourly series at the test windows, ``(N, H)`` or ``(N, 1)`` each.

    ``persistence``, the value now; ``same hour yesterday``, for horizons up to 24; `climatology`
    of the hours ``within`` a part; ``ridge regression`` and ``gradient boosting`` with ``trees``
    steps, by `regression_forecasts`, whose arguments the others are.

    >>> from jnn.data.series_windows import forecast_windows
    >>> hours, x = np.arange("2012-01", "2012-02", dtype="datetime64[h]"), np.arange(744.0)
    >>> cut = lambda part: forecast_windows(x, x, length=2, horizons=[1, 24], within=part)
    >>> forecasts = hourly_forecasts(
    ...     hours, x, cut(range(600)), cut(range(600, 744)),
    ...     within=range(600), horizons=[1, 24], calendar=np.zeros((744, 1)), trees=1,
    ... )
    >>> forecasts["persistence"][0].tolist(), forecasts["same hour yesterday"][0].tolist()
    ([601.0], [578.0, 601.0])
    """
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if max(horizons) > 24:
        expected = "hours up to 24: the same hour of the day before is known then"
        raise mistake("hourly_forecasts", got=f"horizons={list(horizons)}", expected=expected)
    regress = partial(
        regression_forecasts,
        values=values,
        train=train,
        test=test,
        horizons=horizons,
        calendar=calendar,
    )
    ahead = test["origin"][:, None] + np.array(horizons)
    return {
        "persistence": values[test["origin"], None],
        "same hour yesterday": values[ahead - 24],
        "climatology": climatology(time, values, within)[ahead],
        "ridge regression": regress(make_pipeline(StandardScaler(), Ridge(10.0))),
        "gradient boosting": regress(HistGradientBoostingRegressor(max_iter=trees, random_state=0)),
    }


def errors_by_horizon(
    forecasts: Mapping[str, np.ndarray], targets: np.ndarray
) -> dict[str, list[float]]:
    """The RMSE of forecasts ``(N, H)`` or ``(N, 1)`` of ``targets`` ``(N, H)``, at each horizon.

    >>> errors_by_horizon({"zero": np.zeros((2, 1))}, np.array([[1.0, 2.0], [1.0, 2.0]]))
    {'zero': [1.0, 2.0]}
    """
    squares = lambda forecast: np.subtract(forecast, targets, dtype=np.float64) ** 2
    rmse = lambda forecast: np.sqrt(np.mean(squares(forecast), axis=0)).tolist()
    return {name: rmse(forecast) for name, forecast in forecasts.items()}
