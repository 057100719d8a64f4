"""Batches read from where they are stored, while the model trains: for data that does not fit into
memory.

A source is anything with ``len(source)`` and ``source[i]``, a dict of arrays:
`jnn.data.image_folder`, `jnn.data.array_records`, a ``grain.MapDataset``, or a class of your own;
it may be read from several threads at once. Its ``identity``, a dict of JSON values, is what a
checkpoint remembers of it.

Examples come in the order of `jnn.data.batches`, a pure function of a key and the step. So a stream
can begin at any step, nothing but the step needs to be saved, and it gives the same bits as the
same data in memory. Grain (https://google-grain.readthedocs.io) reads ahead in threads, and keeps
that order.
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

Example = Mapping[str, Any]
Transform = Callable[[Any], Example]


class Source(Protocol):
    """Examples by their number."""

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
    """The batches of step ``step``, ``step + 1``, ... without end, arrays (batch_size, ...);
    closing the iterator ends its threads.

    The batch of step s holds the examples ``jnn.data.batches.batch_indices(key, s)``.
    ``transform(example) -> example`` runs on the host. ``threads`` batches are read ahead, each in
    a thread of its own: NumPy and Pillow work in parallel there, Python itself does not.

    Raises MissingExtraError without Grain, and JnnError for a batch larger than the data and for
    examples that do not stack.

    >>> squares = [{"x": np.float32(i * i)} for i in range(10)]
    >>> sorted(next(stream(squares, jax.random.key(0), 0, batch_size=10))["x"].tolist())
    [0.0, 1.0, 4.0, 9.0, 16.0, 25.0, 36.0, 49.0, 64.0, 81.0]
    """
    grain = grain_module()
    steps, host = batches.steps_per_epoch(len(source), batch_size), _host()
    if threads < 1:
        raise mistake("stream", got=f"threads={threads}", expected="an integer >= 1")

    @functools.lru_cache(maxsize=2)
    def order(epoch: int) -> np.ndarray:
        with jax.default_device(host):
            return np.asarray(batches.epoch_order(jax.device_put(key, host), epoch, len(source)))

    def read(step: int) -> dict[str, np.ndarray]:
        epoch, place = divmod(step, steps)
        indices = order(epoch)[place * batch_size : (place + 1) * batch_size]
        return stack([read_example(source, int(i), transform) for i in indices])

    def generate() -> Generator[dict[str, np.ndarray]]:
        order(step // steps)  # compiled before the threads ask for it all at once
        options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=threads)
        read_ahead = iter(
            grain.MapDataset.range(step, sys.maxsize).map(read).to_iter_dataset(options)
        )
        with contextlib.closing(read_ahead):
            yield from read_ahead

    return generate()


def load(
    source: Source, *, transform: Transform | None = None, threads: int = 8
) -> dict[str, np.ndarray]:
    """All examples in their order as arrays (N, ...), such as a validation part that does fit into
    memory.
    """
    with ThreadPoolExecutor(threads) as readers:
        return stack(
            list(readers.map(lambda i: read_example(source, i, transform), range(len(source))))
        )


def read_example(
    source: Source, index: int, transform: Transform | None = None
) -> dict[str, np.ndarray]:
    """Example ``index`` after ``transform``, its values as arrays."""
    example = source[index] if transform is None else transform(source[index])
    if not isinstance(example, Mapping):
        where = f"example {index}{'' if transform is None else ' after transform'}"
        raise mistake(
            where,
            got=f"a {type(example).__name__}",
            expected='a dict of arrays, as in {"image": image, "label": 3}',
        )
    return {name: np.asarray(value) for name, value in example.items()}


def stack(examples: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Examples as one array for each name, checked by `jnn.data.checks.check_arrays`."""
    first = _form(examples[0]) if examples else {}
    for example in examples:
        if _form(example) != first:
            got, remedy = (
                f"examples {first} and {_form(example)}",
                "Give a transform that crops, resizes or pads to one shape.",
            )
            raise mistake(
                "stream",
                got=got,
                expected="the same names, shapes and dtypes in all",
                remedy=remedy,
            )
    stacked = {name: np.stack([example[name] for example in examples]) for name in first}
    checks.check_arrays(stacked, "stream")
    return stacked


def grain_module() -> ModuleType:
    """Grain, imported when it is needed. Raises MissingExtraError where it is not installed."""
    try:
        import grain
    except ImportError:
        raise MissingExtraError('Data that streams needs Grain: pip install "jnn[data]".') from None
    return grain


def _form(example: Mapping[str, np.ndarray]) -> dict[str, str]:
    return {name: f"{value.dtype}{list(value.shape)}" for name, value in sorted(example.items())}


def _host() -> Any:
    """The processor that reads, whose queue is not the accelerator's: an order that waited for a
    training step would come too late.
    """
    try:
        return jax.local_devices(backend="cpu")[0]
    except RuntimeError:  # JAX_PLATFORMS leaves it out
        return jax.local_devices()[0]
