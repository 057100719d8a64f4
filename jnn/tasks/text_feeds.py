"""Feeds of text: windows of one long sequence, and padded sequences in buckets by length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from jnn.data import batches, checks
from jnn.data.buckets import bucket_indices, bucket_indices_on_host, bucket_of
from jnn.data.token_windows import check_long, next_windows, random_windows
from jnn.errors import mistake
from jnn.train.feed import ByIndices, Feed


def language_model_feed(
    tokens: ArrayLike, length: int, batch_size: int, *, contiguous: bool = False
) -> Feed:
    """Windows of one long sequence ``tokens`` (N,) and the token that follows each position.

    A batch is ``{"tokens", "targets"}``, both (batch_size, length) int32. The windows start at
    random positions; with ``contiguous`` they continue those of the step before, and ``"first"``
    (batch_size,) bool is True where they restart: see `jnn.data.token_windows`. An epoch has as
    many steps as it takes to see N - 1 targets.

    Raises JnnError for tokens that are not integers, and for a text shorter than one batch of
    windows.

    >>> import jax
    >>> feed = language_model_feed(np.arange(1000), length=10, batch_size=3)
    >>> feed.steps_per_epoch, feed.batch_of(feed.data, jax.random.key(0), 0)["targets"].shape
    (33, (3, 10))
    """
    if length < 1 or batch_size < 1:
        raise mistake(
            "language_model_feed",
            got=f"length={length}, batch_size={batch_size}",
            expected="integers >= 1",
        )
    text = check_long(tokens, length * batch_size + 1, "language_model_feed")
    arrays = batches.to_device({"tokens": text.astype(np.int64)}, "language_model_feed")
    data = arrays["tokens"].astype(jnp.int32)

    def batch_of(data, key, step):
        if contiguous:
            return next_windows(data, step, length=length, batch_size=batch_size)
        return random_windows(data, key, step, length=length, batch_size=batch_size)

    steps = (len(text) - 1) // batch_size // length
    digest = checks.fingerprint({"tokens": np.asarray(data)})
    identity = {
        "tokens": len(text),
        "length": length,
        "batch_size": batch_size,
        "contiguous": contiguous,
        "sha256": digest,
    }
    return Feed(data, batch_of, steps, identity)


def bucketed(arrays: Mapping[str, np.ndarray], buckets: Sequence[int], batch_size: int) -> Feed:
    """Padded sequences, and arrays such as their labels, in batches of similar length.

    ``arrays["mask"]`` (N, T) marks the real elements. Batches have all T columns, so that one
    program serves all; `jnn.data.buckets.shortest`, in the objective, computes on as many of them
    as the batch needs. ``buckets`` are increasing lengths, as `jnn.data.buckets.bucket_lengths`
    chooses them; empty ones are ignored.

    Raises JnnError for a sequence longer than the longest bucket, and for a bucket of less than a
    batch.

    >>> import jax
    >>> mask = np.arange(8)[None, :] < np.array([3, 8, 2, 7])[:, None]
    >>> feed = bucketed({"tokens": mask.astype(np.int32), "mask": mask}, (4, 8), batch_size=2)
    >>> batches = [feed.batch_of(feed.data, jax.random.key(0), step) for step in range(2)]
    >>> sorted(int(batch["mask"].sum()) for batch in batches)
    [5, 15]
    """
    checks.check_arrays(arrays, "bucketed")
    if "mask" not in arrays or arrays["mask"].ndim != 2:
        raise mistake(
            "bucketed",
            got=f"arrays {', '.join(arrays)}",
            expected='"mask" (N, T) among them',
            remedy="Make it with pad.",
        )
    bucket = bucket_of(arrays["mask"].sum(axis=1), buckets)
    order = np.argsort(bucket, kind="stable")
    sizes = tuple(int(n) for n in np.bincount(bucket) if n)
    if min(sizes) < batch_size:
        got = f"a bucket of {min(sizes)} sequences for batch_size={batch_size}"
        raise mistake(
            "bucketed",
            got=got,
            expected="a batch in each",
            remedy="Choose fewer buckets, or a smaller batch.",
        )
    data = batches.to_device({name: array[order] for name, array in arrays.items()}, "bucketed")

    batch_of = ByIndices(
        partial(bucket_indices, sizes=sizes, batch_size=batch_size),
        partial(bucket_indices_on_host, sizes=sizes, batch_size=batch_size),
    )
    identity = {
        "examples": len(bucket),
        "buckets": list(buckets),
        "batch_size": batch_size,
        "sha256": checks.fingerprint(arrays),
    }
    steps = sum(batches.steps_per_epoch(size, batch_size) for size in sizes)
    return Feed(data, batch_of, steps, identity)
