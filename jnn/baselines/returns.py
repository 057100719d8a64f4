"""Forecasts of tomorrow's return without a network: its mean and its variance."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from jnn.baselines.volatility import fit_garch, garch_variances, qlike, weighted_variances
from jnn.data.series_splits import TimeSplit
from jnn.data.sets.stock_market import Market
from jnn.errors import mistake

RIDGE_DAYS = 20


class ReturnForecasts(NamedTuple):
    """Forecasts of the logarithmic returns of N days, by the name of the method."""

    before: np.ndarray
    """(N,): the price of the day before."""
    actual: np.ndarray
    """(N,): the return that was realized."""
    mean: dict[str, np.ndarray]
    variance: dict[str, np.ndarray]

    def squares(self, name: str) -> np.ndarray:
        """The squared errors of the returns, (N,)."""
        return (self.actual - self.mean[name]) ** 2

    def price_error(self, name: str) -> float:
        """The RMSE of the prices ``before exp(mean)``, in the units of the price."""
        errors = self.before * (np.exp(self.mean[name]) - np.exp(self.actual))
        return float(np.sqrt(np.mean(errors**2)))

    def qlike(self, name: str) -> np.ndarray:
        """The loss of the variances by `jnn.baselines.volatility.qlike`, (N,)."""
        return qlike(self.variance[name], self.actual**2)

    def direction(self, name: str, *, level: float = 0.95) -> tuple[float, float, float]:
        """The share of returns with the sign of their forecast, and its confidence interval.

        The interval is that of Wilson 1927 at ``level``. A mean of zero predicts "up", as one would
        of stocks: the score of persistence is the share of days that went up.
        """
        from scipy.stats import binomtest

        right = int(np.sum((self.mean[name] >= 0) == (self.actual > 0)))
        interval = binomtest(right, len(self.actual)).proportion_ci(level, method="wilson")
        return right / len(self.actual), interval.low, interval.high

    def with_methods(
        self, mean: dict[str, np.ndarray], variance: dict[str, np.ndarray]
    ) -> ReturnForecasts:
        """These forecasts and those of other methods, of the same days."""
        return self._replace(mean=self.mean | mean, variance=self.variance | variance)

    def part(self, days: slice) -> ReturnForecasts:
        """The forecasts of some of the days."""
        mean, variance = (
            {name: values[days] for name, values in forecasts.items()}
            for forecasts in (self.mean, self.variance)
        )
        return ReturnForecasts(self.before[days], self.actual[days], mean, variance)


def rmse_ratio(
    forecasts: Iterable[ReturnForecasts], name: str, other: str = "persistence"
) -> float:
    """The RMSE of the returns by method ``name`` over that by ``other``, of several stocks.

    >>> day = np.ones(1)
    >>> mean = {"persistence": np.zeros(1), "model": np.array([0.5])}
    >>> rmse_ratio([ReturnForecasts(day, day, mean, {})], "model")
    0.5
    """
    stocks = list(forecasts)
    total = lambda method: sum(np.sum(stock.squares(method)) for stock in stocks)
    return float(np.sqrt(total(name) / total(other)))


def mean_qlike(forecasts: Iterable[ReturnForecasts], name: str) -> float:
    """The mean of the QLIKE of method ``name`` over all days of several stocks.

    >>> forecast = ReturnForecasts(np.ones(2), np.array([1.0, 3.0]), {}, {"model": np.ones(2)})
    >>> mean_qlike([forecast], "model")
    5.0
    """
    return float(np.mean(np.concatenate([stock.qlike(name) for stock in forecasts])))


def return_baselines(price: np.ndarray, stretches: Sequence[range]) -> ReturnForecasts:
    """The usual forecasts of the daily returns ``log(p_t / p_{t-1})`` of ``price`` (T,).

    The days are those of ``stretches``, in their order. The models are fitted for each stretch, to
    all days before it; each day is forecast from all days before it.

    Means: ``persistence``, zero, so that tomorrow's price is today's; ``drift``, the mean return;
    ``ridge regression`` on the last 20 returns; and ``mean of 5 days``, by which tomorrow's price
    is the mean of the last 5. Variances: ``constant``; ``weighted``, by `weighted_variances`;
    ``GARCH(1,1)``. Raises JnnError for a stretch without 121 days before it.

    >>> price = 10 * np.exp(np.cumsum(0.01 * np.random.default_rng(0).standard_normal(300)))
    >>> forecasts = return_baselines(price, [range(200, 250), range(250, 300)])
    >>> sorted(forecasts.mean), len(forecasts.actual)
    (['drift', 'mean of 5 days', 'persistence', 'ridge regression'], 100)
    """
    price = np.asarray(price, np.float64)
    r = np.diff(np.log(price), prepend=np.log(price[0]))  # the first day has no return
    days = np.concatenate([np.array(stretch) for stretch in stretches])
    for stretch in stretches:
        if stretch.start < 101 + RIDGE_DAYS or stretch.stop > len(price):
            got = f"the stretch {stretch} of {len(price)} days"
            raise mistake("return_baselines", got=got, expected=f"days from {101 + RIDGE_DAYS} on")
    means, variances = zip(*[_of_stretch(r, stretch) for stretch in stretches], strict=True)
    mean = {"persistence": np.zeros(len(days)), **_joined(means)}
    last_five = np.lib.stride_tricks.sliding_window_view(price, 5).mean(axis=1)[days - 5]
    mean["mean of 5 days"] = np.log(last_five / price[days - 1])
    variance = _joined(variances)
    return ReturnForecasts(price[days - 1], r[days], mean, variance)


def market_baselines(
    market: Market, folds: Sequence[TimeSplit], *, tested: float
) -> dict[str, ReturnForecasts]:
    """`return_baselines` of each stock, fitted for the test part of each fold.

    They are of the last share of the days of each stock, ``tested``.
    """
    forecasts = {}
    for ticker, stock in market.stocks.items():
        tests = [(fold.test.start - stock.first, fold.test.stop - stock.first) for fold in folds]
        of_stock = return_baselines(stock.price, [range(*ends) for ends in tests])
        forecasts[ticker] = of_stock.part(slice(-len(stock.last(tested)), None))
    return forecasts


def _of_stretch(
    r: np.ndarray, stretch: range
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Means and variances by models that are fitted to the returns ``r[1 : stretch.start]``."""
    from sklearn.linear_model import Ridge

    fitted, days = np.arange(1 + RIDGE_DAYS, stretch.start), np.array(stretch)
    past = np.lib.stride_tricks.sliding_window_view(r, RIDGE_DAYS)  # row i ends with day i + 19
    ridge = Ridge(1e-4).fit(past[fitted - RIDGE_DAYS], r[fitted])  # as 1 for returns in per cent
    train, returns = r[1 : stretch.start], r[1 : stretch.stop]
    start = float(np.mean(train**2))
    mean = {
        "drift": np.full(len(days), np.mean(train)),
        "ridge regression": ridge.predict(past[days - RIDGE_DAYS]),
    }
    variance = {
        "constant": np.full(len(days), start),
        "weighted": weighted_variances(returns, start)[-len(days) :],
        "GARCH(1,1)": garch_variances(fit_garch(train), returns, start)[-len(days) :],
    }
    return mean, variance


def _joined(stretches: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([part[name] for part in stretches]) for name in stretches[0]}
