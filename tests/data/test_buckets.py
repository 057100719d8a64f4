from itertools import combinations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jnn.data.buckets import (
    bucket_indices,
    bucket_indices_on_host,
    bucket_lengths,
    bucket_of,
    shortest,
)
from jnn.errors import JnnError
from jnn.threefry import key_words

SIZES, BATCH = (9, 4, 12), 4


def padded(lengths, buckets):
    return sum(min(b for b in buckets if b >= n) for n in lengths)


@settings(max_examples=100)
@given(st.lists(st.integers(1, 12), min_size=1, max_size=30), st.integers(1, 5))
def test_no_other_buckets_pad_less(lengths, count):
    result = bucket_lengths(lengths, count)
    different = sorted(set(lengths))
    best = min(
        padded(lengths, (*few, different[-1]))
        for k in range(min(count, len(different)))
        for few in combinations(different[:-1], k)
    )
    assert padded(lengths, result) == best
    assert list(result) == sorted(set(result))
    assert len(result) <= count
    assert [result[k] for k in bucket_of(lengths, result)] == [
        min(b for b in result if b >= n) for n in lengths
    ]


def epochs(key, count):
    """(count, steps, BATCH): the examples of every batch."""
    steps = sum(size // BATCH for size in SIZES)
    draw = lambda step: bucket_indices(key, step, sizes=SIZES, batch_size=BATCH)
    return np.asarray(jax.jit(jax.vmap(draw))(jnp.arange(count * steps))).reshape(
        count, steps, BATCH
    )


def test_the_host_draws_the_same_batches():
    key = jax.random.key(3)
    expected = epochs(key, 8).reshape(-1, BATCH)
    steps = np.arange(len(expected))
    drawn = bucket_indices_on_host(key_words(key), steps, sizes=SIZES, batch_size=BATCH)
    assert drawn.dtype == np.int32
    assert np.array_equal(drawn, expected)
    some = bucket_indices_on_host(key_words(key), steps[7:11], sizes=SIZES, batch_size=BATCH)
    assert np.array_equal(some, expected[7:11])


def test_a_batch_is_of_one_bucket_and_an_epoch_has_every_example_once():
    bucket = np.repeat(np.arange(len(SIZES)), SIZES)
    left, orders = [], set()
    for batches in epochs(jax.random.key(0), 8):
        kinds = bucket[batches]
        assert (kinds == kinds[:, :1]).all()
        assert np.bincount(kinds[:, 0]).tolist() == [size // BATCH for size in SIZES]
        assert len(np.unique(batches)) == batches.size
        left.append(frozenset(range(sum(SIZES))) - frozenset(batches.ravel().tolist()))
        orders.add(tuple(kinds[:, 0].tolist()))
    assert len(set(left)) > 1
    assert len(orders) > 1


def test_batches_are_a_pure_function_of_key_and_step():
    key, other = jax.random.key(1), jax.random.key(2)
    one = jax.jit(lambda step: bucket_indices(key, step, sizes=SIZES, batch_size=BATCH))
    scan = lambda: jax.lax.scan(lambda carry, step: (carry, one(step)), 0, jnp.arange(6))[1]
    scanned = np.asarray(jax.jit(scan)())
    assert np.array_equal(np.stack([one(step) for step in range(6)]), scanned)
    assert np.array_equal(scanned, epochs(key, 1)[0])
    assert not np.array_equal(epochs(key, 1), epochs(other, 1))


def test_strict_promotion_is_kept():
    def both(key, step, tokens):
        indices = bucket_indices(key, step, sizes=SIZES, batch_size=BATCH)
        return indices, shortest(lambda tokens, mask: tokens.sum(), (4, 8), tokens, tokens > 0)

    tokens = np.ones((2, 8), np.int32)
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        assert jax.jit(both)(jax.random.key(0), np.int32(7), tokens)[1] == 16


def test_a_function_runs_on_the_shortest_bucket_that_holds_the_batch():
    columns = lambda tokens, mask: jnp.int32(tokens.shape[-1])
    run = jax.jit(lambda tokens, mask: shortest(columns, (2, 5, 8), tokens, mask))
    for longest, expected in ((1, 2), (2, 2), (3, 5), (5, 5), (6, 8), (8, 8)):
        mask = np.arange(8) < np.array([[1], [longest]])
        assert run(np.zeros(mask.shape, np.int32), mask) == expected


def test_loss_and_gradient_are_those_of_the_whole_width():
    table = np.random.default_rng(0).normal(size=(10, 3)).astype(np.float32)
    tokens = np.array([[1, 2, 3, 0, 0, 0], [4, 5, 0, 0, 0, 0]])
    mask = tokens > 0

    def loss(table, tokens, mask):
        return ((table[tokens] ** 2).sum(axis=-1) * mask).sum() / mask.sum()

    whole = jax.jit(jax.value_and_grad(loss))(table, tokens, mask)
    short = jax.jit(
        jax.value_and_grad(
            lambda table: shortest(lambda t, m: loss(table, t, m), (3, 6), tokens, mask)
        )
    )(table)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), short, whole)


def test_what_does_not_fit_is_refused():
    with pytest.raises(
        JnnError, match=r"a sequence of 9 tokens, expected at most 8, the longest bucket"
    ):
        bucket_of([3, 9], (4, 8))
    assert bucket_of([], (4, 8)).tolist() == []
    with pytest.raises(JnnError, match=r"count=0"):
        bucket_lengths([1, 2], 0)
    for lengths in ([], [0, 1], [1.5, 2.0], np.array([], int)):
        with pytest.raises(JnnError, match=r"expected integer lengths >= 1"):
            bucket_lengths(lengths, 2)
    with pytest.raises(JnnError, match=r"batch_size=4 for 3 examples"):
        bucket_indices(jax.random.key(0), 0, sizes=(9, 3), batch_size=4)
    with pytest.raises(JnnError, match=r"expected both of one shape, with 8 columns or more"):
        shortest(lambda tokens, mask: 0, (4, 8), jnp.zeros((2, 7), int), jnp.ones((2, 7), bool))
