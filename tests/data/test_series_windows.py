"""Windows are the slices that they say, and nothing knows its future."""

import numpy as np
import pytest

from jnn.data.series_windows import (
    fill_forward,
    forecast_sequences,
    forecast_windows,
    over_time,
    standardize_series,
    stretches,
    windows,
)
from jnn.errors import JnnError

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((40, 3)), RNG.standard_normal((40, 2))
PARTS = [range(0, 12), range(15, 18), range(20, 40)]


def by_slicing(x, y, length, horizons, parts, stride):
    """Every window that lies within a part, one after the other."""
    cut = []
    for part in parts:
        origins = [
            o for o in part if o - length + 1 >= part.start and o + max(horizons) < part.stop
        ][::stride]
        cut += [(x[o - length + 1 : o + 1], [y[o + h] for h in horizons], o) for o in origins]
    return [np.array(column) for column in zip(*cut, strict=True)]


@pytest.mark.parametrize("stride", [1, 3])
@pytest.mark.parametrize("horizons", [[1], [2, 5]])
@pytest.mark.parametrize("length", [1, 4])
def test_forecast_windows_are_slices(length, horizons, stride):
    settings = {"length": length, "within": PARTS, "stride": stride}
    cut = forecast_windows(X, Y, horizons=np.array(horizons, np.uint64), **settings)
    for name, expected in zip(
        ("inputs", "targets", "origin"),
        by_slicing(X, Y, length, horizons, PARTS, stride),
        strict=True,
    ):
        np.testing.assert_array_equal(cut[name], expected)


@pytest.mark.parametrize("reach_back", [False, True])
@pytest.mark.parametrize(("origins", "stride"), [(1, 1), (4, None), (4, 3)])
def test_every_origin_of_a_sequence_is_a_window(origins, stride, reach_back):
    """Each forecast of a sequence is the window of the same origin, with more of the past before
    it.
    """
    settings = {"length": 5, "horizons": [1, 3], "within": range(10, 40), "reach_back": reach_back}
    single = forecast_windows(X, Y, **settings)
    cut = forecast_sequences(X, Y, origins=origins, stride=stride, **settings)
    seen = []
    for inputs, targets, last in zip(
        *(cut[name] for name in ("inputs", "targets", "origin")), strict=True
    ):
        for j in range(origins):
            n = single["origin"].tolist().index(last - origins + 1 + j)
            np.testing.assert_array_equal(inputs[j : j + 5], single["inputs"][n])
            np.testing.assert_array_equal(targets[j], single["targets"][n])
            seen.append(n)
    assert seen[0] == 0
    assert len(single["origin"]) - 1 - max(seen) < (stride or origins)
    assert stride is not None or seen == list(range(len(seen)))


def test_windows_are_slices():
    cut = windows(X, length=5, within=PARTS, stride=2)
    ends = [o for part in PARTS for o in list(part)[4::2]]
    np.testing.assert_array_equal(cut["origin"], ends)
    np.testing.assert_array_equal(cut["inputs"], [X[o - 4 : o + 1] for o in ends])


def test_reaching_back_adds_the_windows_whose_targets_alone_are_in_the_part():
    kept = forecast_windows(X, Y, length=6, horizons=[2, 3], within=range(20, 40))
    back = forecast_windows(X, Y, length=6, horizons=[2, 3], within=range(20, 40), reach_back=True)
    assert kept["origin"][0] == 25
    # the first target of 18 is at 20, the last of 36 at 39
    assert back["origin"].tolist() == list(range(18, 37))
    np.testing.assert_array_equal(back["inputs"][0], X[13:19])
    first = forecast_windows(X, Y, length=6, horizons=[1], reach_back=True)
    assert first["origin"][0] == 5  # no further than the series does


@pytest.mark.parametrize("now", [8, 20, 39])
@pytest.mark.parametrize("seed", range(5))
def test_the_future_changes_nothing_that_is_known_now(now, seed):
    """All values after ``now`` are replaced, NaN included where that is allowed: inputs, past
    targets and scaling keep their bits.
    """
    rng = np.random.default_rng(seed)
    length, horizons = (
        int(rng.integers(1, 6)),
        sorted(rng.choice(np.arange(1, 7), 2, replace=False).tolist()),
    )
    other = X.copy()
    other[now + 1 :] = 1e3 * rng.standard_normal(other[now + 1 :].shape)
    cut = lambda x: forecast_windows(x, x, length=length, horizons=horizons)
    before, after = cut(X), cut(other)
    is_past = before["origin"] <= now
    np.testing.assert_array_equal(before["inputs"][is_past], after["inputs"][is_past])
    for k, horizon in enumerate(horizons):
        past = before["origin"] + horizon <= now
        np.testing.assert_array_equal(before["targets"][past, k], after["targets"][past, k])
        assert (before["targets"][is_past & ~past, k] != after["targets"][is_past & ~past, k]).all()
    train = range(0, now + 1)
    (scaled, scaling), (scaled_other, scaling_other) = (
        standardize_series(X, train),
        standardize_series(other, train),
    )
    assert np.array_equal(scaling, scaling_other)
    np.testing.assert_array_equal(scaled[: now + 1], scaled_other[: now + 1])
    gappy = np.where(rng.random(X.shape) < 0.4, np.nan, X)
    other = np.where(np.arange(40)[:, None] > now, np.nan, gappy)
    np.testing.assert_array_equal(fill_forward(gappy)[: now + 1], fill_forward(other)[: now + 1])


def test_no_window_of_one_part_holds_a_time_of_another():
    time = np.arange(40.0)
    parts = [range(0, 20), range(20, 30), range(30, 40)]
    seen = []
    for part in parts:
        cut = forecast_windows(time, time, length=3, horizons=[1, 2], within=part)
        seen.append(set(cut["inputs"].ravel()) | set(cut["targets"].ravel()))
    assert all(not seen[i] & seen[j] for i in range(3) for j in range(i))


def test_over_time_is_the_mean_of_the_windows_at_each_time():
    cut = windows(X, length=4, within=PARTS, stride=3)
    values = RNG.standard_normal((len(cut["origin"]), 4, 2))
    expected = np.full((40, 2), np.nan)
    for time in range(40):
        here = [
            values[n, time - (o - 3)] for n, o in enumerate(cut["origin"]) if o - 3 <= time <= o
        ]
        if here:
            expected[time] = np.mean(here, axis=0)
    np.testing.assert_allclose(over_time(values, cut["origin"], 40), expected, rtol=1e-12)
    np.testing.assert_allclose(
        over_time(cut["inputs"], cut["origin"], 40)[~np.isnan(expected[:, 0])],
        X[~np.isnan(expected[:, 0])],
    )


def test_standardizing_takes_the_moments_of_training_alone():
    scaled, scaling = standardize_series(X, [range(0, 5), range(10, 20)])
    train = np.concatenate([X[:5], X[10:20]])
    np.testing.assert_allclose(scaling.mean, train.mean(0))
    np.testing.assert_allclose(scaled, (X - train.mean(0)) / train.std(0), rtol=1e-6)


def test_filling_takes_the_last_value_that_is_known():
    gappy = np.where(RNG.random((60, 2)) < 0.5, np.nan, RNG.standard_normal((60, 2)))
    filled = fill_forward(gappy, first=-3.0)
    for column in range(2):
        last = -3.0
        for time in range(60):
            last = last if np.isnan(gappy[time, column]) else gappy[time, column]
            assert filled[time, column] == last


def test_stretches_are_where_the_mask_is_true():
    mask = RNG.random(50) < 0.6
    assert (
        sorted(time for part in stretches(mask) for time in part) == np.flatnonzero(mask).tolist()
    )
    assert all(not mask[part.stop : part.stop + 1].any() for part in stretches(mask))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"horizons": [0]},
            r"horizons=\[0\], expected integers >= 1. A horizon of 0 would be an input.",
        ),
        ({"horizons": []}, r"horizons=\[\], expected integers >= 1"),
        ({"length": 0}, "length=0, expected an integer >= 1"),
        ({"stride": 0}, "stride=0, expected an integer >= 1"),
        ({"length": 40}, "length=40 for parts of at most 40 times, expected a window that fits"),
        ({"within": range(10, 50)}, r"the part range\(10, 50\), expected .* within range\(0, 40\)"),
        (
            {"within": range(0, 40, 2)},
            r"the part range\(0, 40, 2\), expected a range of steps of 1",
        ),
        ({"within": []}, "no parts, expected at least one"),
        ({"within": (0, 40)}, r"the part 0, expected a range. The times .* are range\(a, b\)"),
        ({"within": slice(0, 40)}, r"the part slice\(0, 40, None\), expected a range"),
        ({"within": np.arange(40) < 9}, r"the part np.True_, expected a range"),
        ({"targets": Y.astype(str)}, r"\['targets'\]: got dtype <U\d+, expected numbers"),
        ({"inputs": X.astype(object)}, r"\['inputs'\]: got dtype object, expected numbers"),
        (
            {"targets": Y[:39]},
            r"inputs \(40, 3\) and targets \(39, 2\), "
            r"expected targets \(T,\) or \(T, C\) of the same T times",
        ),
        (
            {"inputs": X[None]},
            r"a series of shape \(1, 40, 3\), expected \(T,\) or \(T, D\) with T >= 1. "
            r"Time comes first.",
        ),
        (
            {"inputs": np.where(np.isclose(X, X[20, 1]), np.nan, X)},
            r"forecast_windows\['inputs'\]: got nan at row \d+, column 3, 1",
        ),
    ],
)
def test_mistakes_are_named(arguments, message):
    arguments = {"inputs": X, "targets": Y, "length": 4, "horizons": [1], **arguments}
    with pytest.raises(JnnError, match=message):
        forecast_windows(arguments.pop("inputs"), arguments.pop("targets"), **arguments)


def test_other_mistakes_are_named():
    with pytest.raises(JnnError, match=r"constant columns 1, expected columns that vary"):
        standardize_series(
            np.stack([np.arange(9.0), np.maximum(np.arange(9.0), 5)], axis=1), range(0, 5)
        )
    with pytest.raises(
        JnnError, match=r"windows of 4 that end from 2 to 2, expected windows within 9 times"
    ):
        over_time(np.zeros((1, 4)), np.array([2]), 9)
    with pytest.raises(JnnError, match=r"origin \(1,\) of float64, expected .* integers \(N,\)"):
        over_time(np.zeros((1, 2)), np.array([2.0]), 9)
    with pytest.raises(
        JnnError, match=r"float64 of shape \(3,\), expected booleans of shape \(T,\)"
    ):
        stretches(np.ones(3))
