"""Streaming: batches that are read from storage during training, for data larger than memory.

A source is anything with ``len(source)`` and ``source[i]``, a dict of arrays:
`jnn.data.image_folder`, `jnn.data.array_records`, a ``grain.MapDataset``, or a class of your own;
it must allow reads from several threads at once. Its ``identity``, a dict of JSON values, is saved
in checkpoints.

Examples come in the order of `jnn.data.batches`, a pure function of a key and the step. So a stream
can begin at any step, only the step needs to be saved, and the batches are the same bit by bit as
those of the same data in memory. Grain (https://google-grain.readthedocs.io) reads ahead in
threads, and keeps that order.
"""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any, Protocol

import jax
import numpy as np

from jnn.data import batches, checks
from jnn.errors import MissingExtraError, mistake
from jnn.integers import check_integer

Example = Mapping[str, Any]
Transform = Callable[[Any], Example]


class Source(Protocol):
    """Examples by their index."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


def stream(
    source: Source,
    key: jax.Array,
    step: int,
    *,
    batch_size: int,
    transform: Transform | None = None,
    threads: int = 8,
) -> Generator[dict[str, np.ndarray]]:
    """The batches of step ``step``, ``step + 1``, ... without end, arrays (batch_size, ...).

    The batch of step s has the examples ``jnn.data.batches.batch_indices(key, s)``.
    ``transform(example) -> example`` runs on the host. ``threads`` batches are read ahead, each in
    its own thread: NumPy and Pillow run in parallel there, Python itself does not. Closing the
    iterator ends its threads.

    Raises MissingExtraError without Grain, and JnnError for a batch larger than the data and for
    examples that do not stack.

    >>> squares = [{"x": np.float32(i * i)} for i in range(10)]
    >>> sorted(next(stream(squares, jax.random.key(0), 0, batch_size=10))["x"].tolist())
    [0.0, 1.0, 4.0, 9.0, 16.0, 25.0, 36.0, 49.0, 64.0, 81.0]
    """
    grain = grain_module()
    steps, host = batches.steps_per_epoch(len(source), batch_size), _host()
    threads = check_integer("stream", "threads", threads)

    @functools.lru_cache(maxsize=2)
    def order(epoch: int) -> np.ndarray:
        with jax.default_device(host):
            return np.asarray(batches.epoch_order(jax.device_put(key, host), epoch, len(source)))

    def read(step: int) -> dict[str, np.ndarray]:
        epoch, place = divmod(step, steps)
        indices = order(epoch)[place * batch_size : (place + 1) * batch_size]
        return stack([read_example(source, int(i), transform) for i in indices])

    def generate() -> Generator[dict[str, np.ndarray]]:
        order(step // steps)  # compiled once, before all threads need it
        options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=threads)
        data_set = grain.MapDataset.range(step, sys.maxsize).map(read)
        read_ahead = iter(data_set.to_iter_dataset(options))
        with contextlib.closing(read_ahead):
            yield from read_ahead

    return generate()


def load(
    source: Source, *, transform: Transform | None = None, threads: int = 8
) -> dict[str, np.ndarray]:
    """All examples in order as arrays (N, ...), such as a validation part that fits into memory."""
    read = functools.partial(read_example, source, transform=transform)
    with ThreadPoolExecutor(threads) as readers:
        return stack(list(readers.map(read, range(len(source)))))


def read_example(
    source: Source, index: int, transform: Transform | None = None
) -> dict[str, np.ndarray]:
    """Example ``index`` after ``transform``, its values as arrays."""
    example = source[index] if transform is None else transform(source[index])
    if not isinstance(example, Mapping):
        raise mistake(
            f"example {index}{'' if transform is None else ' after transform'}",
            got=f"a {type(example).__name__}",
            expected='a dict of arrays, as in {"image": image, "label": 3}',
        )
    return {name: np.asarray(value) for name, value in example.items()}


def stack(examples: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Examples as one array for each name, checked by `jnn.data.checks.check_arrays`."""
    first = _form(examples[0]) if examples else {}
    for example in examples:
        if _form(example) != first:
            raise mistake(
                "stream",
                got=f"examples {first} and {_form(example)}",
                expected="the same names, shapes and dtypes in all",
                remedy="Give a transform that crops, resizes or pads to one shape.",
            )
    stacked = {name: np.stack([example[name] for example in examples]) for name in first}
    checks.check_arrays(stacked, "stream")
    return stacked


def grain_module() -> ModuleType:
    """Grain, imported when it is needed; raises MissingExtraError where it is not installed."""
    try:
        import grain
    except ImportError:
        raise MissingExtraError('Data that streams needs Grain: pip install "jnn[data]".') from None
    return grain


def _form(example: Mapping[str, np.ndarray]) -> dict[str, str]:
    return {name: f"{value.dtype}{list(value.shape)}" for name, value in sorted(example.items())}


def _host() -> Any:
    """The CPU, whose queue is not the accelerator's, so that no order waits for a training step."""
    try:
        return jax.local_devices(backend="cpu")[0]
    except RuntimeError:  # excluded by JAX_PLATFORMS
        return jax.local_devices()[0]
