"""The pictures of forecasts show the arrays that were given, and the shares that follow from
them.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from jnn.errors import JnnError
from jnn.explain.results.forecast import (
    calibration,
    errors_by_horizon,
    fan_chart,
    rolling_forecast,
    series,
)

RNG = np.random.default_rng(0)
LEVELS = [0.05, 0.25, 0.5, 0.75, 0.95]
QUANTILES = np.sort(RNG.standard_normal((30, 5)), axis=1)
OBSERVED = RNG.standard_normal(30)
HOURS = np.datetime64("2014-01-01T00") + np.arange(30)


def edges(band):
    """The lower and upper end of a filled band at each of its times."""
    points = band.get_paths()[0].vertices
    times = np.unique(points[:, 0])
    return np.array(
        [[points[points[:, 0] == t, 1].min(), points[points[:, 0] == t, 1].max()] for t in times]
    )


def test_a_fan_opens_from_the_last_value_that_was_seen():
    when = HOURS[9] + np.array([1, 6, 24])
    figure = fan_chart(
        (HOURS[:10], OBSERVED[:10]),
        (when, QUANTILES[:3, 2]),
        QUANTILES[:3],
        LEVELS,
        observed=OBSERVED[:3],
    )
    ax = figure.axes[0]
    seen, expected, came = ax.lines
    assert_array_equal(seen.get_ydata(), OBSERVED[:10])
    assert_array_equal(expected.get_ydata(), [OBSERVED[9], *QUANTILES[:3, 2]])
    assert_array_equal(came.get_ydata(), OBSERVED[:3])
    for band, (low, high) in zip(ax.collections, ((0, 4), (1, 3)), strict=True):
        assert_allclose(edges(band), [[OBSERVED[9]] * 2, *QUANTILES[:3, [low, high]]])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "past",
        "90 %",
        "50 %",
        "forecast",
        "observed",
    ]
    assert ", 90 % interval " in " ".join(figure.get_suptitle().split())


def test_headings_have_the_share_within_the_widest_band():
    figure = rolling_forecast(
        HOURS, OBSERVED, {"1 h before": QUANTILES, "6 h before": QUANTILES[::-1]}, LEVELS
    )
    for ax, quantiles in zip(figure.axes, (QUANTILES, QUANTILES[::-1]), strict=True):
        triples = zip(quantiles[:, 0], OBSERVED, quantiles[:, 4], strict=True)
        share = np.mean([low <= value <= high for low, value, high in triples])
        heading = f"before: {share * 100:.0f} % within the 90 % interval"
        assert ax.get_title(loc="left").endswith(heading)
        assert_allclose(edges(ax.collections[0]), quantiles[:, [0, 4]])
        assert_array_equal(ax.lines[0].get_ydata(), OBSERVED)


def test_times_without_a_value_do_not_count_as_outside():
    observed, band = np.array([0.0, np.nan, 5.0]), np.tile([-1.0, 1.0], (3, 1))
    heading = lambda values: (
        rolling_forecast(np.arange(3), values, {"1 h before": band}, [0.1, 0.9])
        .axes[0]
        .get_title(loc="left")
    )
    assert heading(observed) == "1 h before: 50 % within the 80 % interval"
    assert heading(np.full(3, np.nan)) == "1 h before"


def test_levels_without_a_partner_have_no_band():
    figure = rolling_forecast(HOURS, OBSERVED, {"before": QUANTILES[:, :2]}, [0.05, 0.5])
    assert not figure.axes[0].collections
    assert figure.axes[0].get_title(loc="left") == "before"


def test_calibration_draws_shares_against_levels_and_has_the_worst_in_its_title():
    below = {
        "+1 h": np.array([0.07, 0.25, 0.5, 0.7, 0.95]),
        "+6 h": np.array([0.05, 0.2, 0.5, 0.75, 0.91]),
    }
    figure = calibration(LEVELS, below)
    for line, shares in zip(figure.axes[0].lines[1:], below.values(), strict=True):
        assert_array_equal(line.get_xydata(), np.stack([LEVELS, shares], axis=1))
    title = " ".join(figure.get_suptitle().split())
    assert title == "Calibration of quantiles: deviation at most 0.05"


def test_each_horizon_ranks_its_errors():
    errors = {"this model": [1.0, 3.0], "ridge": [2.0, 1.0], "persistence": [3.0, 2.0]}
    first, second = errors_by_horizon(errors, ["+1 h", "+24 h"]).axes
    assert [label.get_text() for label in first.get_yticklabels()] == [
        "this model",
        "ridge",
        "persistence",
    ]
    assert [bar.get_width() for bar in second.patches] == [1.0, 2.0, 3.0]
    assert first.get_title(loc="left") == "RMSE, +1 h"


def test_lines_are_those_that_were_given():
    lines = series(HOURS, {"came": OBSERVED, "expected": QUANTILES[:, 2]}).axes[0].lines
    assert_array_equal(lines[0].get_ydata(), OBSERVED)
    assert_array_equal(lines[1].get_ydata(), QUANTILES[:, 2])


def test_mistakes_are_named():
    with pytest.raises(
        JnnError, match=r"quantiles of shape \(30, 5\), expected \(30, 2\), times and levels"
    ):
        rolling_forecast(HOURS, OBSERVED, {"before": QUANTILES}, [0.1, 0.9])
    with pytest.raises(
        JnnError, match=r"levels \[0.9, 0.1\], expected increasing numbers between 0 and 1"
    ):
        rolling_forecast(HOURS, OBSERVED, {"before": QUANTILES[:, :2]}, [0.9, 0.1])
    with pytest.raises(
        JnnError, match=r"\+1 h of shape \(3,\) for 5 levels, expected a share for each level"
    ):
        calibration(LEVELS, {"+1 h": np.zeros(3)})
    with pytest.raises(
        JnnError, match=r"1 errors of 'ridge' for 2 horizons, expected one for each"
    ):
        errors_by_horizon({"ridge": [1.0]}, ["+1 h", "+24 h"])


def test_a_forecaster_that_diverged_comes_last():
    errors = {"diverged": [np.nan], "mean": [2.0], "this model": [1.0]}
    ax = errors_by_horizon(errors, ["+1 h"]).axes[0]
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == ["this model", "mean", "diverged"]
    assert [text.get_text() for text in ax.texts] == ["1", "2", "not a number"]
