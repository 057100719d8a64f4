"""Streaming: batches that are read from storage during training, for data larger than memory.

A source is anything with ``len(source)`` and ``source[i]``, a dict of arrays:
`jnn.data.image_folder`, `jnn.data.array_records`, a ``grain.MapDataset``, or a class of your own;
`jnn.data.named_rows` makes one of data sets of PyTorch and Hugging Face. It must allow reads from
several threads at once. Its ``identity``, a dict of JSON values, is saved
in checkpoints.

Examples come in the order of `jnn.data.batches`, a pure function of a key and the step. So a stream
can begin at any step, only the step needs to be saved, and the batches are the same bit by bit as
those of the same data in memory. Of several processes each reads the rows of its own devices; all
rows together are the same batch, whatever their number. Grain
(https://google-grain.readthedocs.io) reads ahead in threads, and keeps that order.
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
from jnn.errors import missing_extra, mistake
from jnn.integers import as_integer, check_integer
from jnn.threefry import key_words

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
    part: tuple[int, int] = (0, 1),
) -> Generator[dict[str, np.ndarray]]:
    """The batches of step ``step``, ``step + 1``, ... without end, arrays (batch_size, ...).

    The batch of step s has the examples ``jnn.data.batches.batch_indices(key, s)``.
    ``transform(example) -> example`` runs on the host. ``threads`` batches are read ahead, each in
    its own thread: NumPy and Pillow run in parallel there, Python itself does not. Closing the
    iterator ends its threads.

    With ``part = (i, n)`` it is the i-th of n equal parts of each batch, arrays
    (batch_size / n, ...), and no other example is read: for process i of n.

    Raises MissingExtraError without Grain, and JnnError for a step that is no integer from 0, for a
    batch larger than the data, for one that n does not divide, and for examples that do not stack.

    >>> squares = [{"x": np.float32(i * i)} for i in range(10)]
    >>> sorted(next(stream(squares, jax.random.key(0), 0, batch_size=10))["x"].tolist())
    [0.0, 1.0, 4.0, 9.0, 16.0, 25.0, 36.0, 49.0, 64.0, 81.0]
    """
    grain = grain_module()
    size, host, words = len(source), _host(), key_words(key)
    batches.steps_per_epoch(size, batch_size)
    threads = check_integer("stream", "threads", threads)
    step = check_integer("stream", "step", step, least=0)
    rows = part_rows(batch_size, part)

    def indices(step: int) -> np.ndarray:
        """Of a batch alone: the order of an epoch may be larger than memory."""
        of_step = {"size": size, "batch_size": batch_size}
        if words is not None:
            return batches.batch_indices_on_host(words, np.array([step]), **of_step)[0]
        with jax.default_device(host):
            return np.asarray(batches.batch_indices(jax.device_put(key, host), step, **of_step))

    def read(step: int) -> dict[str, np.ndarray]:
        numbers = indices(step)[rows].tolist()
        return stack([read_example(source, i, transform) for i in numbers], numbers)

    def generate() -> Generator[dict[str, np.ndarray]]:
        indices(step)  # compiled once, before all threads need it
        options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=threads)
        data_set = grain.MapDataset.range(step, sys.maxsize).map(read)
        read_ahead = iter(data_set.to_iter_dataset(options))
        with contextlib.closing(read_ahead):
            yield from read_ahead

    return generate()


def part_rows(batch_size: int, part: tuple[int, int]) -> slice:
    """The rows of the i-th of n equal parts of a batch, for ``part = (i, n)``.

    >>> part_rows(8, (1, 4))
    slice(2, 4, None)
    """
    index, count = (as_integer(number) for number in part)
    if index is None or count is None or not 0 <= index < count:
        raise mistake("stream", got=f"part={part}", expected="(i, n) with 0 <= i < n")
    if batch_size % count:
        got = f"batch_size={batch_size} in {count} parts"
        raise mistake("stream", got=got, expected=f"a multiple of {count}")
    size = batch_size // count
    return slice(index * size, (index + 1) * size)


def load(
    source: Source, *, transform: Transform | None = None, threads: int = 8
) -> dict[str, np.ndarray]:
    """All examples in order as arrays (N, ...), such as a validation part that fits into memory."""
    threads = check_integer("load", "threads", threads)
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


def stack(
    examples: Sequence[Mapping[str, np.ndarray]], numbers: Sequence[int] | None = None
) -> dict[str, np.ndarray]:
    """Examples as one array for each name, checked by `jnn.data.checks.check_arrays`.

    ``numbers`` are theirs in the source, for messages; by default they are the first ones.
    """
    numbers = range(len(examples)) if numbers is None else numbers
    first = _form(examples[0]) if examples else {}
    for number, example in zip(numbers, examples, strict=True):
        if _form(example) != first:
            raise mistake(
                f"example {number}",
                got=str(_form(example)),
                expected=f"the names, shapes and dtypes of example {numbers[0]}, {first}",
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
        raise missing_extra("Data that streams needs Grain", "data") from None
    return grain


def _form(example: Mapping[str, np.ndarray]) -> dict[str, str]:
    return {name: f"{value.dtype}{list(value.shape)}" for name, value in sorted(example.items())}


def _host() -> Any:
    """The CPU, whose queue is not the accelerator's, so that no order waits for a training step."""
    try:
        return jax.local_devices(backend="cpu")[0]
    except RuntimeError:  # excluded by JAX_PLATFORMS
        return jax.local_devices()[0]
