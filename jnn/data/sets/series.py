"""Time series: hourly weather, and daily prices of stocks."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jnn.data.fetch.sources import SOURCES, fetch
from jnn.errors import mistake


class Series(NamedTuple):
    """A series of D columns."""

    time: np.ndarray
    """(T,) datetime64, increasing."""
    values: np.ndarray
    """(T, D) float64, NaN for missing values."""
    names: tuple[str, ...]
    """Of the D columns."""

    def column(self, name: str) -> np.ndarray:
        """The column ``name``, (T,)."""
        if name not in self.names:
            expected = f"one of {', '.join(self.names)}"
            raise mistake("series", got=f"a column {name!r}", expected=expected)
        return self.values[:, self.names.index(name)]


WEATHER = {
    "temperature": "TEMP",
    "dew_point": "DEWP",
    "pressure": "PRES",
    "wind": "Iws",
    "snow": "Is",
    "rain": "Ir",
    "particles": "pm2.5",
}
WINDS = {"northeast": "NE", "northwest": "NW", "southeast": "SE", "calm": "cv"}
STOCK = {
    "open": "Open",
    "high": "High",
    "low": "Low",
    "close": "Close",
    "volume": "Volume",
    "adjusted_close": "Adj Close",
}


def load_beijing_weather(*, offline: bool = False) -> Series:
    """Weather in Beijing at each hour of 2010 to 2014, 43,824 hours and 11 columns.

    ``temperature`` and ``dew_point`` in whole degrees Celsius; ``pressure`` in hPa; ``wind``, the
    speeds in m/s summed since the wind last turned; ``snow`` and ``rain``, their cumulated
    hours; ``particles``, PM2.5 in µg/m³, NaN in 2,067 hours; and 1 or 0 for the winds
    ``northeast``, ``northwest``, ``southeast`` and ``calm`` or of changing direction.

    Source: Liang et al. 2015.
    """
    rows = _rows(fetch(SOURCES["beijing_weather"], offline=offline) / "hourly_beijing_pm.csv")
    time = [
        f"{row['year']}-{int(row['month']):02}-{int(row['day']):02}T{int(row['hour']):02}"
        for row in rows
    ]
    measured = [
        [_number(row[name]) for name in WEATHER.values()]
        + [float(row["cbwd"] == wind) for wind in WINDS.values()]
        for row in rows
    ]
    return _series("beijing_weather", np.array(time, "datetime64[h]"), measured, (*WEATHER, *WINDS))


def load_stocks(*, offline: bool = False) -> dict[str, Series]:
    """Daily prices in dollars of AAPL, IBM, MSFT, GOOG and FB to 2013-03-01, by ticker.

    They are of 3,270 days from 2000-03-01, or fewer. Columns are ``open``, ``high``, ``low``,
    ``close``, ``volume`` in shares, and ``adjusted_close``, which shows what an owner earned: it
    does not jump where stocks are split or dividends paid. Days without trade are omitted, so that
    steps of time are trading days.
    """
    rows = _rows(fetch(SOURCES["stocks"], offline=offline) / "stocks.csv.gz")
    by_ticker: dict[str, list[Mapping[str, str]]] = {}
    for row in sorted(rows, key=lambda row: row["Date"]):
        by_ticker.setdefault(row["Ticker"], []).append(row)
    stocks = {}
    for ticker in dict.fromkeys(row["Ticker"] for row in rows):
        time = np.array([row["Date"] for row in by_ticker[ticker]], "datetime64[D]")
        values = [[_number(row[name]) for name in STOCK.values()] for row in by_ticker[ticker]]
        stocks[ticker] = _series(f"stocks {ticker}", time, values, tuple(STOCK))
    return stocks


def _rows(path: Path) -> list[Mapping[str, str]]:
    opener: Any = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def _number(text: str) -> float:
    return float("nan") if text in ("NA", "") else float(text)


def _series(
    caller: str, time: np.ndarray, values: Sequence[Sequence[float]], names: tuple[str, ...]
) -> Series:
    backward = np.flatnonzero(time[1:] <= time[:-1])
    if len(backward):
        raise mistake(
            caller,
            got=f"{time[backward[0] + 1]} after {time[backward[0]]}",
            expected="times that increase",
        )
    return Series(time, np.array(values, np.float64), names)
