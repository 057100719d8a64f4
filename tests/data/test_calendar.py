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


def test_times_that_are_no_dates_are_refused():
    with pytest.raises(JnnError, match="int64 of shape"):
        calendar_features(np.arange(3))
    with pytest.raises(JnnError, match="harmonics=0"):
        calendar_features(np.array(["2012-01-01"], "datetime64[h]"), harmonics=0)
