import numpy as np
import pytest
from sklearn.preprocessing import LabelEncoder

from jnn.data.classes import number_classes
from jnn.errors import JnnError


@pytest.mark.parametrize(
    "labels",
    [
        np.array([5, -1, 0, 5]),
        np.array([3.0, 1.0, 2.0]),
        np.array(["b", "a", "B", "a"]),
        np.array(["b", "été", "B", "b"], object),
        np.array([True, False]),
        np.array([3, 1, 3], np.float16),
        np.array([2**40, 7], np.uint64),
    ],
)
def test_labels_are_numbered_as_by_scikit_learn(labels):
    encoder = LabelEncoder()
    expected = encoder.fit_transform(labels)
    found, names = number_classes(labels)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == np.int32
    assert len(names) == len(encoder.classes_)
    assert np.array_equal(np.array(names)[found], [str(x) for x in encoder.classes_[expected]]) or (
        labels.dtype.kind == "f"
    )


def test_words_that_all_spell_numbers_are_these():
    labels, names = number_classes(["10", "2.0", "-3", "2", "02"])
    assert names == ("-3", "2", "10")
    assert np.array(names)[labels].tolist() == ["10", "2", "-3", "2", "2"]
    assert number_classes(["10", "2", "x", "1_0"])[1] == ("10", "1_0", "2", "x")
    for words in (["1", "0.5"], ["1", "nan"], ["1", "inf"]):
        with pytest.raises(JnnError, match="at row 1, expected classes, whole numbers"):
            number_classes(words)


def test_whole_numbers_of_a_file_are_named_without_a_point():
    assert number_classes(np.array([5.0, 0.0, 2.0]))[1] == ("0", "2", "5")


@pytest.mark.parametrize("wrong", [np.nan, 0.5, np.inf, 2.0**53])
def test_what_is_no_class_is_refused_with_its_row(wrong):
    with pytest.raises(JnnError, match=rf"kind: got {wrong} at row 1, expected classes, whole"):
        number_classes(np.array([0.0, wrong, 1.0]), "kind")


@pytest.mark.parametrize("wrong", [[], np.zeros((3, 2)), np.array([None, 1]), 3])
def test_what_is_no_column_is_refused(wrong):
    with pytest.raises(JnnError, match="expected one whole number or word a row"):
        number_classes(wrong)
