import datetime

import numpy as np
import pytest

from jnn.data.series_splits import side_by_side, split_at, split_time, walk_forward
from jnn.errors import JnnError

DAYS = np.arange("2022-01-01", "2022-01-07", dtype="datetime64[D]")
HOURS = np.arange("2010-01-01", "2015-01-01", dtype="datetime64[h]")


def test_years_are_split_at_their_first_hours():
    train, validation, test = split_at(HOURS, "2013-01-01", "2014-01-01")
    year = lambda part: set(HOURS[part].astype("datetime64[Y]").astype(str))
    assert year(train) == {"2010", "2011", "2012"}
    assert (year(validation), year(test)) == ({"2013"}, {"2014"})
    assert len(train) + len(validation) + len(test) == len(HOURS)
    assert split_at(HOURS, "2013-01-01", "2014-01-01", "2014-01-02").test == range(
        test.start, test.start + 24
    )


@pytest.mark.parametrize("size", [10, 97, 1000])
@pytest.mark.parametrize("fractions", [(0.1, 0.2), (0.5, 0.3)])
def test_parts_follow_each_other_and_have_their_shares(size, fractions):
    validation, test = fractions
    split = split_time(size, validation=validation, test=test)
    assert [time for part in split for time in part] == list(range(size))
    assert abs(len(split.test) - test * size) <= 0.5
    assert abs(len(split.validation) - validation * (size - len(split.test))) <= 0.5


@pytest.mark.parametrize("rolling", [False, True])
@pytest.mark.parametrize("folds", [1, 3, 7])
def test_folds_test_every_late_time_once_with_what_came_before(folds, rolling):
    splits = walk_forward(203, folds=folds, test=0.3, validation=0.2, rolling=rolling)
    assert [time for fold in splits for time in fold.test] == list(range(203 - 61, 203))
    for fold in splits:
        assert fold.train.stop == fold.validation.start
        assert fold.validation.stop == fold.test.start
        assert abs(len(fold.validation) - 0.2 * fold.test.start) <= 0.5
        assert fold.train.start == 0 or rolling
    assert not rolling or len({len(fold.train) for fold in splits}) == 1


def test_mistakes_are_named():
    with pytest.raises(JnnError, match=r"test=1.5, expected a fraction in \(0, 1\)"):
        split_time(100, test=1.5)
    with pytest.raises(
        JnnError,
        match=r"an empty validation part of 10 times, expected at least one time in each part",
    ):
        split_time(10, validation=0.01)
    with pytest.raises(
        JnnError, match=r"folds=21 of 20 times, expected at least one fold, and a time in each"
    ):
        walk_forward(100, folds=21)
    with pytest.raises(JnnError, match=r"an empty test part of 2014-01-01 and 2015-01-01"):
        split_at(HOURS, "2014-01-01", "2015-01-01")


@pytest.mark.parametrize(
    ("time", "validation", "test", "sizes"),
    [
        (np.arange(10), 2.5, 6.5, (3, 4, 3)),
        (np.arange(10, dtype=np.uint8), 2.5, 6, (3, 3, 4)),
        (np.arange(10, dtype=np.float32) / 10, 0.3, 0.7, (3, 4, 3)),
        (np.arange(5) + 2**62, 2**62 + 1, 2**62 + 3, (1, 2, 2)),
        (DAYS, "2022-01-02T12", "2022-01-04T00:00:01", (2, 2, 2)),
        (DAYS, datetime.date(2022, 1, 3), datetime.datetime(2022, 1, 5, 1), (2, 3, 1)),
        (DAYS - DAYS[0], np.timedelta64(25, "h"), np.timedelta64(3, "D"), (2, 1, 3)),
        (DAYS.astype(str), "2022-01-02", "2022-01-03", (1, 1, 4)),
    ],
)
def test_bounds_between_two_times_are_not_rounded(time, validation, test, sizes):
    assert tuple(map(len, split_at(time, validation, test))) == sizes


@pytest.mark.parametrize(
    ("bound", "message"),
    [
        (300, "an empty test part of 2 and 300"),
        ("3", "got '3' for times of uint8, expected a time of that kind"),
        (None, "got None for times of uint8"),
        ([1, 2], r"got \[1, 2\] for times of uint8"),
    ],
)
def test_bounds_of_another_kind_are_refused(bound, message):
    with pytest.raises(JnnError, match=message):
        split_at(np.arange(10, dtype=np.uint8), 2, bound)
    with pytest.raises(JnnError, match=r"got 'June' for times of datetime64\[D\]"):
        split_at(DAYS, "June", "2022-01-03")


@pytest.mark.parametrize(
    ("time", "message"),
    [
        ([2.0, 1.0], r"got times 2.0 and 1.0 at 0 and 1, expected .* one before. Sort them."),
        ([1, 2, 2, 2, 4], r"times 2 and 2 at 1 and 2.*Drop or merge the 2 duplicates"),
        ([1.0, np.nan, 2.0], r"times 1.0 and nan at 0 and 1.*Drop times that are missing"),
        ([[1.0], [2.0]], r"got times of shape \(2, 1\), expected \(T,\)"),
    ],
)
def test_what_is_wrong_with_times_is_reported(time, message):
    with pytest.raises(JnnError, match=message):
        split_at(np.array(time), 1.5, 2.0)


def test_folds_side_by_side_keep_their_examples():
    folds = [
        {"x": np.random.default_rng(i).standard_normal((size, 2)), "n": np.arange(size)}
        for i, size in enumerate((4, 7, 2))
    ]
    stacked = side_by_side(folds)
    assert stacked["count"].sum(axis=0).tolist() == [4, 7, 2]
    for i, fold in enumerate(folds):
        counts = stacked["count"][:, i] > 0
        assert all(np.array_equal(stacked[name][counts, i], fold[name]) for name in fold)
        assert np.array_equal(stacked["x"][:, i], fold["x"][stacked["n"][:, i]])


def test_folds_side_by_side_have_the_same_arrays():
    with pytest.raises(JnnError, match="got no folds, expected at least one fold"):
        side_by_side([])
    with pytest.raises(JnnError, match=r"got folds of x and x, y, expected .* the same arrays"):
        side_by_side([{"x": np.arange(3)}, {"x": np.arange(3), "y": np.arange(3)}])
    with pytest.raises(JnnError, match="got an array named 'count', expected other names"):
        side_by_side([{"count": np.arange(3)}, {"count": np.arange(3)}])


@pytest.mark.parametrize("size", [np.uint8(200), np.int64(200)])
def test_the_number_of_times_may_be_an_integer_of_numpy(size):
    assert split_time(size) == split_time(200)
    assert walk_forward(size, folds=3) == walk_forward(200, folds=3)
    for call in (split_time, lambda size: walk_forward(size, folds=2)):
        with pytest.raises(JnnError, match=r"got size=200.0, expected an integer >= 1"):
            call(200.0)
