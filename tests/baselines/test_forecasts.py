"""Climatology and regression know the training part alone, and are those of their definition."""

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from jnn.baselines.forecasts import (
    climatology,
    errors_by_horizon,
    hourly_forecasts,
    regression_forecasts,
)
from jnn.data.series_windows import forecast_windows
from jnn.errors import JnnError

SINGLE = 1e-4  # float32: a regression of changes that are larger than their errors


def test_climatology_is_the_mean_of_the_training_years_alone():
    time = np.datetime64("2009-03-01T00") + np.arange(0, 3 * 365 * 24, 6)
    train = range(2 * 365 * 4)
    values = np.random.default_rng(0).normal(size=len(time))
    usual = climatology(time, values, train)
    for t in (0, 5, len(train), len(time) - 1):
        same = [s for s in train if str(time[s])[4:] == str(time[t])[4:]]
        assert usual[t] == pytest.approx(np.mean(values[same]))
    values[train.stop :] = 1e6
    np.testing.assert_array_equal(climatology(time, values, train), usual)


@pytest.mark.parametrize("unit", ["h", "m", "ns"])
def test_a_date_is_the_same_in_a_leap_year(unit):
    time = np.arange("2010-01-01T00", "2014-01-01T00", 6, dtype="datetime64[h]")
    values = np.random.default_rng(0).normal(size=len(time))
    within = range(int(np.sum(time < np.datetime64("2013-01-01"))))
    usual = climatology(time.astype(f"datetime64[{unit}]"), values, within)
    for date in ("02-28T06", "02-29T06", "03-01T06", "12-31T18"):
        same = [t for t in within if str(time[t])[5:] == date]
        found = [usual[t] for t in range(len(time)) if str(time[t])[5:] == date]
        np.testing.assert_allclose(found, np.mean(values[same]), rtol=1e-12)
    of_2010 = climatology(time, values, range(365 * 4))
    leap_day = time == np.datetime64("2012-02-29T06")
    assert of_2010[leap_day] == pytest.approx(np.mean(values[1 : 365 * 4 : 4]))


def test_climatology_refuses_other_shapes():
    with pytest.raises(JnnError, match="expected both of shape"):
        climatology(np.array(["2012-01-01"], "datetime64[h]"), np.zeros(2), range(1))


def test_regression_forecasts_are_those_of_a_fit_for_each_horizon():
    rng = np.random.default_rng(0)
    x, calendar = np.cumsum(rng.normal(size=80)), rng.normal(size=(80, 2))
    train = forecast_windows(x, x, length=3, horizons=[1, 4], within=range(60))
    test = forecast_windows(x, x, length=3, horizons=[1, 4], within=range(60, 80))
    forecasts = regression_forecasts(
        LinearRegression(), x, train, test, horizons=[1, 4], calendar=calendar
    )
    for k, horizon in enumerate([1, 4]):
        table = lambda o, h=horizon: np.stack(
            [np.r_[x[t - 2 : t + 1], calendar[t + h], 1] for t in o]
        )
        # a least-squares fit of the change is one of the value: the last value is a feature
        weights = np.linalg.lstsq(table(train["origin"]), train["targets"][:, k])[0]
        np.testing.assert_allclose(forecasts[:, k], table(test["origin"]) @ weights, rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float16])
def test_forecasts_and_errors_do_not_depend_on_the_type_of_the_numbers(dtype):
    rng, nothing = np.random.default_rng(0), np.zeros((60, 1))
    counts = np.where(rng.uniform(size=60) < 0.5, 1, 250).astype(dtype)

    def forecast(x):
        windows = forecast_windows(counts.astype(np.float64), x, length=2, horizons=[1])
        settings = {"horizons": [1], "calendar": nothing}
        forecasts = regression_forecasts(LinearRegression(), x, windows, windows, **settings)
        methods = {"regression": forecasts, "persistence": x[windows["origin"], None]}
        return forecasts, errors_by_horizon(methods, windows["targets"])

    found, errors = forecast(counts)
    expected, expected_errors = forecast(counts.astype(np.float64))
    np.testing.assert_allclose(found, expected, rtol=SINGLE)
    assert errors["persistence"] == expected_errors["persistence"]
    assert errors["regression"] == pytest.approx(expected_errors["regression"], rel=SINGLE)


def test_hourly_forecasts_are_what_their_names_say_and_use_the_training_hours_alone():
    time = np.arange("2012-01-01T00", "2012-01-31T00", dtype="datetime64[h]")
    rng, train, horizons = np.random.default_rng(0), range(500), [1, 24]
    x, calendar = rng.normal(size=len(time)), rng.normal(size=(len(time), 2))
    cut = lambda values, part: forecast_windows(
        values, values, length=3, horizons=horizons, within=part
    )
    settings = {"within": train, "horizons": horizons, "calendar": calendar, "trees": 2}
    test = cut(x, range(500, 720))
    forecasts = hourly_forecasts(time, x, cut(x, train), test, **settings)
    np.testing.assert_array_equal(forecasts["persistence"][:, 0], x[test["origin"]])
    np.testing.assert_array_equal(forecasts["same hour yesterday"][:, 1], x[test["origin"]])
    later = test["origin"][40] + 1
    other = np.where(np.arange(len(x)) < later, x, 1e3)
    again = hourly_forecasts(
        time, other, cut(other, train), cut(other, range(500, 720)), **settings
    )
    for name, forecast in forecasts.items():
        np.testing.assert_array_equal(again[name][:41], forecast[:41], err_msg=name)


def test_hourly_forecasts_refuse_more_than_a_day_ahead():
    windows = forecast_windows(np.arange(80.0), np.arange(80.0), length=3, horizons=[25])
    time = np.datetime64("2012-01-01T00") + np.arange(80)
    settings = {"within": range(40), "horizons": [25], "calendar": np.zeros((80, 1))}
    with pytest.raises(JnnError, match=r"horizons=\[25\], expected hours up to 24"):
        hourly_forecasts(time, np.arange(80.0), windows, windows, **settings)
