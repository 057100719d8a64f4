import numpy as np
import pytest
from sklearn import datasets
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import train_test_split

from jnn.data.scaling import standardize
from jnn.data.sets import tables
from jnn.errors import JnnError


@pytest.mark.parametrize("name", ["breast_cancer", "wine", "iris"])
def test_classes_are_those_of_scikit_learn_split_as_stated(name):
    bunch = getattr(datasets, f"load_{name}")()
    rest, test, labels, test_labels = train_test_split(
        bunch.data, bunch.target, test_size=0.25, random_state=0, stratify=bunch.target
    )
    train, validation = train_test_split(rest, test_size=0.2, random_state=3, stratify=labels)
    splits = getattr(tables, f"load_{name}")(validation=0.2, seed=3)
    for part, expected in zip(splits[:3], (train, validation, test), strict=True):
        assert np.array_equal(part["features"], expected.astype(np.float32))
    assert np.array_equal(splits.test["label"], test_labels)
    assert splits.classes == tuple(bunch.target_names)


def test_diabetes_gives_the_published_baseline():
    """Ridge on scikit-learn's own scaled features of the same split: R2 0.359, RMSE 56.4."""
    splits, _ = standardize(tables.load_diabetes())
    train = {
        name: np.concatenate([splits.train[name], splits.validation[name]]) for name in splits.train
    }
    x, y = datasets.load_diabetes(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.25, random_state=0)
    assert np.array_equal(np.sort(train["target"]), np.sort(y_train.astype(np.float32)))
    assert np.array_equal(splits.test["target"], y_test.astype(np.float32))
    # Both features are affine images of each other, and ridge here is nearly least squares.
    ours = (
        RidgeCV(np.logspace(-4, 2, 13))
        .fit(train["features"], train["target"])
        .score(splits.test["features"], splits.test["target"])
    )
    theirs = RidgeCV(np.logspace(-4, 2, 13)).fit(x_train, y_train).score(x_test, y_test)
    assert abs(ours - theirs) < 0.01
    assert abs(theirs - 0.359) < 0.001


HEADER = '"","carat","cut","color","clarity","depth","table","price","x","y","z"\n'
ROW = '"1",0.23,"{}","E","SI2",61.5,55,326,3.95,3.98,2.43\n'


@pytest.fixture
def diamonds(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "fetch", lambda source, offline: tmp_path)
    return tmp_path / "diamonds.csv"


def test_diamonds_are_numbered_by_grade_and_priced_by_logarithm(diamonds):
    diamonds.write_text(HEADER + ROW.format("Ideal") * 20)
    splits = tables.load_diamonds()
    assert [len(part["target"]) for part in splits[:3]] == [14, 2, 4]
    np.testing.assert_array_equal(
        splits.test["features"][0], np.float32([0.23, 4, 1, 1, 61.5, 55, 3.95, 3.98, 2.43])
    )
    np.testing.assert_array_equal(splits.test["target"], np.full(4, np.log(326), np.float32))


def test_an_unknown_grade_is_refused(diamonds):
    diamonds.write_text(HEADER + ROW.format("Splendid"))
    with pytest.raises(JnnError, match=r"cut='Splendid', expected one of Fair, Good"):
        tables.load_diamonds()
