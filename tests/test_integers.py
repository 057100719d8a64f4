"""Integers are Python's and NumPy's; bools, floats and texts are none."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jnn.data.batches import padded_batches, steps_per_epoch
from jnn.data.buckets import bucket_lengths
from jnn.data.calendar import calendar_features
from jnn.data.piecewise_linear import fit_pieces
from jnn.data.sequences import pack, pad
from jnn.data.series_splits import walk_forward
from jnn.data.series_windows import forecast_windows, windows
from jnn.data.token_windows import evaluation_windows
from jnn.data.tokenizers import byte_pair_tokenizer, word_tokenizer
from jnn.errors import JnnError
from jnn.integers import check_integer
from jnn.metrics import confusion_matrix, expected_calibration_error, top_k_accuracy
from jnn.train import seed_key

X = np.arange(12.0)
DAYS = np.arange("2022-01-01", "2022-01-13", dtype="datetime64[D]")

SETTINGS = {
    "padded_batches": lambda n: padded_batches({"x": X}, n),
    "steps_per_epoch": lambda n: steps_per_epoch(12, n),
    "bucket_lengths": lambda n: bucket_lengths([1, 2, 2, 9, 10], n),
    "calendar_features": lambda n: calendar_features(DAYS, harmonics=n),
    "fit_pieces": lambda n: fit_pieces(X[:, None], n),
    "pad": lambda n: pad([[1, 2], [3]], n),
    "pack": lambda n: pack([[1, 2], [3]], n),
    "walk_forward": lambda n: walk_forward(100, folds=n),
    "windows": lambda n: windows(X, length=n),
    "stride": lambda n: forecast_windows(X, X, length=2, horizons=[1], stride=n),
    "evaluation_windows": lambda n: evaluation_windows(np.arange(9), n),
    "evaluation_stride": lambda n: evaluation_windows(np.arange(9), 4, stride=n),
    "words": lambda n: word_tokenizer("a a b b", minimum=n).tokens,
    "top_k_accuracy": lambda n: top_k_accuracy(n).measure(np.eye(3), np.arange(3)),
    "calibration": lambda n: expected_calibration_error(n).measure(np.eye(3), np.arange(3)),
    "confusion_matrix": lambda n: confusion_matrix(n).measure(np.arange(2), np.arange(2)),
    "seed_key": lambda n: jax.random.key_data(seed_key(n)),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_integers_of_numpy_are_integers_and_bools_and_floats_are_none(name):
    expected = jax.tree.leaves(SETTINGS[name](2))
    for n in (np.int64(2), np.uint8(2), np.array(2)):
        for a, b in zip(jax.tree.leaves(SETTINGS[name](n)), expected, strict=True):
            np.testing.assert_array_equal(a, b)
    for wrong in (2.0, np.float32(2), True, "2", -1, np.int8(-1)):
        with pytest.raises(JnnError, match=r"expected an integer (>= 1|in \[0, 2\*\*32\))"):
            SETTINGS[name](wrong)


def test_vocabularies_are_integers_too():
    for make in (word_tokenizer, byte_pair_tokenizer):
        expected = make("low lower", vocabulary=259)
        assert make("low lower", vocabulary=np.int32(259)) == expected
        with pytest.raises(JnnError, match=r"vocabulary=259.5, expected an integer >= 1"):
            make("low lower", vocabulary=259.5)


@pytest.mark.parametrize("value", [3, np.int8(3), np.uint64(3), np.array(3), jnp.int32(3)])
def test_an_index_is_an_integer(value):
    integer = check_integer("f", "n", value, least=0)
    assert (type(integer), integer) == (int, 3)


@pytest.mark.parametrize(
    ("value", "spelled"),
    [
        (0, "0"),
        (np.int64(0), "0"),
        (np.float64(3), "3.0"),
        (True, "True"),
        (np.True_, "True"),
        (None, "None"),
        ("3", "'3'"),
        (np.array([3]), r"array\(\[3\]\)"),
    ],
)
def test_what_is_none_is_spelled_as_python_does(value, spelled):
    with pytest.raises(JnnError, match=rf"f: got n={spelled}, expected an integer >= 1\."):
        check_integer("f", "n", value)
