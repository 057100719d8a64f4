"""What is known of tomorrow's return without a network: its mean and its variance, forecast in
stretches of days from all before them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jnn.baselines.volatility import fit_garch, garch_variances, qlike, weighted_variances
from jnn.errors import mistake

RIDGE_DAYS = 20


class ReturnForecasts(NamedTuple):
    """Of N days the price ``before`` and the logarithmic return that ``came``, (N,); by the name of
    who made them, means and variances.
    """

    before: np.ndarray
    came: np.ndarray
    mean: dict[str, np.ndarray]
    variance: dict[str, np.ndarray]

    def squares(self, name: str) -> np.ndarray:
        """The squared errors of the returns, (N,)."""
        return (self.came - self.mean[name]) ** 2

    def price_error(self, name: str) -> float:
        """The RMSE of the prices ``before exp(mean)``, in the units of the price."""
        return float(
            np.sqrt(np.mean((self.before * (np.exp(self.mean[name]) - np.exp(self.came))) ** 2))
        )

    def qlike(self, name: str) -> np.ndarray:
        """The loss of the variances by `jnn.baselines.volatility.qlike`, (N,)."""
        return qlike(self.variance[name], self.came**2)

    def direction(self, name: str, *, level: float = 0.95) -> tuple[float, float, float]:
        """How often a return had the sign of its mean, and the ends of that share's interval at
        ``level`` by Wilson 1927.

        A mean of zero says "up", as one would of stocks: persistence is judged by the share of days
        that went up.
        """
        from scipy.stats import binomtest

        right = int(np.sum((self.mean[name] >= 0) == (self.came > 0)))
        interval = binomtest(right, len(self.came)).proportion_ci(level, method="wilson")
        return right / len(self.came), interval.low, interval.high

    def part(self, days: slice) -> ReturnForecasts:
        """Those of some of the days."""
        cut = lambda found: {name: values[days] for name, values in found.items()}
        return ReturnForecasts(
            self.before[days], self.came[days], cut(self.mean), cut(self.variance)
        )


def return_baselines(price: np.ndarray, stretches: Sequence[range]) -> ReturnForecasts:
    """The usual forecasts of the daily returns ``log(p_t / p_{t-1})`` of ``price`` (T,) on the days
    of ``stretches``, in their order.

    Each stretch is learned from all days before it, and each day is forecast with the days before
    it known. Means: ``persistence``, zero, so that tomorrow's price is today's; ``drift``, the mean
    return; ``ridge regression`` on the last 20 returns; and ``mean of 5 days``, to whose price
    tomorrow's would return. Variances: ``constant``; ``weighted``, exponentially, by
    `weighted_variances`; ``GARCH(1,1)``. Raises JnnError for a stretch without 121 days before it.

    >>> price = 10 * np.exp(np.cumsum(0.01 * np.random.default_rng(0).standard_normal(300)))
    >>> found = return_baselines(price, [range(200, 250), range(250, 300)])
    >>> sorted(found.mean), len(found.came)
    (['drift', 'mean of 5 days', 'persistence', 'ridge regression'], 100)
    """
    price = np.asarray(price, np.float64)
    r = np.diff(np.log(price), prepend=np.log(price[0]))  # of the first day nothing is known
    days = np.concatenate([np.array(stretch) for stretch in stretches])
    for stretch in stretches:
        if stretch.start < 101 + RIDGE_DAYS or stretch.stop > len(price):
            got = f"the stretch {stretch} of {len(price)} days"
            raise mistake("return_baselines", got=got, expected=f"days from {101 + RIDGE_DAYS} on")
    found = [_of_stretch(r, stretch) for stretch in stretches]
    mean, variance = (
        {name: np.concatenate([one[i][name] for one in found]) for name in found[0][i]}
        for i in (0, 1)
    )
    mean = {"persistence": np.zeros(len(days)), **mean}
    mean["mean of 5 days"] = np.log(
        np.lib.stride_tricks.sliding_window_view(price, 5).mean(axis=1)[days - 5] / price[days - 1]
    )
    return ReturnForecasts(price[days - 1], r[days], mean, variance)


def _of_stretch(
    r: np.ndarray, stretch: range
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Means and variances that are learned: of the returns ``r[1 : stretch.start]``."""
    from sklearn.linear_model import Ridge

    learned, days = np.arange(1 + RIDGE_DAYS, stretch.start), np.array(stretch)
    past = np.lib.stride_tricks.sliding_window_view(r, RIDGE_DAYS)  # row i ends with day i + 19
    ridge = Ridge(1e-4).fit(past[learned - RIDGE_DAYS], r[learned])  # 1, were returns in per cent
    known = r[1 : stretch.start]
    drift, start = np.mean(known), float(np.mean(known**2))
    forecast = lambda of: of(r[1 : stretch.stop])[-len(days) :]
    variance = {
        "constant": np.full(len(days), start),
        "weighted": forecast(lambda r: weighted_variances(r, start)),
        "GARCH(1,1)": forecast(lambda r: garch_variances(fit_garch(known), r, start)),
    }
    return {
        "drift": np.full(len(days), drift),
        "ridge regression": ridge.predict(past[days - RIDGE_DAYS]),
    }, variance
