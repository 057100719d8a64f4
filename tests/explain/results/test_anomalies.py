"""The pictures of anomalies show the arrays that were given."""

import numpy as np
import pytest
import sklearn.metrics
from numpy.testing import assert_array_equal

from jnn.errors import JnnError
from jnn.explain.results.anomalies import detection_curves, events_closely, score_trace

RNG = np.random.default_rng(0)
TIME = np.datetime64("2022-03-20T00", "h") + np.arange(40)
VALUES, SCORE = RNG.normal(size=40), RNG.uniform(size=40)
ANOMALOUS = np.isin(np.arange(40), [10, 11, 12, 30])


def bands(ax):
    return [(patch.get_x(), patch.get_x() + patch.get_width()) for patch in ax.patches]


def days(ax, *times):
    return [float(ax.convert_xunits(time)) for time in times]


def test_the_trace_has_series_score_threshold_and_events():
    figure = score_trace(
        TIME, VALUES, SCORE, ANOMALOUS, threshold=0.5, unit="flow", training=range(20, 28)
    )
    above, below = figure.axes
    assert_array_equal(above.lines[0].get_ydata(), VALUES)
    assert_array_equal(below.lines[0].get_ydata(), SCORE)
    assert_array_equal(below.lines[1].get_ydata(), [0.5, 0.5])
    assert_array_equal(below.lines[2].get_xdata(), TIME[[20, 27]])
    half = np.timedelta64(30, "m")
    expected = [
        days(above, TIME[10] - half, TIME[12] + half),
        days(above, TIME[30] - half, TIME[30] + half),
    ]
    for ax in figure.axes:
        np.testing.assert_allclose(bands(ax), expected)
    alarm = SCORE > 0.5
    detected = sum([alarm[10:13].any(), alarm[30]])
    runs = np.flatnonzero(np.diff(np.concatenate([[0], alarm & ~ANOMALOUS])) == 1)
    assert figure.get_suptitle() == (
        f"Anomaly score: {detected} of 2 events detected, {len(runs)} false alarms"
    )


def test_no_line_crosses_a_gap():
    time = np.delete(TIME, [20, 21])
    figure = score_trace(
        time, np.arange(38.0), np.zeros(38), np.delete(ANOMALOUS, [20, 21]), threshold=1.0
    )
    drawn = figure.axes[0].lines[0].get_ydata()
    assert_array_equal(drawn, np.insert(np.arange(38.0), 20, np.nan))
    assert figure.get_suptitle() == "Anomaly score: 0 of 2 events detected, 0 false alarms"


def test_each_event_has_its_panel_with_what_was_expected():
    figure = events_closely(
        TIME, VALUES, SCORE, [range(10, 13), range(30, 31)], margin=4, name="forecast"
    )
    for ax, near in zip(figure.axes, [slice(6, 17), slice(26, 35)], strict=True):
        measured, expected = ax.lines
        assert_array_equal(measured.get_xdata(), TIME[near])
        assert_array_equal(measured.get_ydata(), VALUES[near])
        assert_array_equal(expected.get_ydata(), SCORE[near])
        assert len(bands(ax)) == 1
    assert figure.get_suptitle() == ""
    cut = events_closely(TIME, VALUES, SCORE, [range(i, i + 1) for i in range(9)])
    assert (len(cut.axes), cut.get_suptitle()) == (6, "The first 6 of 9 events")


def test_the_curves_have_the_areas_of_scikit_learn():
    left, right = detection_curves({"model": SCORE, "|z|": np.abs(VALUES)}, ANOMALOUS).axes
    for i, (name, score) in enumerate({"model": SCORE, "|z|": np.abs(VALUES)}.items()):
        area = np.trapezoid(
            np.asarray(left.lines[i].get_ydata()), np.asarray(left.lines[i].get_xdata())
        )
        assert left.lines[i].get_label() == f"{name}: AUC {area:.3f}"
        average = sklearn.metrics.average_precision_score(ANOMALOUS, score)
        assert right.lines[i].get_label() == f"{name}: AP {average:.3f}"
    assert set(np.asarray(right.lines[-1].get_ydata())) == {np.mean(ANOMALOUS)}


def test_mistakes_are_named():
    with pytest.raises(
        JnnError, match=r"score_trace: got shapes \{'time': \(40,\), 'values': \(39,\)"
    ):
        score_trace(TIME, VALUES[1:], SCORE, ANOMALOUS, threshold=0.5)
    with pytest.raises(JnnError, match="events_closely: got no event"):
        events_closely(TIME, VALUES, SCORE, [])
