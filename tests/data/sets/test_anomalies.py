"""Recordings with events: their labels, and what is left to learn from."""

import json

import numpy as np
import pytest

from jnn.data.sets import anomalies
from jnn.data.sets.anomalies import Recording, split_clean, water_events
from jnn.errors import JnnError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(anomalies, "fetch", lambda source, offline: tmp_path)
    return tmp_path


def by_the_rule(flow):
    """Hour by hour: far from the median of the hours that there are within a week, or next to such
    an hour.
    """
    far = [abs(x - np.median(flow[max(0, t - 168) : t + 169])) > 4 for t, x in enumerate(flow)]
    return [any(far[max(0, t - 1) : t + 2]) for t in range(len(flow))]


def test_water_events_follow_the_rule():
    rng = np.random.default_rng(0)
    flow = 100 + 2 * np.sin(np.arange(600) * 2 * np.pi / 24) + rng.normal(0, 1.5, 600)
    flow[[0, 300, 301, 599]] = 24.0
    expected = by_the_rule(flow)
    assert 6 < sum(expected) < 300
    assert water_events(flow).tolist() == expected
    with pytest.raises(JnnError, match=r"water_events: got shape \(600, 1\), expected \(T,\)"):
        water_events(flow[:, None])


def recording(size=20, training=range(2, 14)):
    anomalous = np.zeros(size, bool)
    anomalous[[5, 6, 17]] = True
    return Recording(
        np.arange(size), np.arange(size, dtype=float), anomalous, training, (range(14, size),), ""
    )


def test_no_event_and_no_tested_time_is_learned_from():
    series = recording()
    train, validation = split_clean(series, validation=0.3)
    assert (train, validation) == ([range(2, 5), range(7, 11)], [range(11, 14)])
    assert series.events == [range(5, 7), range(17, 18)]
    assert not (series.clean & (series.anomalous | series.under_test)).any()


def test_what_is_tested_changes_nothing_that_is_learned_from():
    series = recording()
    other = series._replace(
        anomalous=series.anomalous ^ series.under_test,
        values=series.values + 100 * series.under_test,
    )
    assert split_clean(series) == split_clean(other)
    np.testing.assert_array_equal(series.clean, other.clean)


@pytest.mark.parametrize(
    ("validation", "training", "message"),
    [
        (1.0, range(2, 14), "got validation=1.0, expected a fraction"),
        (0.25, range(5, 7), "got 0 training times without an event"),
        (0.25, range(4, 5), "got 1 training times without an event"),
    ],
)
def test_too_little_to_learn_from_is_refused(validation, training, message):
    with pytest.raises(JnnError, match=message):
        split_clean(recording(training=training), validation=validation)


def test_water_flow(folder):
    days = np.datetime64("2022-03-20T11", "h") + np.arange(900)
    flow = np.full(900, 100.0)
    flow[[400, 870]] = 24
    rows = [f"{day}:00:00+01:00,{value}" for day, value in zip(days, flow, strict=True)]
    (folder / "water-flow.csv").write_text("Time,Water flow [l/s]\n" + "\n".join(rows))
    series = anomalies.load_water_flow()
    assert series.events == [range(399, 402), range(869, 872)]
    assert (series.training, series.tested) == (
        range(230, 860),
        (range(24, 230), range(860, 900)),
    )
    assert str(series.time[0]) == "2022-03-20T11:00:00"
    np.testing.assert_array_equal(series.values, flow)


def test_internal_bleeding_is_tested_after_its_training_part(folder):
    for part, rows in (
        ("TRAIN", ["0,1.5,0", "1,2.5,0"]),
        ("TEST", ["0,1.5,0", "1,2.5,0", "2,3,0", "3,9,1", "4,3,0"]),
    ):
        path = folder / f"135_UCR_Anomaly_InternalBleeding16_{part}.csv"
        path.write_text("\n".join(["timestamp,value,is_anomaly", *rows]))
    series = anomalies.load_internal_bleeding()
    assert (series.training, series.tested, series.events) == (
        range(2),
        (range(2, 5),),
        [range(3, 4)],
    )
    assert series.values.tolist() == [1.5, 2.5, 3, 9, 3]


def test_machine_temperature_has_its_windows_both_ends_included(folder):
    minutes = [f"2013-12-02 21:{minute:02}:00,{70 + minute}" for minute in range(20)]
    (folder / "nab_machine_temperature_system_failure.csv").write_text(
        "\n".join(["timestamp,value", *minutes])
    )
    windows = [
        ["2013-12-02 21:01:00.000000", "2013-12-02 21:02:00.000000"],
        ["2013-12-02 21:15:00.000000", "2013-12-02 21:18:00.000000"],
    ]
    labels = {"realKnownCause/machine_temperature_system_failure.csv": windows, "another": []}
    (folder / "nab_combined_windows.json").write_text(json.dumps(labels))
    series = anomalies.load_machine_temperature()
    assert (series.training, series.tested, series.events) == (
        range(3),
        (range(3, 20),),
        [range(1, 3), range(15, 19)],
    )
    assert series.values.tolist() == list(range(70, 90))
