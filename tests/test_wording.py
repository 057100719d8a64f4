"""Numbers and directions of metrics in words."""

import math

import numpy as np
import pytest

from jnn.errors import JnnError
from jnn.wording import duration, is_finite, lowest_is_best, number, ranked, spreads


def test_values_from_json_without_a_finite_number_come_last():
    assert ranked({"a": None, "b": 0.1, "c": "NaN", "d": 0.3}, lowest=True) == ["b", "d", "a", "c"]
    assert [number(value) for value in (None, "NaN", float("inf"), 12345.6, 1e-5)] == [
        "not a number"
    ] * 3 + ["12,346", "1e-05"]


@pytest.mark.parametrize("lowest", [True, False])
def test_ranks_are_those_of_a_sort(lowest):
    values = {"a": 0.2, "b": -0.5, "c": 0.9, "d": math.nan}
    finite = sorted("abc", key=values.__getitem__, reverse=not lowest)
    assert ranked(values, lowest) == [*finite, "d"]


def test_without_a_direction_nothing_is_ranked():
    assert lowest_is_best(None) is lowest_is_best("") is None
    assert ranked({"b": 2.0, "a": None, "c": 1.0}, lowest=None) == ["b", "a", "c"]


def test_another_word_is_no_direction():
    with pytest.raises(JnnError, match="got 'lower', expected 'highest' or 'lowest'"):
        lowest_is_best("lower")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (9.96, "10 s"),
        (59.6, "1 min 0 s"),
        (754.2, "12 min 34 s"),
        (7600, "2 h 6 min"),
    ],
)
def test_durations_never_have_sixty_of_a_unit(seconds, text):
    assert duration(seconds) == text


def test_means_of_a_column_are_aligned_at_the_decimal_point():
    column = spreads([(10.25, 0.5), (9.5, 0.25), (math.nan, None)])
    assert column == ["10.25 ± 0.50", " 9.50 ± 0.25", "not a number"]


def test_numbers_of_numpy_are_numbers():
    values = {"model": np.float32(0.2), "mean": np.int64(3), "broken": np.float64("nan")}
    assert ranked(values, lowest=True) == ["model", "mean", "broken"]
    assert [is_finite(value) for value in values.values()] == [True, True, False]
    assert not is_finite(True)
