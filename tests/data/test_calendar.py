"""Calendar features repeat daily and yearly, without a jump."""

import numpy as np
import pytest

from jnn.data.calendar import calendar_features
from jnn.errors import JnnError


def test_features_have_a_period_of_a_day_and_one_of_a_year():
    time = np.datetime64("2012-01-01T00") + np.arange(366 * 24)
    features = calendar_features(time)
    np.testing.assert_allclose(features[:24, :4], features[24:48, :4], atol=1e-12)
    np.testing.assert_allclose(features[6, :2], [1, 0], atol=1e-12)
    assert np.ptp(features[:, 4]) > 1.99
    assert np.abs(np.diff(features[:, 4:], axis=0)).max() < 0.01


@pytest.mark.parametrize("unit", ["Y", "M", "W", "D", "m", "ns"])
def test_features_do_not_depend_on_the_unit_of_time(unit):
    time = np.array(["2012-01-01T00", "2012-03-01T06", "1969-12-31T23"], f"datetime64[{unit}]")
    first_hours = time.astype("datetime64[h]")
    seconds = (first_hours - first_hours.astype("datetime64[Y]")) / np.timedelta64(1, "s")
    fractions = seconds[:, None] / [86_400, 365.25 * 86_400]
    expected = [
        function(2 * np.pi * fraction) for fraction in fractions.T for function in (np.sin, np.cos)
    ]
    found = calendar_features(time, harmonics=1)
    np.testing.assert_allclose(found, np.stack(expected, axis=1), atol=1e-9)


def test_times_that_are_no_dates_are_refused():
    with pytest.raises(JnnError, match="NaT at 1, expected times"):
        calendar_features(np.array(["2012-01-01", "NaT"], "datetime64[h]"))
    with pytest.raises(JnnError, match="int64 of shape"):
        calendar_features(np.arange(3))
    with pytest.raises(JnnError, match="harmonics=0"):
        calendar_features(np.array(["2012-01-01"], "datetime64[h]"), harmonics=0)
