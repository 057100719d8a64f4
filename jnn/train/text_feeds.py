"""Feeds of text: windows of one long sequence of tokens, and padded sequences in buckets of like
length.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from jnn.data import batches, checks
from jnn.data.buckets import bucket_indices, bucket_of
from jnn.data.token_windows import check_long, next_windows, random_windows
from jnn.errors import mistake
from jnn.train.feed import Feed


def language_model_feed(
    tokens: ArrayLike, length: int, batch_size: int, *, contiguous: bool = False
) -> Feed:
    """``{"tokens", "targets"}``, each (batch_size, length) int32, from one long sequence ``tokens``
    (N,).

    The windows start at random places, or, ``contiguous``, go on where those of the step before
    ended, with ``"first"`` (batch_size,) bool where they begin again: see `jnn.data.token_windows`.
    An epoch has as many steps as it takes to see N - 1 targets.

    Raises JnnError for what are no integers, and for a text with less than one batch of windows.

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
    known = check_long(tokens, length * batch_size + 1, "language_model_feed")
    data = batches.to_device({"tokens": known.astype(np.int64)}, "language_model_feed")[
        "tokens"
    ].astype(jnp.int32)

    def batch_of(data, key, step):
        if contiguous:
            return next_windows(data, step, length=length, batch_size=batch_size)
        return random_windows(data, key, step, length=length, batch_size=batch_size)

    steps = (len(known) - 1) // batch_size // length
    digest = checks.fingerprint({"tokens": np.asarray(data)})
    identity = {
        "tokens": len(known),
        "length": length,
        "batch_size": batch_size,
        "contiguous": contiguous,
        "sha256": digest,
    }
    return Feed(data, batch_of, steps, identity)


def bucketed(arrays: Mapping[str, np.ndarray], buckets: Sequence[int], batch_size: int) -> Feed:
    """Padded sequences and whatever belongs to them, such as labels, in batches of like length;
    ``arrays["mask"]`` (N, T) says the lengths.

    Batches have all T columns, so that one program takes all; `jnn.data.buckets.shortest`, in the
    objective, computes on as many of them as the batch needs. ``buckets`` are lengths, growing, as
    `jnn.data.buckets.bucket_lengths` finds them; those that no sequence needs are passed over.
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
    order, sizes = (
        np.argsort(bucket, kind="stable"),
        tuple(int(n) for n in np.bincount(bucket) if n),
    )
    if min(sizes) < batch_size:
        got = f"a bucket of {min(sizes)} sequences for batch_size={batch_size}"
        raise mistake(
            "bucketed",
            got=got,
            expected="a batch in each",
            remedy="Choose fewer buckets, or a smaller batch.",
        )
    data = batches.to_device({name: array[order] for name, array in arrays.items()}, "bucketed")

    def batch_of(data, key, step):
        return batches.take(data, bucket_indices(key, step, sizes=sizes, batch_size=batch_size))

    identity = {
        "examples": len(bucket),
        "buckets": list(buckets),
        "batch_size": batch_size,
        "sha256": checks.fingerprint(arrays),
    }
    return Feed(
        data, batch_of, sum(batches.steps_per_epoch(size, batch_size) for size in sizes), identity
    )
