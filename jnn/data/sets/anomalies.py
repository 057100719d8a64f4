"""Recordings of one sensor with labelled events: which stretch may be learned from, and which is
tested.

What is learned from has no event in it: `split_clean` leaves the events out of the known stretch.
Labels of the tested stretches are for scores alone.
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

FAR = 4.0
"""Liters a second from the median of the days around it, beyond which an hour of `load_water_flow`
belongs to an event.
"""
AROUND = 337
"""Hours over which that median is taken: a week before and a week after."""
PROBATION = 0.15
"""Of a recording of the Numenta benchmark, what one may learn from."""


class Recording(NamedTuple):
    """``time`` (T,), datetime64 or numbers; ``values`` (T,) float64 in ``unit``; ``anomalous`` (T,)
    bool, True within labelled events; the stretch that is ``known`` when the alarm is set up; and
    those that are ``tested``."""

    time: np.ndarray
    values: np.ndarray
    anomalous: np.ndarray
    known: range
    tested: tuple[range, ...]
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
    def clean(self) -> np.ndarray:
        """(T,) bool, True at the times that are known and in no event."""
        mask = ~self.anomalous
        mask[: self.known.start] = mask[self.known.stop :] = False
        return mask


def split_clean(
    recording: Recording, *, validation: float = 0.25
) -> tuple[list[range], list[range]]:
    """The known stretch without its events, as parts for training and parts for validation, which
    are its last fraction.

    >>> anomalous = np.array([False, False, True, False, False, False, True])
    >>> recording = Recording(np.arange(7), np.zeros(7), anomalous, known=range(6), tested=(range(6, 7),), unit="")
    >>> split_clean(recording, validation=0.4)
    ([range(0, 2), range(3, 4)], [range(4, 6)])
    """
    if not 0 < validation < 1:
        raise mistake(
            "split_clean",
            got=f"validation={validation}",
            expected="a number between 0 and 1, both excluded",
        )
    times = np.flatnonzero(recording.clean)
    held = round(validation * len(times))
    if not 0 < held < len(times):
        raise mistake(
            "split_clean",
            got=f"{len(times)} known times without an event",
            expected="some for each part",
        )
    early = np.arange(len(recording.values)) < times[-held]
    return stretches(recording.clean & early), stretches(recording.clean & ~early)


def water_events(flow: np.ndarray) -> np.ndarray:
    """Which hours of a flow (T,) in l/s belong to an event, (T,) bool: further than 4 l/s from the
    median of the 337 hours around, and the hours next to such ones.

    >>> np.flatnonzero(water_events(np.array([100.0, 101.0, 100.0, 60.0, 101.0, 100.0]))).tolist()
    [2, 3, 4]
    """
    flow = np.asarray(flow, np.float64)
    if flow.ndim != 1:
        raise mistake("water_events", got=f"shape {flow.shape}", expected="(T,)")
    median = np.nanmedian(_around(flow, AROUND, np.nan), axis=1)
    return np.asarray(_around(np.abs(flow - median) > FAR, 3, False).any(axis=1))


def _around(values: np.ndarray, size: int, outside: float | bool) -> np.ndarray:
    """The ``size`` values around each, ``(T, size)``; those before the first and after the last are
    ``outside``.
    """
    padded = np.pad(values, size // 2, constant_values=outside)
    return np.lib.stride_tricks.sliding_window_view(padded, size)


def load_water_flow(*, offline: bool = False) -> Recording:
    """Flow in a branch of a water pipeline in Italy at each of 1,268 hours of spring 2022, in l/s.

    The publisher names four events but gives no column of labels. They are found by `water_events`,
    from the values themselves: so a score of how unusual a value is, such as ``|z|``, is strong
    here. Known are the hours 230 to 859, in which one event lies, a peak; tested are all others but
    the first day, with which forecasts begin: three events of low flow. In ten places some hours
    were not recorded, 32 at most; what is before and after is read as if it were next to each
    other.
    """
    rows = _rows(fetch(SOURCES["water_flow"], offline=offline) / "water-flow.csv")
    flow = np.array([float(row["Water flow [l/s]"]) for row in rows])
    time = np.array([row["Time"][:19] for row in rows], "datetime64[s]")
    return Recording(
        time,
        flow,
        water_events(flow),
        range(230, 860),
        (range(24, 230), range(860, len(flow))),
        "flow [l/s]",
    )


def load_internal_bleeding(*, offline: bool = False) -> Recording:
    """Arterial pressure, 7,501 readings, of which the first 1,200 are known; in the others, which
    are tested, is one anomaly of 12.

    Set 135 of the UCR archive (Wu and Keogh 2021), whose own score is whether the most unusual
    reading lies within 100 of the anomaly.
    """
    folder = fetch(SOURCES["internal_bleeding"], offline=offline)
    known, rows = (
        _rows(folder / f"135_UCR_Anomaly_InternalBleeding16_{part}.csv")
        for part in ("TRAIN", "TEST")
    )
    pressure = np.array([float(row["value"]) for row in rows])
    anomalous = np.array([row["is_anomaly"] == "1" for row in rows])
    parts = range(len(known)), (range(len(known), len(rows)),)
    return Recording(np.arange(len(rows)), pressure, anomalous, *parts, "pressure")


def load_machine_temperature(*, offline: bool = False) -> Recording:
    """Temperature in a large machine, 22,695 readings, one in five minutes, with four labelled
    windows of about two days.

    From the Numenta benchmark (Lavin and Ahmad 2015), of which the first 15 % are known; in them is
    one of the four windows. A window begins a day before what happens in it and ends a day after.
    The hour of 2014-01-07 02:00 is there twice.
    """
    folder = fetch(SOURCES["machine_temperature"], offline=offline)
    rows = _rows(folder / "nab_machine_temperature_system_failure.csv")
    time = np.array([row["timestamp"].replace(" ", "T") for row in rows], "datetime64[s]")
    windows = json.loads((folder / "nab_combined_windows.json").read_text(encoding="utf-8"))
    anomalous = np.zeros(len(rows), bool)
    for first, last in windows["realKnownCause/machine_temperature_system_failure.csv"]:
        first, last = (np.datetime64(when[:19].replace(" ", "T")) for when in (first, last))
        anomalous |= (time >= first) & (time <= last)
    known = int(PROBATION * len(rows))
    temperature = np.array([float(row["value"]) for row in rows])
    return Recording(
        time, temperature, anomalous, range(known), (range(known, len(rows)),), "temperature"
    )


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))
