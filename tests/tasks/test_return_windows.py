"""No fold learns from a day that it predicts, and every test day is predicted once."""

import jax
import numpy as np

from jnn.data.scaling import scale
from jnn.data.series_splits import walk_forward
from jnn.data.sets.stock_market import market_of
from jnn.data.sets.synthetic_series import synthetic_stocks
from jnn.tasks.return_windows import (
    market_preparation,
    observed_days,
    prepared_features,
    return_features,
    return_scales,
    return_windows,
    walk_forward_windows,
)

LENGTH, SHARE = 40, 0.2
SERIES = synthetic_stocks(("A", "B", "C"))
MARKET = market_of(SERIES)
FOLDS = walk_forward(len(MARKET.time), folds=2)
SINGLE = 1e-4  # float32: logarithms of variances that are computed anew


def changed_from(day):
    """The market where prices and volumes from ``day`` on are others."""
    rng, changed = np.random.default_rng(1), {}
    for ticker, series in SERIES.items():
        values = series.values.copy()
        later = values[day - (len(MARKET.time) - len(values)) :]
        later *= np.exp(0.1 * rng.standard_normal(later.shape).clip(-0.04, 0.04))
        changed[ticker] = series._replace(values=values)
    return market_of(changed)


def test_training_and_scales_end_with_the_training_part():
    settings = {"length": LENGTH, "origins": 60, "stride": 20}
    for fold in FOLDS:
        found, expected = (
            return_windows(market, fold, "train", **settings)
            for market in (changed_from(fold.train.stop), MARKET)
        )
        for name in expected:
            np.testing.assert_array_equal(found[name], expected[name], err_msg=name)
        assert expected["day"].max() < fold.train.stop <= fold.validation.start < fold.test.start


def test_what_is_seen_of_a_test_day_is_from_before_it():
    fold = FOLDS[1]
    day = fold.test.start + 10
    found, expected = (
        return_windows(market, fold, "test", length=LENGTH)
        for market in (changed_from(day), MARKET)
    )
    before, now = expected["day"] <= day, expected["day"] == day
    for name in ("inputs", "deviation"):
        np.testing.assert_array_equal(found[name][before], expected[name][before], err_msg=name)
    assert (found["return"][now] != expected["return"][now]).all()


def test_every_test_day_of_a_stock_is_predicted_once():
    test = walk_forward_windows(MARKET, FOLDS, length=LENGTH, origins=60, tested=SHARE).test
    for number, stock in enumerate(MARKET.stocks.values()):
        counts = (test["stock"] == number) & (test["count"] > 0)
        days = test["day"][counts]
        assert sorted(days.tolist()) == list(stock.last(SHARE))
        r = stock.returns[days - stock.first]
        np.testing.assert_allclose(test["return"][counts], r, rtol=1e-6)


def test_days_that_a_run_prepares_have_the_features_that_it_was_trained_on():
    fold, stocks = FOLDS[-1], list(MARKET.stocks.values())
    preparation = market_preparation(MARKET, fold, length=LENGTH)
    raw = observed_days(MARKET)
    most, x = len(raw), scale(preparation.scaling, raw)
    found = jax.jit(lambda x: prepared_features(preparation, x))(x)
    assert found.shape == (3, most, 5)
    for features, stock in zip(found, stocks, strict=True):
        expected = return_features(stock, return_scales(stock, fold.train))[-most:]
        np.testing.assert_allclose(features[-100:], expected[-100:], rtol=SINGLE, atol=SINGLE)
    both = jax.jit(lambda x: prepared_features(preparation, x))(np.stack([x, x[::-1]]))
    np.testing.assert_allclose(both[0], found, rtol=1e-6, atol=1e-6)
