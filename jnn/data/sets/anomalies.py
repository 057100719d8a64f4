"""Recordings of one sensor with labelled events, for anomaly detection.

Models are trained without events: `split_clean` removes those of the training stretch.
Labels of the tested stretches are used for scores only.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jnn.data.fetch.sources import SOURCES, fetch
from jnn.data.series_windows import stretches
from jnn.errors import mistake
from jnn.integers import check_fraction

FAR = 4.0
"""Distance from the median of the surrounding days, in l/s, of events in `load_water_flow`."""
AROUND = 337
"""Hours over which that median is taken: a week before and a week after."""
PROBATION = 0.15
"""The fraction of a recording of the Numenta benchmark that is for training."""


class Recording(NamedTuple):
    """A series with labelled events."""

    time: np.ndarray
    """(T,), datetime64 or numbers."""
    values: np.ndarray
    """(T,) float64, in ``unit``."""
    anomalous: np.ndarray
    """(T,) bool, True within labelled events."""
    training: range
    """The stretch by which models and the threshold of an alarm are fitted."""
    tested: tuple[range, ...]
    """The stretches that are tested."""
    unit: str

    @property
    def events(self) -> list[range]:
        """The labelled events."""
        return stretches(self.anomalous)

    @property
    def under_test(self) -> np.ndarray:
        """(T,) bool, True at the times that are tested."""
        mask = np.zeros(len(self.values), bool)
        for part in self.tested:
            mask[part.start : part.stop] = True
        return mask

    @property
    def tested_sizes(self) -> dict[str, float]:
        """How many times are tested, ``test``, and the share of them in events."""
        tested = self.under_test
        share = float(self.anomalous[tested].mean())
        return {"test": int(tested.sum()), "test_anomalous": share}

    @property
    def clean(self) -> np.ndarray:
        """(T,) bool, True at training times outside of events."""
        mask = ~self.anomalous
        mask[: self.training.start] = mask[self.training.stop :] = False
        return mask


def split_clean(
    recording: Recording, *, validation: float = 0.25
) -> tuple[list[range], list[range]]:
    """The training stretch without its events, as parts for training and parts for validation.

    Validation is its last fraction.

    >>> anomalous = np.array([False, False, True, False, False, False, True])
    >>> parts = {"training": range(6), "tested": (range(6, 7),)}
    >>> recording = Recording(np.arange(7), np.zeros(7), anomalous, **parts, unit="")
    >>> split_clean(recording, validation=0.4)
    ([range(0, 2), range(3, 4)], [range(4, 6)])
    """
    check_fraction("split_clean", "validation", validation)
    times = np.flatnonzero(recording.clean)
    held = round(validation * len(times))
    if not 0 < held < len(times):
        got = f"{len(times)} training times without an event"
        raise mistake("split_clean", got=got, expected="some for each part")
    early = np.arange(len(recording.values)) < times[-held]
    return stretches(recording.clean & early), stretches(recording.clean & ~early)


def water_events(flow: np.ndarray) -> np.ndarray:
    """Which hours of a flow (T,) in l/s belong to an event, (T,) bool.

    They are further than 4 l/s from the median of the surrounding 337 hours, or next to such hours.

    >>> np.flatnonzero(water_events(np.array([100.0, 101.0, 100.0, 60.0, 101.0, 100.0]))).tolist()
    [2, 3, 4]
    """
    flow = np.asarray(flow, np.float64)
    if flow.ndim != 1:
        raise mistake("water_events", got=f"shape {flow.shape}", expected="(T,)")
    median = np.nanmedian(_around(flow, AROUND, np.nan), axis=1)
    return np.asarray(_around(np.abs(flow - median) > FAR, 3, False).any(axis=1))


def _around(values: np.ndarray, size: int, outside: float | bool) -> np.ndarray:
    """The ``size`` values around each, ``(T, size)``, with ``outside`` beyond the ends."""
    padded = np.pad(values, size // 2, constant_values=outside)
    return np.lib.stride_tricks.sliding_window_view(padded, size)


def load_water_flow(*, offline: bool = False) -> Recording:
    """Flow in a branch of a water pipeline in Italy at each of 1,268 hours of spring 2022, in l/s.

    The publisher names four events but gives no column of labels. They are labelled by
    `water_events`, from the values themselves, which favours scores of single values, such as
    ``|z|``.

    The hours 230 to 859 are for training, with one event, a peak; tested are all others but the
    first day, with which forecasts begin: three events of low flow. In ten places some hours were
    not recorded, at most 32; the hours before and after a gap are treated as consecutive.
    """
    rows = _rows(fetch(SOURCES["water_flow"], offline=offline) / "water-flow.csv")
    flow = np.array([float(row["Water flow [l/s]"]) for row in rows])
    time = np.array([row["Time"][:19] for row in rows], "datetime64[s]")
    tested = range(24, 230), range(860, len(flow))
    return Recording(time, flow, water_events(flow), range(230, 860), tested, "flow [l/s]")


def load_internal_bleeding(*, offline: bool = False) -> Recording:
    """Arterial pressure, 7,501 readings: the first 1,200 are for training.

    The others have one anomaly, of 12 readings. Set 135 of the UCR archive (Wu and Keogh 2021),
    whose score is whether the most unusual reading is within 100 readings of the anomaly.
    """
    folder = fetch(SOURCES["internal_bleeding"], offline=offline)
    name = "135_UCR_Anomaly_InternalBleeding16"
    first, rows = (_rows(folder / f"{name}_{part}.csv") for part in ("TRAIN", "TEST"))
    pressure = np.array([float(row["value"]) for row in rows])
    anomalous = np.array([row["is_anomaly"] == "1" for row in rows])
    parts = range(len(first)), (range(len(first), len(rows)),)
    return Recording(np.arange(len(rows)), pressure, anomalous, *parts, "pressure")


def load_machine_temperature(*, offline: bool = False) -> Recording:
    """Temperature in a large machine: 22,695 readings, one in five minutes, with four events.

    From the Numenta benchmark (Lavin and Ahmad 2015). The first 15 % are for training, with one of
    the four events. An event is a window of about two days around a failure. The hour of 2014-01-07
    02:00 occurs twice.
    """
    folder = fetch(SOURCES["machine_temperature"], offline=offline)
    rows = _rows(folder / "nab_machine_temperature_system_failure.csv")
    time = np.array([row["timestamp"].replace(" ", "T") for row in rows], "datetime64[s]")
    windows = json.loads((folder / "nab_combined_windows.json").read_text(encoding="utf-8"))
    anomalous = np.zeros(len(rows), bool)
    for first, last in windows["realKnownCause/machine_temperature_system_failure.csv"]:
        first, last = (np.datetime64(when[:19].replace(" ", "T")) for when in (first, last))
        anomalous |= (time >= first) & (time <= last)
    size = int(PROBATION * len(rows))
    temperature = np.array([float(row["value"]) for row in rows])
    tested = (range(size, len(rows)),)
    return Recording(time, temperature, anomalous, range(size), tested, "temperature")


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))
