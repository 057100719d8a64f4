import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from jnn.data.scaling import fit_scaling, scale, standardize, unscale
from jnn.data.splits import Splits
from jnn.errors import JnnError

FLOAT32 = 1e-6
"""The result is rounded once to float32: half a unit in the last place is 6e-8 of values up to
about 5.
"""


def features(seed, rows=50):
    return np.random.default_rng(seed).normal([1e4, -3.0, 0.0], [1e-1, 5.0, 1e-3], (rows, 3))


def splits(**changed):
    parts = {"train": features(0), "validation": features(1), "test": features(2)} | changed
    return Splits(*({"features": part, "target": np.arange(len(part))} for part in parts.values()))


def test_scaling_is_that_of_scikit_learn_fitted_on_the_training_part():
    given = splits()
    scaler = StandardScaler().fit(given.train["features"])
    scaled, _ = standardize(given)
    for before, after in zip(given[:3], scaled[:3], strict=True):
        np.testing.assert_allclose(
            after["features"], scaler.transform(before["features"]), rtol=FLOAT32, atol=FLOAT32
        )
        assert after["features"].dtype == np.float32
        assert np.array_equal(after["target"], before["target"])


def test_what_is_in_validation_and_test_changes_nothing_in_training():
    a, scaling_a = standardize(splits())
    b, scaling_b = standardize(splits(validation=features(1) * 100, test=features(2) + 1e6))
    assert np.array_equal(a.train["features"], b.train["features"])
    assert np.array_equal(scaling_a.mean, scaling_b.mean)


def test_unscale_undoes_scale():
    x = features(3)
    scaling = fit_scaling(x)
    np.testing.assert_allclose(
        unscale(scaling, scale(scaling, x)), x, rtol=FLOAT32, atol=FLOAT32 * scaling.deviation.max()
    )


def test_a_single_target_is_scaled_too():
    y = np.array([1.0, 3.0])
    assert scale(fit_scaling(y), y).tolist() == [-1.0, 1.0]


def test_constant_columns_are_refused_by_their_numbers():
    x = features(0)
    x[:, [0, 2]] = 0.1
    with pytest.raises(
        JnnError, match=r"train\['features'\]: got constant columns 0, 2.*Drop them"
    ):
        standardize(splits(train=x))


@pytest.mark.parametrize(
    "column",
    [
        [0.1 + 0.2, 0.3, 0.3, 0.3],
        [1e9 + 1e-7, 1e9, 1e9, 1e9],
        [-0.7, -0.7, -0.1 - 0.6, -0.7],
        [0.0, 0.0, 0.0, 0.0],
        [1e-300, 1e-300, 1e-300, 1e-300],
        [1e9 + 1e-5, 1e9, 1e9, 1e9],
        [0.3001, 0.3, 0.3, 0.3],
        [1e-200, 0.0, 0.0, 1e-150],
        [1e-8, -1e-8, 0.0, 0.0],
    ],
)
def test_rounding_is_no_scale_by_the_bound_of_scikit_learn(column):
    x = np.array(column)
    scaler = StandardScaler().fit(x[:, None])
    if scaler.scale_ == 1:  # what scikit-learn takes for a constant
        with pytest.raises(JnnError, match="got constant columns 0"):
            fit_scaling(x)
    else:
        np.testing.assert_allclose(fit_scaling(x).deviation, scaler.scale_[0], rtol=1e-12)


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_nan_is_refused_by_row_and_column_in_every_part(part):
    x = features(0)
    x[7, 1] = np.nan
    with pytest.raises(JnnError, match=rf"{part}\['features'\]: got nan at row 7, column 1"):
        standardize(splits(**{part: x}))


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.array([["a"], ["b"]]), "got dtype <U1, expected real numbers"),
        (np.array([1j, 2]), "got dtype complex128, expected real numbers"),
        (np.zeros(3, [("a", "f4")]), r"got dtype \[\('a', '<f4'\)\], expected real numbers"),
        (np.array([1, None]), "got dtype object, expected real numbers"),
        (np.array([1e200, -1e200, 0]), r"got values up to 1e\+200, expected values whose squares"),
        (np.array([1e308, 1e308, 1e308]), r"got values up to 1e\+308"),
        (np.full((3, 2), np.nan), "got nan at row 0, column 0.*the 3 rows"),
    ],
)
def test_what_has_no_mean_is_refused(x, message):
    with pytest.raises(JnnError, match=message):
        fit_scaling(x)


@pytest.mark.parametrize(
    "x", [np.zeros((1, 3)), np.zeros((0, 3)), np.zeros((4, 2, 2)), np.array(1.0)]
)
def test_other_shapes_are_refused(x):
    with pytest.raises(JnnError, match=r"expected \(N, D\) or \(N,\) with N >= 2"):
        fit_scaling(x)
