"""No fold learns from a day that it predicts, and every test day is predicted once."""

import numpy as np
import pytest

from experiments import stock_prediction as experiment
from jnn.data.series_splits import walk_forward
from jnn.errors import JnnError

CONFIG = experiment.Config(smoke=True)
SERIES = experiment.synthetic_stocks(experiment.TICKERS)
MARKET = experiment.load_data(CONFIG)
FOLDS = walk_forward(len(MARKET.time), folds=CONFIG.folds)
PARTS = {
    "train": (experiment.ORIGINS, experiment.ORIGINS // 3),
    "validation": (1, 1),
    "test": (1, 1),
}


def market_changed_after(monkeypatch, day):
    """The market where prices and volumes from ``day`` on are others."""
    rng, changed = np.random.default_rng(1), {}
    for ticker, series in SERIES.items():
        values = series.values.copy()
        first = len(MARKET.time) - len(values)
        values[day - first :] *= np.exp(
            0.1 * rng.standard_normal(values[day - first :].shape).clip(-0.04, 0.04)
        )
        changed[ticker] = series._replace(values=values)
    monkeypatch.setattr(experiment, "synthetic_stocks", lambda tickers: changed)
    return experiment.load_data(CONFIG)


def test_training_and_scales_end_with_the_training_part(monkeypatch):
    for fold in FOLDS:
        other = market_changed_after(monkeypatch, fold.train.stop)
        found, expected = (
            experiment.windows(market, fold, "train", *PARTS["train"]) for market in (other, MARKET)
        )
        for name in expected:
            np.testing.assert_array_equal(found[name], expected[name], err_msg=name)
        assert expected["day"].max() < fold.train.stop <= fold.validation.start < fold.test.start


def test_what_is_seen_of_a_test_day_is_from_before_it(monkeypatch):
    fold = FOLDS[1]
    day = fold.test.start + 10
    other = market_changed_after(monkeypatch, day)
    found, expected = (experiment.windows(market, fold, "test", 1, 1) for market in (other, MARKET))
    before = expected["day"] <= day
    for name in ("inputs", "deviation"):
        np.testing.assert_array_equal(found[name][before], expected[name][before], err_msg=name)
    assert (
        found["return"][expected["day"] == day] != expected["return"][expected["day"] == day]
    ).all()


def test_every_test_day_of_a_stock_is_predicted_once():
    test = experiment.all_windows(MARKET, FOLDS).test
    for number, stock in enumerate(MARKET.stocks.values()):
        counts = (test["stock"] == number) & (test["count"] > 0)
        days = test["day"][counts]
        assert sorted(days.tolist()) == list(stock.last(experiment.TESTED))
        r = stock.returns[days - stock.first]
        np.testing.assert_allclose(test["return"][counts], r, rtol=1e-6)


def test_folds_must_be_one_at_least():
    with pytest.raises(JnnError, match="folds=0, expected an integer >= 1"):
        experiment.Config(folds=0)
