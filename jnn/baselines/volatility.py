"""Volatility forecasts from past returns: the exponentially weighted mean, and GARCH(1,1).

Returns ``r_t`` ``(T,)`` are of mean zero, such as daily logarithmic returns minus their mean. A
forecast ``h_t`` of ``r_t²`` uses the returns before t. Forecasts are compared by `qlike`, which is
robust to the noise of ``r_t²`` around the true variance.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from jnn.data.checks import check_finite
from jnn.errors import mistake
from jnn.integers import check_fraction

DECAY = 0.94
"""Of the exponentially weighted mean of squares of daily returns (RiskMetrics 1996)."""
MOST_PERSISTENT = 0.9999
"""The largest alpha + beta of a fit: at 1 there is no mean variance."""
STARTS = ((0.05, 0.9), (0.1, 0.8), (0.2, 0.5))
"""alpha and beta from which a fit begins: the likelihood may have several maxima."""


class Garch(NamedTuple):
    """The params of ``h_t = omega + alpha r_{t-1}² + beta h_{t-1}``."""

    omega: float
    alpha: float
    beta: float


def weighted_variances(returns: np.ndarray, start: float, *, decay: float = DECAY) -> np.ndarray:
    """The exponentially weighted mean of past squares, (T,).

        h_t = decay h_{t-1} + (1 - decay) r_{t-1}²,   h_0 = start

    Source: RiskMetrics, Technical document, 1996, whose decay for daily returns is 0.94.

    >>> weighted_variances(np.array([2.0, 0.0, 0.0]), 1.0, decay=0.5).tolist()
    [1.0, 2.5, 1.25]
    """
    check_fraction("weighted_variances", "decay", decay)
    return garch_variances(Garch(0.0, 1 - decay, decay), returns, start)


def garch_variances(garch: Garch, returns: np.ndarray, start: float) -> np.ndarray:
    """``h_t = omega + alpha r_{t-1}² + beta h_{t-1}`` from ``h_0 = start``, (T,) float64.

    Source: Bollerslev 1986, equation 7.

    >>> garch_variances(Garch(0.5, 0.25, 0.5), np.array([2.0, 0.0, 0.0]), 1.0).tolist()
    [1.0, 2.0, 1.5]
    """
    from scipy.signal import lfilter

    returns = _checked("garch_variances", returns)
    if not start > 0:
        raise mistake(
            "garch_variances",
            got=f"start={start}",
            expected="a variance above 0",
            remedy="Take that of the training part.",
        )
    innovations = garch.omega + garch.alpha * returns[:-1] ** 2
    rest, _ = lfilter([1.0], [1.0, -garch.beta], innovations, zi=[garch.beta * start])
    return np.concatenate([[start], rest])


def fit_garch(returns: np.ndarray) -> Garch:
    """The GARCH(1,1) of maximum likelihood, with normal innovations.

    It minimizes ``Σ (log h_t + r_t² / h_t)``, with ``h_0`` the mean of the squares, over
    ``omega > 0``, ``alpha, beta >= 0``, ``alpha + beta < 1``, by SciPy's SLSQP from several starts.
    Raises JnnError for fewer than 100 returns, and where all are equal.

    >>> white_noise = np.random.default_rng(0).standard_normal(2000)
    >>> fit_garch(white_noise).alpha < 0.05  # its variance is constant
    True
    """
    from scipy.optimize import minimize

    returns = _checked("fit_garch", returns)
    if len(returns) < 100 or np.ptp(returns) == 0:
        raise mistake(
            "fit_garch",
            got=f"{len(returns)} returns, {len(np.unique(returns))} of them different",
            expected="100 that vary",
        )
    variance = float(np.mean(returns**2))
    scaled = returns / np.sqrt(variance)  # so that all three params are of the order of one

    def loss(theta) -> float:
        return float(np.mean(qlike(garch_variances(Garch(*theta), scaled, 1.0), scaled**2)))

    settings = {
        "method": "SLSQP",
        "bounds": [(1e-6, 10.0), (0.0, 1.0), (0.0, 1.0)],
        "constraints": {"type": "ineq", "fun": lambda theta: MOST_PERSISTENT - theta[1] - theta[2]},
        "options": {"ftol": 1e-12, "maxiter": 500},
    }
    fits = [minimize(loss, [1 - alpha - beta, alpha, beta], **settings) for alpha, beta in STARTS]
    omega, alpha, beta = min(fits, key=lambda fit: fit.fun).x
    return Garch(float(omega) * variance, float(alpha), float(beta))


def qlike(variance: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """``log h + r² / h``, element-wise: -2 times the normal log-likelihood of r, up to a constant.

    Its mean is minimal for ``h = E r²``, whatever the distribution of r is, so that forecasts are
    ranked as if the true variance were observed.

    Source: Patton 2011, https://doi.org/10.1016/j.jeconom.2010.03.034, whose equation 24 subtracts
    terms that do not depend on h.
    """
    return np.log(variance) + squares / variance


def _checked(caller: str, returns: np.ndarray) -> np.ndarray:
    returns = np.asarray(returns, np.float64)
    if returns.ndim != 1 or not len(returns):
        raise mistake(caller, got=f"returns of shape {returns.shape}", expected="(T,) with T >= 1")
    check_finite(returns, caller)
    return returns
