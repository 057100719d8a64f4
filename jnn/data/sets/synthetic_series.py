"""Synthetic series in the form of the real ones, for smoke runs and tests: nothing to download."""

import numpy as np

from jnn.data.sets.anomalies import Recording
from jnn.data.sets.series import STOCK, WEATHER, WINDS, Series


def synthetic_weather() -> Series:
    """1,500 hours with warm afternoons and a random walk of the temperature.

    The columns are those of `jnn.data.sets.series.load_beijing_weather`.

    >>> synthetic_weather().values.shape
    (1500, 11)
    """
    rng, hours, names = np.random.default_rng(0), np.arange(1500), (*WEATHER, *WINDS)
    values = np.abs(rng.normal(size=(len(hours), len(names))))
    drift = 0.1 * np.cumsum(rng.normal(size=len(hours)))
    values[:, 0] += 5 * np.sin(2 * np.pi * hours / 24) + drift
    return Series(np.datetime64("2012-01-01T00") + hours.astype("timedelta64[h]"), values, names)


def synthetic_stocks(tickers: tuple[str, ...]) -> dict[str, Series]:
    """Random walks of 600 days, that of the last stock of 450.

    The columns are those of `jnn.data.sets.series.load_stocks`.

    >>> [len(stock.time) for stock in synthetic_stocks(("A", "B")).values()]
    [600, 450]
    """
    stocks, rng = {}, np.random.default_rng(0)
    for ticker in tickers:
        days = 450 if ticker == tickers[-1] else 600
        close = 50 * np.exp(np.cumsum(0.01 * rng.standard_normal(days)))
        volume = 1e6 * np.exp(rng.standard_normal(days))
        values = np.stack([close, 1.01 * close, 0.99 * close, close, volume, close], axis=1)
        time = np.datetime64("2010-01-01") + np.arange(600 - days, 600).astype("timedelta64[D]")
        stocks[ticker] = Series(time, values, tuple(STOCK))
    return stocks


def synthetic_recording() -> Recording:
    """4,000 readings of a noisy wave with two events of 40, the first for training.

    >>> synthetic_recording().events
    [range(1000, 1040), range(2900, 2940)]
    """
    rng, time = np.random.default_rng(0), np.arange(4000)
    anomalous = (time % 1900 >= 1000) & (time % 1900 < 1040)
    wave = 20 + 3 * np.sin(2 * np.pi * time / 24) + rng.normal(0, 0.2, 4000)
    values = np.where(anomalous, 10.0, wave)
    return Recording(time, values, anomalous, range(2400), (range(2400, 4000),), "value")
