"""Buckets: batches of sequences of similar lengths, to save computation on padding.

A compiled program has fixed shapes. Here it has one branch for each of a few lengths:
`bucket_indices` draws the examples of a batch from one bucket, and `shortest` runs a function,
within ``jit`` and ``scan``, on as many columns as the batch needs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from jnn.data.batches import batch_indices, batch_indices_on_host, steps_per_epoch
from jnn.errors import mistake
from jnn.integers import check_integer
from jnn.threefry import folded


def bucket_lengths(lengths: ArrayLike, count: int) -> tuple[int, ...]:
    """At most ``count`` increasing lengths to which sequences are padded with the least padding.

    Each sequence of ``lengths`` (N,) is padded to the shortest of them that holds it. With the
    different lengths l_1 < ... < l_U and n_u sequences of l_u, the least number of tokens for the
    first u by k buckets is found by dynamic programming in U² k steps:

        C(u, k) = min over v < u of C(v, k - 1) + l_u (n_{v+1} + ... + n_u)

    >>> bucket_lengths([1, 2, 2, 9, 10], 2)
    (2, 10)
    """
    length, number = np.unique(np.asarray(lengths), return_counts=True)
    count = check_integer("bucket_lengths", "count", count)
    if not length.size or length.dtype.kind not in "iu" or length[0] < 1:
        shortest_length = f" from {length[0]}" if length.size else ""
        got = f"{len(length)} different lengths{shortest_length}"
        raise mistake("bucket_lengths", got=got, expected="integer lengths >= 1")
    before = np.concatenate([[0], np.cumsum(number)])
    cost, cuts = np.concatenate([[0.0], np.full(len(length), np.inf)]), []
    for _ in range(min(count, len(length))):
        # choice[u - 1, v]: the last bucket has the lengths after the first v, up to the u-th.
        choice = cost[None, :-1] + length[:, None] * (before[1:, None] - before[None, :-1])
        choice = np.where(np.tri(len(length), dtype=bool), choice, np.inf)
        cuts.append(np.concatenate([[0], choice.argmin(axis=1)]))
        cost = np.concatenate([[0.0], choice.min(axis=1)])
    chosen, u = [], len(length)
    for cut in reversed(cuts):
        if u:
            chosen.append(int(length[u - 1]))
            u = cut[u]
    return tuple(reversed(chosen))


def bucket_of(lengths: ArrayLike, buckets: Sequence[int]) -> np.ndarray:
    """The index of the shortest bucket that holds each length, (N,); raises JnnError for none.

    >>> bucket_of([1, 4, 5], (4, 8)).tolist()
    [0, 0, 1]
    """
    lengths = np.asarray(lengths)
    if lengths.size and lengths.max() > buckets[-1]:
        raise mistake(
            "bucket_of",
            got=f"a sequence of {lengths.max()} tokens",
            expected=f"at most {buckets[-1]}, the longest bucket",
        )
    return np.searchsorted(np.asarray(buckets), lengths)


def bucket_indices(
    key: jax.Array, step: jax.Array | int, *, sizes: Sequence[int], batch_size: int
) -> jax.Array:
    """The indices of the examples of step ``step``, (batch_size,) int32, all of one bucket.

    Examples are numbered bucket by bucket, ``sizes[k]`` in the k-th. An epoch has the whole batches
    of every bucket in a random order; no example occurs twice in it, and the
    ``sizes[k] mod batch_size`` that are omitted from each bucket are different ones in each epoch.

    A pure function of key and step, which may be traced, as `batch_indices`. Raises JnnError for a
    bucket of less than a batch.

    >>> draw = lambda step: bucket_indices(jax.random.key(0), step, sizes=(4, 2), batch_size=2)
    >>> epoch = [sorted(draw(step).tolist()) for step in range(3)]
    >>> epoch.count([4, 5]), sorted(i for batch in epoch for i in batch)
    (1, [0, 1, 2, 3, 4, 5])
    """
    steps = [steps_per_epoch(size, batch_size) for size in sizes]
    ends = np.cumsum(steps)
    epoch = step // int(ends[-1])
    choosing, drawing = jax.random.split(key)
    (position,) = batch_indices(choosing, step, size=int(ends[-1]), batch_size=1)
    bucket = jnp.searchsorted(jnp.asarray(ends, jnp.int32), position, side="right")

    def draw(k: int) -> Callable[[jax.Array], jax.Array]:
        first, start = int(ends[k]) - steps[k], int(np.sum(sizes[:k]))
        bucket_key = jax.random.fold_in(drawing, k)

        def indices(position: jax.Array) -> jax.Array:
            step = jnp.asarray(epoch, jnp.int32) * steps[k] + position - first
            return start + batch_indices(bucket_key, step, size=sizes[k], batch_size=batch_size)

        return indices

    return jax.lax.switch(bucket, [draw(k) for k in range(len(sizes))], position)


def bucket_indices_on_host(
    words: np.ndarray, steps: np.ndarray, *, sizes: Sequence[int], batch_size: int
) -> np.ndarray:
    """`bucket_indices` of ``steps`` (n,), (n, batch_size) int32, by NumPy: see `jnn.data.batches`.

    >>> from jnn.threefry import key_words
    >>> of = {"sizes": (4, 2), "batch_size": 2}
    >>> bucket_indices_on_host(key_words(jax.random.key(0)), np.arange(3), **of).tolist()
    [[4, 5], [3, 0], [2, 1]]
    >>> [bucket_indices(jax.random.key(0), step, **of).tolist() for step in range(3)]
    [[4, 5], [3, 0], [2, 1]]
    """
    counts = np.array([steps_per_epoch(size, batch_size) for size in sizes])
    ends = np.cumsum(counts)
    choosing, drawing = folded(words, [0, 1])  # as jax.random.split
    of_choosing = {"size": int(ends[-1]), "batch_size": 1}
    positions = batch_indices_on_host(choosing, steps, **of_choosing)[:, 0]
    bucket = np.searchsorted(ends, positions, side="right")
    first, start = ends - counts, np.cumsum([0, *sizes])
    bucket_steps = steps // ends[-1] * counts[bucket] + positions - first[bucket]
    indices = np.empty((len(steps), batch_size), np.int32)
    for k in np.unique(bucket):
        of_bucket = {"size": sizes[k], "batch_size": batch_size}
        drawn = batch_indices_on_host(folded(drawing, k), bucket_steps[bucket == k], **of_bucket)
        indices[bucket == k] = start[k] + drawn
    return indices


def shortest(
    function: Callable[[Any, Any], Any], buckets: Sequence[int], tokens: jax.Array, mask: jax.Array
) -> Any:
    """``function(tokens, mask)`` on the first columns only, as many as the batch needs.

    Their number is the shortest of ``buckets`` that holds the batch. tokens ``(..., T)``, mask
    ``(..., T)``, T at least the longest bucket; what is cut off is padding at the end. The result
    must not have T in its shape: a loss, or something pooled. It equals ``function(tokens, mask)``
    where padding changes nothing.

    The program has one branch for each bucket and runs one of them; under ``vmap`` it runs all. The
    gradient recomputes the values within the branch: a step of a small transformer on the questions
    of TREC, padded to 37 or in buckets (11, 18, 37), takes 85 and 39 ms on a CPU (44 if they were
    stored).

    >>> tokens = jnp.array([[3, 4, 0, 0, 0, 0]])
    >>> shortest(lambda tokens, mask: tokens.sum(), (2, 6), tokens, tokens > 0).tolist()
    7
    """
    if tokens.shape[-1] < buckets[-1] or mask.shape != tokens.shape:
        got = f"tokens {tokens.shape}, mask {mask.shape}"
        expected = f"both of one shape, with {buckets[-1]} columns or more, the longest bucket"
        raise mistake("shortest", got=got, expected=expected)
    # Residuals of one branch are outputs, as zeros, of all the others: so none is stored.
    function = jax.checkpoint(function, prevent_cse=False)
    branches = [lambda tokens, mask, n=n: function(tokens[..., :n], mask[..., :n]) for n in buckets]
    columns = jnp.arange(1, mask.shape[-1] + 1, dtype=jnp.int32)
    longest = jnp.max(jnp.where(mask, columns, 0))  # up to the last real token of any row
    bucket = jnp.searchsorted(jnp.asarray(buckets, jnp.int32), longest)
    return jax.lax.switch(bucket, branches, tokens, mask)
