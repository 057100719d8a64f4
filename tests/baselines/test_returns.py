"""The usual forecasts of returns are what their names say, and know nothing of the day that they
are of.
"""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from jnn.baselines.returns import ReturnForecasts, return_baselines
from jnn.baselines.volatility import fit_garch
from jnn.errors import JnnError

RNG = np.random.default_rng(0)
PRICE = 20 * np.exp(np.cumsum(0.02 * RNG.standard_normal(320)))
STRETCHES = [range(220, 270), range(270, 320)]
FOUND = return_baselines(PRICE, STRETCHES)


def test_means_are_what_their_names_say():
    r = np.diff(np.log(PRICE))  # r[t - 1] is of day t
    assert not FOUND.mean["persistence"].any()
    for stretch, place in ((STRETCHES[0], 0), (STRETCHES[1], 50)):
        np.testing.assert_allclose(
            FOUND.mean["drift"][place : place + 50], r[: stretch.start - 1].mean(), rtol=1e-12
        )
        x, y = (
            np.array([r[t - 21 : t - 1] for t in range(21, stretch.start)]),
            r[20 : stretch.start - 1],
        )
        ridge = Ridge(1.0).fit(100 * x, 100 * y)
        for t in stretch:
            expected = ridge.predict(100 * r[None, t - 21 : t - 1])[0] / 100
            np.testing.assert_allclose(
                FOUND.mean["ridge regression"][place + t - stretch.start],
                expected,
                rtol=1e-8,
                atol=1e-12,
            )
    for n, t in enumerate(range(220, 320)):
        np.testing.assert_allclose(
            FOUND.before[n] * np.exp(FOUND.mean["mean of 5 days"][n]),
            PRICE[t - 5 : t].mean(),
            rtol=1e-12,
        )
        np.testing.assert_allclose(FOUND.actual[n], r[t - 1], rtol=1e-12)


def test_variances_are_those_of_their_recursions():
    r = np.diff(np.log(PRICE))
    for stretch, place in ((STRETCHES[0], 0), (STRETCHES[1], 50)):
        past = r[: stretch.start - 1]
        garch = fit_garch(past)
        weighted = generalized = np.mean(past**2)
        np.testing.assert_allclose(FOUND.variance["constant"][place], weighted, rtol=1e-12)
        for t in range(1, stretch.stop):
            if t >= stretch.start:
                np.testing.assert_allclose(
                    FOUND.variance["weighted"][place + t - stretch.start], weighted, rtol=1e-10
                )
                np.testing.assert_allclose(
                    FOUND.variance["GARCH(1,1)"][place + t - stretch.start], generalized, rtol=1e-10
                )
            weighted = 0.94 * weighted + 0.06 * r[t - 1] ** 2
            generalized = garch.omega + garch.alpha * r[t - 1] ** 2 + garch.beta * generalized


@pytest.mark.sampled(3)
@pytest.mark.parametrize("day", [230, 270, 300])
def test_the_future_changes_no_forecast(day):
    """Of the days up to ``day``, where the prices from then on are others."""
    other = PRICE.copy()
    other[day:] = 20 * np.exp(np.cumsum(0.1 * np.random.default_rng(1).standard_normal(320 - day)))
    again = return_baselines(other, STRETCHES)
    upto = day - 220 + 1
    for actual, expected in ((again.mean, FOUND.mean), (again.variance, FOUND.variance)):
        for name, values in actual.items():
            np.testing.assert_array_equal(values[:upto], expected[name][:upto], err_msg=name)


def test_errors_are_in_the_units_of_the_price():
    n = len(FOUND.actual)
    price = PRICE[220:]
    for name in FOUND.mean:
        expected = np.sqrt(np.mean((FOUND.before * np.exp(FOUND.mean[name]) - price) ** 2))
        np.testing.assert_allclose(FOUND.price_error(name), expected, rtol=1e-12)
    np.testing.assert_allclose(
        FOUND.price_error("persistence"), np.sqrt(np.mean(np.diff(PRICE)[-n:] ** 2)), rtol=1e-9
    )


def test_directions_have_the_interval_of_wilson():
    """By its closed form."""
    came, mean = (
        RNG.standard_normal(80),
        {"model": RNG.standard_normal(80), "persistence": np.zeros(80)},
    )
    forecasts = ReturnForecasts(np.ones(80), came, mean, {})
    share, low, high = forecasts.direction("model")
    assert share == np.mean(np.sign(mean["model"]) == np.sign(came))
    n, z = 80, 1.959963984540054
    middle, half = (
        (share + z**2 / (2 * n)) / (1 + z**2 / n),
        z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n),
    )
    np.testing.assert_allclose((low, high), (middle - half, middle + half), rtol=1e-12)
    assert forecasts.direction("persistence")[0] == np.mean(came > 0)


def test_a_part_has_its_days():
    part = FOUND.part(slice(50, None))
    np.testing.assert_array_equal(part.mean["drift"], FOUND.mean["drift"][50:])
    np.testing.assert_array_equal(part.qlike("weighted"), FOUND.qlike("weighted")[50:])


def test_mistakes_are_named():
    with pytest.raises(
        JnnError, match=r"the stretch range\(100, 120\) of 320 days, expected days from 121 on"
    ):
        return_baselines(PRICE, [range(100, 120)])
    with pytest.raises(JnnError, match=r"the stretch range\(300, 330\) of 320 days"):
        return_baselines(PRICE, [range(300, 330)])
