"""Variances are those of the recursion, and a fit is where SciPy's normal likelihood is greatest,
near the params that data came from.
"""

import numpy as np
import pytest
from scipy import stats

from jnn.baselines.volatility import Garch, fit_garch, garch_variances, qlike, weighted_variances
from jnn.errors import JnnError

TRUE = Garch(0.05, 0.1, 0.85)
ERRORS = 4  # standard errors within which an estimate lies, but for one in ten thousand
FLAT = 1e-6  # of the mean likelihood around its maximum: what the optimizer's tolerance leaves
RNG = np.random.default_rng(0)


def simulated(garch, size, rng):
    """Returns of a GARCH(1,1), one by one."""
    h, returns = garch.omega / (1 - garch.alpha - garch.beta), []
    for shock in rng.standard_normal(size):
        returns.append(np.sqrt(h) * shock)
        h = garch.omega + garch.alpha * returns[-1] ** 2 + garch.beta * h
    return np.array(returns)


def log_likelihood(garch, returns):
    """By the definition, with SciPy's density."""
    h = [np.mean(returns**2)]
    for r in returns[:-1]:
        h.append(garch.omega + garch.alpha * r**2 + garch.beta * h[-1])
    return stats.norm.logpdf(returns, scale=np.sqrt(h)).mean()


def test_variances_are_those_of_the_recursion():
    returns = RNG.standard_normal(50)
    for garch, variances in (
        (TRUE, garch_variances(TRUE, returns, 2.0)),
        (Garch(0.0, 0.3, 0.7), weighted_variances(returns, 2.0, decay=0.7)),
    ):
        expected = [2.0]
        for r in returns[:-1]:
            expected.append(garch.omega + garch.alpha * r**2 + garch.beta * expected[-1])
        np.testing.assert_allclose(variances, expected, rtol=1e-12)


def test_weights_of_the_past_fall_by_the_decay():
    """The sum that the recursion stands for."""
    returns = RNG.standard_normal(30)
    weights = 0.06 * 0.94 ** np.arange(29)[::-1]
    np.testing.assert_allclose(
        weighted_variances(returns, 1.5)[-1],
        weights @ returns[:-1] ** 2 + 0.94**29 * 1.5,
        rtol=1e-12,
    )


def test_a_forecast_does_not_know_the_return_that_it_is_of():
    returns = RNG.standard_normal(30)
    other = np.concatenate([returns[:20], 9 * returns[20:]])
    np.testing.assert_array_equal(
        garch_variances(TRUE, returns, 1.0)[:21], garch_variances(TRUE, other, 1.0)[:21]
    )


@pytest.fixture(scope="module")
def fits():
    series = [simulated(TRUE, 3000, np.random.default_rng(seed)) for seed in range(8)]
    return [(returns, fit_garch(returns)) for returns in series]


def test_the_params_of_simulated_returns_are_found(fits):
    """The mean of eight fits, within its standard errors."""
    estimates = np.array([fit for _, fit in fits])
    standard_error = estimates.std(axis=0, ddof=1) / np.sqrt(len(estimates))
    assert (np.abs(estimates.mean(axis=0) - TRUE) < ERRORS * standard_error).all()
    assert np.abs(estimates.mean(axis=0) - TRUE).max() < 0.03


def test_no_params_nearby_have_a_greater_likelihood(fits):
    for returns, fit in fits[:2]:
        best = log_likelihood(fit, returns)
        assert best >= log_likelihood(TRUE, returns)
        for step in 0.02 * np.eye(3):
            for sign in (-1, 1):
                assert (
                    log_likelihood(Garch(*(np.array(fit) * (1 + sign * step))), returns)
                    < best + FLAT
                )


def test_the_scale_of_returns_scales_omega_alone(fits):
    returns, fit = fits[0]
    np.testing.assert_allclose(
        fit_garch(0.01 * returns), (1e-4 * fit.omega, fit.alpha, fit.beta), rtol=1e-3
    )


def test_qlike_is_the_normal_likelihood_and_least_at_the_true_variance():
    r, h = RNG.standard_normal(2000), RNG.uniform(0.5, 2, 2000)
    np.testing.assert_allclose(
        qlike(h, r**2), -2 * stats.norm.logpdf(r, scale=np.sqrt(h)) - np.log(2 * np.pi), rtol=1e-12
    )
    heavy = stats.t(df=5).rvs(100_000, random_state=0) ** 2
    # 5/3 is the variance of this t
    losses = [qlike(np.array(variance), heavy).mean() for variance in (1.3, 5 / 3, 2.1)]
    assert np.argmin(losses) == 1


def test_mistakes_are_named():
    with pytest.raises(JnnError, match="99 returns, 99 of them different, expected 100 that vary"):
        fit_garch(RNG.standard_normal(99))
    with pytest.raises(JnnError, match="200 returns, 1 of them different"):
        fit_garch(np.ones(200))
    with pytest.raises(JnnError, match=r"start=0\.0, expected a variance above 0"):
        garch_variances(TRUE, np.ones(3), 0.0)
    with pytest.raises(JnnError, match="decay=1, expected a fraction"):
        weighted_variances(np.ones(3), 1.0, decay=1)
    with pytest.raises(JnnError, match=r"returns of shape \(3, 1\)"):
        garch_variances(TRUE, np.ones((3, 1)), 1.0)
    with pytest.raises(JnnError, match="nan at row 1"):
        garch_variances(TRUE, np.array([1.0, np.nan]), 1.0)
