"""Training, validation and test parts of a series: stretches of time in that order, never drawn at
random.

A model that has seen Tuesday and Thursday knows much of Wednesday; so what is tested comes after
all that was learned from.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from jnn.data.checks import Arrays, check_arrays
from jnn.errors import mistake


class TimeSplit(NamedTuple):
    """Three stretches of times, each after the one before."""

    train: range
    validation: range
    test: range


def split_time(size: int, *, validation: float = 0.1, test: float = 0.2) -> TimeSplit:
    """The last fraction ``test`` of ``size`` times is the test part, and the fraction
    ``validation`` of all before it validation.

    Raises JnnError for fractions outside (0, 1), and where a part would be empty.

    >>> split_time(100, validation=0.25)
    TimeSplit(train=range(0, 60), validation=range(60, 80), test=range(80, 100))
    """
    known = size - _share("split_time", "test", test, size)
    learned = known - _share("split_time", "validation", validation, known)
    return _checked(
        "split_time",
        TimeSplit(range(learned), range(learned, known), range(known, size)),
        f"{size} times",
    )


def split_at(time: np.ndarray, validation: Any, test: Any, end: Any = None) -> TimeSplit:
    """The parts that begin at the times ``validation`` and ``test``; all before is training, and
    the test part ends before ``end``.

    ``time`` ``(T,)`` increases: ``datetime64``, which is compared with dates as text too, or
    numbers. Raises JnnError where it does not increase, and for an empty part.

    >>> days = np.arange("2021-12-30", "2022-01-04", dtype="datetime64[D]")
    >>> split_at(days, "2022-01-01", "2022-01-02")
    TimeSplit(train=range(0, 2), validation=range(2, 3), test=range(3, 5))
    """
    time = np.asarray(time)
    if time.ndim != 1 or not np.all(time[1:] > time[:-1]):
        raise mistake(
            "split_at",
            got=f"times of shape {time.shape}",
            expected="(T,), each after the one before",
            remedy="Sort them.",
        )
    place = lambda when: int(np.searchsorted(time, np.asarray(when, time.dtype)))
    first, second, last = place(validation), place(test), len(time) if end is None else place(end)
    return _checked(
        "split_at",
        TimeSplit(range(first), range(first, second), range(second, last)),
        f"{validation} and {test}",
    )


def walk_forward(
    size: int, *, folds: int, test: float = 0.2, validation: float = 0.1, rolling: bool = False
) -> list[TimeSplit]:
    """The last fraction ``test`` of ``size`` times in ``folds`` parts, each predicted by a model of
    all that came before it.

    The test parts follow each other without a gap, as even as whole numbers allow. Validation is
    the fraction ``validation`` of all before a test part, its last times. Training begins at 0, or
    with ``rolling`` has the length that it has in the first fold.

    >>> [(fold.train, fold.test) for fold in walk_forward(100, folds=2, validation=0.25)]
    [(range(0, 60), range(80, 90)), (range(0, 68), range(90, 100))]
    """
    tested = _share("walk_forward", "test", test, size)
    if not 1 <= folds <= tested:
        raise mistake(
            "walk_forward",
            got=f"folds={folds} of {tested} times",
            expected="a fold at least, and a time in each",
        )
    ends = np.linspace(size - tested, size, folds + 1).round().astype(int).tolist()
    found: list[TimeSplit] = []
    for begin, end in pairwise(ends):
        learned = begin - _share("walk_forward", "validation", validation, begin)
        oldest = learned - len(found[0].train) if rolling and found else 0
        fold = TimeSplit(range(oldest, learned), range(learned, begin), range(begin, end))
        found.append(_checked("walk_forward", fold, f"{size} times"))
    return found


def side_by_side(folds: Sequence[Arrays]) -> dict[str, np.ndarray]:
    """The examples of several folds as arrays (N, folds, ...), for members that each learn from
    their own, as in ``jnn.ensemble(model, folds, x_axis=0)``.

    N is that of the longest; a shorter fold begins anew, and ``"count"`` (N, folds) float32 is 1
    for what comes first and 0 for what is there again.

    >>> found = side_by_side([{"x": np.arange(3)}, {"x": np.arange(10, 12)}])
    >>> found["x"].tolist(), found["count"].tolist()
    ([[0, 10], [1, 11], [2, 10]], [[1.0, 1.0], [1.0, 1.0], [1.0, 0.0]])
    """
    sizes = [check_arrays(fold, f"fold {i}") for i, fold in enumerate(folds)]
    rows = [np.arange(max(sizes)) % size for size in sizes]
    found = {
        name: np.stack(
            [np.asarray(fold[name])[row] for fold, row in zip(folds, rows, strict=True)], axis=1
        )
        for name in folds[0]
    }
    count = np.stack([np.arange(max(sizes)) < size for size in sizes], axis=1)
    return {**found, "count": count.astype(np.float32)}


def _share(where: str, name: str, fraction: float, size: int) -> int:
    if not 0 < fraction < 1:
        raise mistake(
            where, got=f"{name}={fraction}", expected="a number between 0 and 1, both excluded"
        )
    return round(fraction * size)


def _checked(where: str, split: TimeSplit, of: str) -> TimeSplit:
    for name, part in split._asdict().items():
        if not len(part):
            raise mistake(
                where, got=f"an empty {name} part of {of}", expected="a time at least in each part"
            )
    return split
