"""Stocks on one calendar: the days that all are traded on, or from their first day on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from jnn.data.sets.series import Series
from jnn.errors import mistake


class Stock(NamedTuple):
    """One stock, from its ``first`` day of the calendar on."""

    first: int
    series: Series
    """Of D days, with the columns of `jnn.data.sets.series.load_stocks`."""

    @property
    def price(self) -> np.ndarray:
        """The adjusted price at the close, (D,)."""
        return self.series.column("adjusted_close")

    @property
    def returns(self) -> np.ndarray:
        """``log(p_t / p_{t-1})``, (D,); that of the first day is 0."""
        return changes(self.price)

    def last(self, share: float) -> range:
        """The last ``share`` of its days, as days of the calendar."""
        size = self.first + len(self.price)
        return range(size - round(share * len(self.price)), size)


class Market(NamedTuple):
    """The days of the calendar, (T,), and the stocks."""

    time: np.ndarray
    stocks: dict[str, Stock]


def market_of(series: Mapping[str, Series]) -> Market:
    """The stocks on the calendar of the first of them, of which each has the last days.

    Raises `JnnError` for a stock with other days.

    >>> from jnn.data.sets.synthetic_series import synthetic_stocks
    >>> market = market_of(synthetic_stocks(("A", "B")))
    >>> len(market.time), market.stocks["B"].first, market.stocks["B"].last(0.2)
    (600, 150, range(510, 600))
    """
    oldest, time = next((ticker, stock.time) for ticker, stock in series.items())
    stocks = {}
    for ticker, days in series.items():
        first = len(time) - len(days.time)
        if first < 0 or not np.array_equal(days.time, time[first:]):
            got = f"other days of {ticker} than of {oldest}"
            raise mistake("market_of", got=got, expected="one calendar, to its end")
        stocks[ticker] = Stock(first, days)
    return Market(time, stocks)


def changes(x: np.ndarray) -> np.ndarray:
    """``log(x_t / x_{t-1})`` of a series (T,) of positive numbers; the first is 0.

    >>> changes(np.exp([1.0, 3.0, 2.0])).round(6).tolist()
    [0.0, 2.0, -1.0]
    """
    return np.diff(np.log(x), prepend=np.log(x[0]))
