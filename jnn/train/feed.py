"""Where the training loop gets its batches.

A feed is data, and the batch of each step as a pure function of a key and the step.
"""

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from jnn.data import batches, checks, streams
from jnn.errors import mistake

MOST_STEPS = 64
"""The most steps in one dispatch, for data in memory."""


@dataclasses.dataclass(frozen=True, eq=False)
class ByIndices:
    """A ``batch_of`` by the indices of the examples, which the host can draw for the program.

    ``indices(key, step)`` (batch_size,) may be traced; ``on_host(words, steps)`` are those of
    ``steps`` (n,), an array (n, batch_size) of NumPy, for the `jnn.threefry.key_words` of the key.
    """

    indices: Callable[[jax.Array, jax.Array], jax.Array]
    on_host: Callable[[np.ndarray, np.ndarray], np.ndarray]

    def __call__(self, data: Any, key: jax.Array, step: jax.Array) -> Any:
        """The batch of a step."""
        return batches.take(data, self.indices(key, step))


class Feed(NamedTuple):
    """Data, the batch of each step, the steps per epoch, and the identity of the data.

    ``batch_of(data, key, step) -> batch`` is pure. ``identity`` is stored in checkpoints, so that a
    run is not resumed on other data.

    Streamed data is read a step at a time: ``stream(key, step, part)`` yields that of step
    ``step``, ``step + 1``, ... on the device, and ``data`` has the shapes and dtypes of whole
    batches. ``part`` is (0, 1) for these, and (i, n) for the i-th of n equal parts, of process i of
    n. Data in memory has no ``stream``.
    """

    data: Any
    batch_of: Callable[[Any, jax.Array, jax.Array], Any]
    steps_per_epoch: int
    identity: dict[str, Any]
    stream: Callable[[jax.Array, int, tuple[int, int]], Iterator[Any]] | None = None

    @property
    def most_steps(self) -> int:
        """The most steps in one dispatch.

        It is 1 for a stream, since reading a batch takes longer than starting a step.
        """
        return 1 if self.stream else MOST_STEPS

    def read(self, key: jax.Array, step: int, part: tuple[int, int] = (0, 1)) -> Iterator[Any]:
        """The ``data`` of one dispatch after the other, from step ``step`` on."""
        return self.stream(key, step, part) if self.stream else itertools.repeat(self.data)


def in_memory(arrays: Mapping[str, np.ndarray], batch_size: int) -> Feed:
    """Arrays of equal length, held on the device and shuffled anew for each epoch.

    An epoch has full batches alone: it drops the last ``length % batch_size`` examples of its
    order.

    >>> feed = in_memory({"x": np.arange(10, dtype=np.float32)}, batch_size=4)
    >>> feed.steps_per_epoch, feed.batch_of(feed.data, jax.random.key(0), 0)["x"].shape
    (2, (4,))
    """
    data = batches.to_device(arrays, "training data")
    size = len(next(iter(arrays.values())))
    batch_of = ByIndices(
        partial(batches.batch_indices, size=size, batch_size=batch_size),
        partial(batches.batch_indices_on_host, size=size, batch_size=batch_size),
    )
    identity = {"examples": size, "batch_size": batch_size, "sha256": checks.fingerprint(arrays)}
    return Feed(data, batch_of, batches.steps_per_epoch(size, batch_size), identity)


def streamed(
    source: streams.Source,
    batch_size: int,
    *,
    transform: streams.Transform | None = None,
    threads: int = 8,
) -> Feed:
    """Examples read while the model trains, in the same batches as `in_memory`.

    ``transform(example) -> example`` is pure and runs on the host; ``threads`` batches are read
    ahead (see `jnn.data.streams`). Random augmentation belongs in the objective, which has a key.
    A checkpoint stores ``source.identity``, the name of ``transform``, and a fingerprint of three
    examples as read: a run is not resumed where one of them differs.

    Raises MissingExtraError without Grain, and JnnError where reading an example twice gives two
    results.

    >>> feed = streamed([{"x": np.float32(i)} for i in range(10)], batch_size=4)
    >>> feed.steps_per_epoch, next(feed.read(jax.random.key(0), 0))["x"].shape
    (2, (4,))
    """
    streams.grain_module()
    if not (hasattr(source, "__len__") and hasattr(source, "__getitem__")):
        got = f"a source of type {type(source).__name__}"
        raise mistake("streamed", got=got, expected="one with len and []")
    size, steps = len(source), batches.steps_per_epoch(len(source), batch_size)

    def read_sample():
        indices = (0, size // 2, size - 1)
        examples = [streams.read_example(source, i, transform) for i in indices]
        return streams.stack(examples, indices)

    sample = read_sample()
    if checks.fingerprint(sample) != checks.fingerprint(read_sample()):
        raise mistake(
            "streamed",
            got="an example that differs when it is read again",
            expected="a pure transform",
            remedy="Draw random changes in the objective, from its key.",
        )

    def stream(key: jax.Array, step: int, part: tuple[int, int]) -> Iterator[Any]:
        options = {"batch_size": batch_size, "transform": transform, "threads": threads}
        return _on_device(streams.stream(source, key, step, part=part, **options))

    shapes = {
        name: jax.ShapeDtypeStruct((batch_size, *x.shape[1:]), x.dtype)
        for name, x in batches.to_device(sample).items()
    }
    name = getattr(transform, "__qualname__", type(transform).__qualname__) if transform else None
    identity = {
        "examples": size,
        "batch_size": batch_size,
        "source": getattr(source, "identity", None),
        "transform": name,
        "sample_sha256": checks.fingerprint(sample),
    }
    return Feed(shapes, lambda data, key, step: data, steps, identity, stream)


def _on_device(read: Iterator[Any]) -> Iterator[Any]:
    """Batches on the device, each transferred while the step before it runs."""
    following = jax.device_put(next(read))
    for batch in read:
        ready, following = following, jax.device_put(batch)
        yield ready
