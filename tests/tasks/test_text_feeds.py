import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jnn.data.sequences import pad
from jnn.data.token_windows import next_windows, random_windows
from jnn.errors import JnnError
from jnn.tasks.text_feeds import bucketed, language_model_feed

TOKENS = np.random.default_rng(0).integers(0, 30, 200)
KEY = jax.random.key(0)


def test_windows_of_a_text_are_fed_within_a_scan():
    feed = language_model_feed(TOKENS.astype(np.uint8), length=8, batch_size=3)
    assert feed.steps_per_epoch == 199 // 3 // 8
    batches = jax.lax.scan(
        lambda carry, step: (carry, feed.batch_of(feed.data, KEY, step)), 0, jnp.arange(5)
    )[1]
    for step in range(5):
        expected = random_windows(jnp.asarray(TOKENS, jnp.int32), KEY, step, length=8, batch_size=3)
        assert batches["tokens"].dtype == jnp.int32
        for name in ("tokens", "targets"):
            np.testing.assert_array_equal(batches[name][step], expected[name])


def test_contiguous_windows_begin_again_each_epoch():
    feed = language_model_feed(TOKENS, length=8, batch_size=3, contiguous=True)
    for step in range(2 * feed.steps_per_epoch):
        batch = feed.batch_of(feed.data, KEY, step)
        jax.tree.map(
            np.testing.assert_array_equal,
            batch,
            next_windows(jnp.asarray(TOKENS), step, length=8, batch_size=3),
        )
        assert batch["first"].all() == (step % feed.steps_per_epoch == 0)


def test_the_identity_tells_texts_and_cuts_apart():
    make = lambda tokens=TOKENS, length=8, **settings: (
        language_model_feed(tokens, length, 3, **settings).identity
    )
    assert make() == make(TOKENS.astype(np.uint8))
    assert all(
        make() != other for other in (make(TOKENS[::-1]), make(length=9), make(contiguous=True))
    )


def test_a_text_shorter_than_a_batch_is_refused():
    with pytest.raises(
        JnnError,
        match=r"language_model_feed: got 200 tokens, expected at least 201. Choose shorter windows",
    ):
        language_model_feed(TOKENS, length=20, batch_size=10)
    with pytest.raises(JnnError, match=r"got 0 tokens.* Is the text empty"):
        language_model_feed(np.array([], int), length=20, batch_size=10)
    with pytest.raises(JnnError, match=r"length=0, batch_size=10, expected integers >= 1"):
        language_model_feed(TOKENS, length=0, batch_size=10)
    with pytest.raises(JnnError, match=r"got the integer 4294967296"):
        language_model_feed(np.array([2**32] * 9), length=2, batch_size=2)
    with pytest.raises(JnnError, match=r"float64 of shape \(200,\)"):
        language_model_feed(TOKENS / 2, length=2, batch_size=2)


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 13, 60)
    tokens, mask = pad([np.full(n, n) for n in lengths])
    return {"tokens": tokens, "mask": mask, "label": lengths.astype(np.int32)}


def test_buckets_keep_rows_together_and_batches_of_like_length(arrays):
    feed = bucketed(arrays, (4, 8, 12), batch_size=5)
    seen, batch_of = [], jax.jit(feed.batch_of)
    for step in range(feed.steps_per_epoch):
        batch = batch_of(feed.data, KEY, step)
        assert np.array_equal(batch["mask"].sum(axis=1), batch["label"])
        assert np.array_equal(batch["tokens"].max(axis=1), batch["label"])
        assert len(set(((batch["label"] - 1) // 4).tolist())) == 1
        seen.append(np.asarray(batch["label"]))
    every = np.bincount(arrays["label"], minlength=13)
    assert (np.bincount(np.concatenate(seen), minlength=13) <= every).all()
    assert feed.steps_per_epoch == sum(n // 5 for n in np.bincount((arrays["label"] - 1) // 4))


def test_the_identity_tells_buckets_apart(arrays):
    first = bucketed(arrays, (4, 8, 12), batch_size=5).identity
    assert first == bucketed(arrays, (4, 8, 12), batch_size=5).identity
    assert first != bucketed(arrays, (6, 12), batch_size=5).identity
    assert (
        first
        != bucketed({**arrays, "label": arrays["label"] + 1}, (4, 8, 12), batch_size=5).identity
    )


def test_a_bucket_without_sequences_is_passed_over(arrays):
    assert (
        bucketed(arrays, (4, 12, 20), batch_size=5).steps_per_epoch
        == bucketed(arrays, (4, 12), batch_size=5).steps_per_epoch
    )


def test_what_cannot_be_bucketed_is_refused(arrays):
    with pytest.raises(JnnError, match=r"a sequence of 12 tokens, expected at most 8"):
        bucketed(arrays, (4, 8), batch_size=5)
    with pytest.raises(
        JnnError,
        match=r"a bucket of \d+ sequences for batch_size=30, expected a batch in each. "
        "Choose fewer buckets",
    ):
        bucketed(arrays, (4, 8, 12), batch_size=30)
    with pytest.raises(JnnError, match=r'got arrays tokens, expected "mask"'):
        bucketed({"tokens": arrays["tokens"]}, (4, 8, 12), batch_size=5)
