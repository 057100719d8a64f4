"""Integers are Python's and NumPy's; bools, floats and texts are none."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jnn
from jnn.data.batches import padded_batches, steps_per_epoch
from jnn.data.buckets import bucket_lengths
from jnn.data.calendar import calendar_features
from jnn.data.piecewise_linear import fit_pieces
from jnn.data.sequences import pack, pad
from jnn.data.series_splits import walk_forward
from jnn.data.series_windows import forecast_sequences, forecast_windows, windows
from jnn.data.splits import hold_out
from jnn.data.token_windows import evaluation_windows
from jnn.data.tokenizers import byte_pair_tokenizer, word_tokenizer
from jnn.decoding.beam_search import beam_search
from jnn.decoding.generate import generate
from jnn.decoding.sampling import Sampling, sample
from jnn.errors import JnnError
from jnn.integers import check_fraction, check_integer
from jnn.metrics import confusion_matrix, expected_calibration_error, top_k_accuracy
from jnn.train import TrainingConfig, make_step, seed_key
from tests.compiled import init

X = np.arange(12.0)
DAYS = np.arange("2022-01-01", "2022-01-13", dtype="datetime64[D]")

EMBEDDING = jnn.chain(jnn.embedding(5, 4), jnn.dense(5))
MODEL = (EMBEDDING, *init(EMBEDDING, jnp.array([1])))

SETTINGS = {
    "sizes": lambda n: steps_per_epoch(n, 1),
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
    "hold_out": lambda n: hold_out({"x": X}, 0.5, seed=n),
    "generate": lambda n: generate(*MODEL, jnp.array([1]), length=n, key=jax.random.key(0)).tokens,
    "beam_search": lambda n: beam_search(*MODEL, jnp.array([1]), length=2, beams=n).tokens,
    "sampling": lambda n: sample(
        jax.random.key(0), jnp.arange(5.0), Sampling(top_k=n, temperature=1.0)
    ),
    "make_step": lambda n: make_step(lambda *_: 0, optax.sgd(0.1), accumulate=n) and (),
    "dense": lambda n: jnn.dense(n).init(jax.random.key(0), jnp.ones(3))[0],
    "conv": lambda n: jnn.conv(2, (n,), strides=n).init(jax.random.key(0), jnp.ones((4, 3)))[0],
    "repeat": lambda n: jnn.repeat(jnn.dense(3), n).init(jax.random.key(0), jnp.ones(3))[0],
    "ensemble": lambda n: jnn.ensemble(jnn.dense(3), n).init(jax.random.key(0), jnp.ones(3))[0],
    "config": lambda n: TrainingConfig(epochs=n).epochs,
    "seed_key": lambda n: jax.random.key_data(seed_key(n)),
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", SETTINGS)
def test_integers_of_numpy_are_integers_and_bools_and_floats_are_none(name):
    expected = jax.tree.leaves(SETTINGS[name](2))
    for n in (np.int64(2), np.uint8(2), np.array(2)):
        for a, b in zip(jax.tree.leaves(SETTINGS[name](n)), expected, strict=True):
            np.testing.assert_array_equal(a, b)
    for wrong in (2.0, np.float32(2), True, "2", -1, np.int8(-1)):
        with pytest.raises(
            JnnError, match=r"expected an integer (>= [01]|from 1 to|in \[0, 2\*\*32\))"
        ):
            SETTINGS[name](wrong)


def test_small_integers_do_not_overflow():
    """Of uint8, 200 + 100 is 44."""
    x = np.arange(400.0)
    cut = lambda length, origins: forecast_sequences(
        x, x, length=length, origins=origins, horizons=[1]
    )
    small, expected = cut(np.uint8(200), np.uint8(100)), cut(200, 100)
    np.testing.assert_array_equal(small["inputs"], expected["inputs"])
    config = TrainingConfig(batch_size=np.uint8(200), accumulate=np.uint8(20), devices=10)
    assert config.accumulate * config.devices == config.batch_size == 200
    numbers = config.batch_size, config.accumulate, Sampling(top_k=np.int8(3)).top_k
    assert [type(number) for number in numbers] == [int, int, int]


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


@pytest.mark.parametrize("value", [0.5, np.float32(0.5)])
def test_fractions_are_accepted(value):
    assert check_fraction("mix", "share", value) == 0.5
    for end in (0, 1, 0.0, np.float64(1)):
        assert check_fraction("mix", "share", end, ends="[]") == end
        with pytest.raises(JnnError, match=r"mix: got share=.*, expected a fraction in \(0, 1\)"):
            check_fraction("mix", "share", end)
    assert check_fraction("mix", "share", 0, ends="[)") == 0
    with pytest.raises(JnnError, match=r"mix: got share=1, expected a fraction in \[0, 1\)"):
        check_fraction("mix", "share", 1, ends="[)")


@pytest.mark.parametrize("value", [-0.1, 1.1, np.nan, True, False, "0.5", None, [0.5]])
def test_what_is_no_fraction_is_refused(value):
    with pytest.raises(JnnError, match=r"mix: got share=.*, expected a fraction in \[0, 1\]"):
        check_fraction("mix", "share", value, ends="[]")
    with pytest.raises(JnnError, match=r"dropout: got rate=.*, expected a fraction in \[0, 1\)"):
        jnn.dropout(value)


def test_a_traced_setting_is_refused_by_name():
    with pytest.raises(JnnError, match=r"dropout: got rate=.*Tracer.*, expected a fraction in"):
        jax.vmap(lambda rate: jnn.dropout(rate).apply({}, {}, X)[0])(jnp.array([0.1, 0.2]))
