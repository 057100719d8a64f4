"""Forecasts are drawn at the times that they are of, whatever the steps between origins."""

import numpy as np
import pytest

from jnn.explain.sections import forecasting

HORIZONS = {"2 h": 2, "6 h": 6}


def sections(origin: np.ndarray, unobserved=()):
    """Sections of perfect forecasts of a line: the width of the interval is 1."""
    time = np.arange(100)
    values = 2.0 * time
    truth = values[origin[:, None] + np.array([2, 6])]
    interval = truth[..., None] + np.array([-0.5, 0, 0.5])
    values[list(unobserved)] = np.nan
    return forecasting.quantiles(
        time, values, origin, HORIZONS, truth, interval, [0.05, 0.5, 0.95], past=5, span=10
    )


@pytest.mark.parametrize("step", [1, 2])
def test_a_forecast_is_drawn_at_its_time(step):
    over_time = sections(np.arange(5, 90, step))[2]
    assert over_time.title == "Forecasts over time"
    for ax in over_time.figure.axes:
        assert "100 %" in ax.get_title(loc="left")  # of a perfect forecast a step away: none


def test_without_a_time_of_all_horizons_there_is_no_stretch():
    titles = [section.title for section in sections(np.arange(5, 90, 5))]
    assert "Forecasts over time" not in titles
    assert titles[0] == "Fan chart: median error"


def test_what_was_not_observed_is_neither_an_error_nor_above_its_quantiles():
    origin = np.arange(5, 90)
    drawn = {s.title: s.figure for s in sections(origin, unobserved=range(60, 96, 2))}
    for title in ("Fan chart: median error", "Fan chart: largest error"):
        lines = {line.get_label(): line for line in drawn[title].axes[0].lines}
        assert np.isfinite(lines["observed"].get_ydata()[-1])
    for line in drawn["Calibration of quantiles"].axes[0].lines[1:]:
        np.testing.assert_array_equal(line.get_ydata(), [0, 1, 1])  # the median is the value


def test_sections_of_which_nothing_was_observed_are_omitted():
    titles = [section.title for section in sections(np.arange(5, 90), unobserved=range(100))]
    assert titles == ["Forecasts over time"]
