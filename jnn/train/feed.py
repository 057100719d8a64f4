"""Where the loop gets its batches: data, and the batch of each step as a pure function of a key and the step."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from jnn.data import arrays as checks
from jnn.data import batches


class Feed(NamedTuple):
    """Data, ``batch_of(data, key, step) -> batch``, the steps of an epoch, and what identifies the data in a checkpoint."""

    data: Any
    batch_of: Callable[[Any, jax.Array, jax.Array], Any]
    steps_per_epoch: int
    identity: dict[str, Any]


def in_memory(arrays: Mapping[str, np.ndarray], batch_size: int) -> Feed:
    """Arrays of equal length on the device; each epoch visits all of them in a new order, but for the last ``length %
    batch_size`` of that order.

    >>> feed = in_memory({"x": np.arange(10, dtype=np.float32)}, batch_size=4)
    >>> feed.steps_per_epoch, feed.batch_of(feed.data, jax.random.key(0), 0)["x"].shape
    (2, (4,))
    """
    data = batches.to_device(arrays, "training data")
    size = len(next(iter(arrays.values())))

    def batch_of(data, key, step):
        return batches.take(data, batches.batch_indices(key, step, size=size, batch_size=batch_size))

    identity = {"examples": size, "batch_size": batch_size, "sha256": checks.fingerprint(arrays)}
    return Feed(data, batch_of, batches.steps_per_epoch(size, batch_size), identity)
