import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from jnn.data.splits import from_arrays, hold_out
from jnn.errors import JnnError


def numbered(size, classes=3):
    return {"x": np.arange(size), "label": np.arange(size) % classes}


@settings(max_examples=30)
@given(
    size=st.integers(10, 200),
    test=st.floats(0.1, 0.6),
    validation=st.floats(0.1, 0.6),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_example_is_in_exactly_one_part(size, test, validation, seed):
    splits = from_arrays(numbered(size), test=test, validation=validation, seed=seed)
    assert sorted(np.concatenate([part["x"] for part in splits[:3]])) == list(range(size))
    for part in splits[:3]:
        assert np.array_equal(part["label"], part["x"] % 3)


@pytest.mark.parametrize("stratify", [None, "label"])
def test_the_parts_are_those_of_scikit_learn(stratify):
    arrays = numbered(100)
    rest, test = train_test_split(
        arrays["x"], test_size=0.2, random_state=7, stratify=arrays["label"] if stratify else None
    )
    train, validation = train_test_split(
        rest, test_size=0.1, random_state=3, stratify=rest % 3 if stratify else None
    )
    splits = from_arrays(arrays, test=0.2, validation=0.1, seed=3, test_seed=7, stratify=stratify)
    for part, expected in zip(splits[:3], (train, validation, test), strict=True):
        assert np.array_equal(part["x"], expected)


def test_another_seed_draws_another_validation_part_and_keeps_the_test_part():
    a, b = from_arrays(numbered(100), seed=0), from_arrays(numbered(100), seed=1)
    assert np.array_equal(a.test["x"], b.test["x"])
    assert not np.array_equal(a.validation["x"], b.validation["x"])


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, 1.5, float("nan"), "0.5", None, True])
def test_a_fraction_outside_0_and_1_is_refused(fraction):
    with pytest.raises(JnnError, match=r"got fraction=.*expected a fraction in \(0, 1\)"):
        hold_out(numbered(10), fraction)


def test_too_few_examples_are_refused_with_scikit_learns_reason():
    with pytest.raises(JnnError, match=r"1 examples, fraction=0\.5"):
        hold_out(numbered(1), 0.5)
    for seed in (-1, 2**32, 1.0, True):
        with pytest.raises(JnnError, match=rf"seed={seed}, expected an integer in \[0, 2\*\*32\)"):
            hold_out(numbered(10), 0.5, seed=seed)
    with pytest.raises(JnnError, match=r"(?i)least populated class[^.]*, expected enough"):
        hold_out({"label": np.array([0, 0, 0, 1])}, 0.5, stratify="label")


def test_your_own_data_is_checked():
    with pytest.raises(JnnError, match=r"stratify='kind', expected one of x, label"):
        hold_out(numbered(10), 0.5, stratify="kind")
    with pytest.raises(JnnError, match=r"from_arrays\['label'\]: got label 2 in row 2"):
        from_arrays(numbered(10), classes=("a", "b"))
    for label, message in (
        (np.eye(10, 2), "labels of dtype float64 .*argmax"),
        (np.eye(10, 2, dtype=int), r"shape \(10, 2\), expected one for each example.*One-hot"),
    ):
        with pytest.raises(JnnError, match=rf"from_arrays\['label'\]: got {message}"):
            from_arrays({"x": np.arange(10), "label": label}, classes=("a", "b"))
    with pytest.raises(JnnError, match=r'expected an array named "label"'):
        from_arrays({"x": np.arange(10)}, classes=("a", "b"))
    with pytest.raises(JnnError, match=r"from_arrays\['x'\]: got nan at row 4"):
        from_arrays({"x": np.where(np.arange(10) == 4, np.nan, 1.0)})
    with pytest.raises(JnnError, match=r"from_arrays: got columns='xy', expected a list of names"):
        from_arrays({"x": np.zeros((10, 2))}, columns="xy")
