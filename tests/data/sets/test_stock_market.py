"""Stocks on one calendar."""

import numpy as np
import pytest

from jnn.data.sets.stock_market import market_of
from jnn.data.sets.synthetic_series import synthetic_stocks
from jnn.errors import JnnError

SERIES = synthetic_stocks(("A", "B", "C"))


def test_each_stock_begins_on_its_first_day():
    market = market_of(SERIES)
    for ticker, stock in market.stocks.items():
        np.testing.assert_array_equal(market.time[stock.first :], SERIES[ticker].time)
        assert stock.last(0.2).stop == len(market.time)
        assert len(stock.last(0.2)) == round(0.2 * len(SERIES[ticker].time))
        growth = np.exp(np.cumsum(stock.returns))
        np.testing.assert_allclose(stock.price, stock.price[0] * growth, rtol=1e-12)


@pytest.mark.parametrize("late", ["A", "C"])
def test_other_days_of_one_stock_are_refused(late):
    days = SERIES[late].time + np.timedelta64(1, "D")
    other = {**SERIES, late: SERIES[late]._replace(time=days)}
    with pytest.raises(JnnError, match=r"other days of . than of A, expected one calendar"):
        market_of(other)
