"""Training, validation and test parts of a series: consecutive stretches of time, never random.

Neighbouring times are alike: tested on random ones, a model trained on the times around them would
look better than it is in use. So the test part comes after the training part.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from jnn.data.checks import Arrays, check_arrays
from jnn.errors import mistake
from jnn.integers import check_fraction, check_integer


class TimeSplit(NamedTuple):
    """Three stretches of times, each after the one before."""

    train: range
    validation: range
    test: range

    @property
    def sizes(self) -> dict[str, int]:
        """The number of times in each part.

        >>> TimeSplit(range(3), range(3, 5), range(5, 6)).sizes
        {'train': 3, 'validation': 2, 'test': 1}
        """
        return {part: len(times) for part, times in self._asdict().items()}


def split_time(size: int, *, validation: float = 0.1, test: float = 0.2) -> TimeSplit:
    """The last fraction ``test`` of ``size`` times as the test part, and those before it.

    Validation is the last fraction ``validation`` of the times before the test part. Raises
    JnnError for fractions outside (0, 1), and where a part would be empty.

    >>> split_time(100, validation=0.25)
    TimeSplit(train=range(0, 60), validation=range(60, 80), test=range(80, 100))
    """
    size = check_integer("split_time", "size", size)
    second = size - _share("split_time", "test", test, size)
    first = second - _share("split_time", "validation", validation, second)
    split = TimeSplit(range(first), range(first, second), range(second, size))
    return _checked("split_time", split, f"{size} times")


def split_at(time: np.ndarray, validation: Any, test: Any, end: Any = None) -> TimeSplit:
    """The parts that begin at the times ``validation`` and ``test``; the rest before is training.

    The test part ends before ``end``. ``time`` ``(T,)`` increases: numbers, or ``datetime64``,
    which is compared with dates as text too. A part may begin between two times. Raises JnnError
    where the times do not increase, and for an empty part.

    >>> days = np.arange("2021-12-30", "2022-01-04", dtype="datetime64[D]")
    >>> split_at(days, "2022-01-01", "2022-01-02")
    TimeSplit(train=range(0, 2), validation=range(2, 3), test=range(3, 5))
    """
    time = np.asarray(time)
    _check_increasing(time)
    place = lambda when: int(np.sum(_is_before(time, when)))
    first, second, last = place(validation), place(test), len(time) if end is None else place(end)
    split = TimeSplit(range(first), range(first, second), range(second, last))
    return _checked("split_at", split, f"{validation} and {test}")


def _check_increasing(time: np.ndarray) -> None:
    expected = "(T,), each after the one before"
    if time.ndim != 1:
        raise mistake("split_at", got=f"times of shape {time.shape}", expected=expected)
    wrong = np.flatnonzero(~(time[1:] > time[:-1]))
    if len(wrong):
        before, after = time[wrong[0]], time[wrong[0] + 1]
        got = f"times {before} and {after} at {wrong[0]} and {wrong[0] + 1}"
        is_known = before == before and after == after  # NaN and NaT are not equal to themselves
        remedy = "Sort them." if after < before else "Drop times that are missing."
        if is_known and after == before:
            remedy = f"Drop or merge the {len(time) - len(np.unique(time))} duplicates."
        raise mistake("split_at", got=got, expected=expected, remedy=remedy)


def _is_before(time: np.ndarray, when: Any) -> np.ndarray:
    """Which times are before ``when``, (T,), in the precision of both: noon is not midnight."""
    try:
        is_before = time < (np.datetime64(when) if time.dtype.kind == "M" else when)
        if is_before.shape == time.shape:
            return is_before
    except (TypeError, ValueError, OverflowError):
        pass
    raise mistake(
        "split_at", got=f"{when!r} for times of {time.dtype}", expected="a time of that kind"
    )


def walk_forward(
    size: int, *, folds: int, test: float = 0.2, validation: float = 0.1, rolling: bool = False
) -> list[TimeSplit]:
    """Walk-forward validation: consecutive test parts, each with all times before it for training.

    The last fraction ``test`` of ``size`` times is divided into ``folds`` test parts without gaps,
    as even as whole numbers allow. Validation is the last fraction ``validation`` of the times
    before a test part. Training begins at 0, or with ``rolling`` has the length that it has in the
    first fold.

    >>> [(fold.train, fold.test) for fold in walk_forward(100, folds=2, validation=0.25)]
    [(range(0, 60), range(80, 90)), (range(0, 68), range(90, 100))]
    """
    size = check_integer("walk_forward", "size", size)
    tested = _share("walk_forward", "test", test, size)
    folds = check_integer("walk_forward", "folds", folds)
    if folds > tested:
        got = f"folds={folds} of {tested} times"
        raise mistake("walk_forward", got=got, expected="at least one fold, and a time in each")
    ends = np.linspace(size - tested, size, folds + 1).round().astype(int).tolist()
    splits: list[TimeSplit] = []
    for begin, end in pairwise(ends):
        held_out = begin - _share("walk_forward", "validation", validation, begin)
        oldest = held_out - len(splits[0].train) if rolling and splits else 0
        split = TimeSplit(range(oldest, held_out), range(held_out, begin), range(begin, end))
        splits.append(_checked("walk_forward", split, f"{size} times"))
    return splits


def side_by_side(folds: Sequence[Arrays]) -> dict[str, np.ndarray]:
    """The examples of several folds as arrays (N, folds, ...), one fold for each ensemble member.

    They are for models such as ``jnn.ensemble(model, folds, x_axis=0)``. N is that of the longest
    fold; shorter ones are repeated from their beginning, and ``"count"`` (N, folds) float32 is 0
    for repeated examples and 1 for all others.

    >>> both = side_by_side([{"x": np.arange(3)}, {"x": np.arange(10, 12)}])
    >>> both["x"].tolist(), both["count"].tolist()
    ([[0, 10], [1, 11], [2, 10]], [[1.0, 1.0], [1.0, 1.0], [1.0, 0.0]])
    """
    names = [sorted(fold) for fold in folds]
    if any(name != names[0] for name in names) or not folds:
        got = f"folds of {' and '.join(sorted({', '.join(name) for name in names}))}"
        expected = "at least one fold, and the same arrays in each"
        raise mistake("side_by_side", got=got if folds else "no folds", expected=expected)
    if "count" in folds[0]:
        got, expected = "an array named 'count'", "other names: 'count' is made here"
        raise mistake("side_by_side", got=got, expected=expected, remedy="Rename it.")
    sizes = [check_arrays(fold, f"fold {i}") for i, fold in enumerate(folds)]
    rows = [np.arange(max(sizes)) % size for size in sizes]

    def stacked(name: str) -> np.ndarray:
        columns = [np.asarray(fold[name])[row] for fold, row in zip(folds, rows, strict=True)]
        return np.stack(columns, axis=1)

    count = np.stack([np.arange(max(sizes)) < size for size in sizes], axis=1)
    return {**{name: stacked(name) for name in folds[0]}, "count": count.astype(np.float32)}


def _share(caller: str, name: str, fraction: float, size: int) -> int:
    check_fraction(caller, name, fraction)
    return round(fraction * size)


def _checked(caller: str, split: TimeSplit, of: str) -> TimeSplit:
    for name, part in split._asdict().items():
        if not len(part):
            got = f"an empty {name} part of {of}"
            raise mistake(caller, got=got, expected="at least one time in each part")
    return split
