"""Predictions for files, in batches of one shape."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TextIO

import jax
import numpy as np

from jnn.cli.prediction_inputs import Prepared, read_inputs
from jnn.cli.prediction_output import Answer, answers
from jnn.data.sequences import Padded, pad
from jnn.loaded import Loaded, answering, batch_first
from jnn.train.compilation import compiler_options
from jnn.train.preparation import Preparation


def predict_files(
    loaded: Loaded,
    files: Sequence[str],
    stdin: TextIO | None,
    say: Callable[[str], None],
    *,
    batch_size: int = 64,
) -> list[Answer]:
    """The answers for all inputs in ``files``, or on ``stdin``, in their order.

    There are none at all where one of the inputs is bad: `JnnError` names it.
    """
    preparation = loaded.preparation or Preparation(loaded.example)
    items = read_inputs(files, loaded, stdin, say)
    batches = _batches(items, batch_size, alike=preparation.tokenizer is None)
    kept = loaded.params, loaded.state
    apply = batch_first(answering(loaded.model, loaded.preparation), *kept, loaded.example)
    apply = jax.jit(apply, compiler_options=compiler_options())
    results: list[Answer] = []
    largest = 0  # batches are filled up to it, so that few shapes are compiled
    for batch in batches:
        n = len(batch)
        inputs = [item.x for item in batch]
        largest = max(largest, n)
        inputs += inputs[-1:] * (largest - n)
        x, mask = _stacked(inputs, preparation)
        y = jax.tree.map(lambda leaf: np.asarray(leaf)[:n], apply(*kept, x, mask))  # noqa: B023
        predicted = preparation.decode(y, None if mask is None else mask[:n])
        results += answers(batch, predicted)
    return results


def _batches(items: Iterable[Prepared], size: int, *, alike: bool) -> Iterator[list[Prepared]]:
    """Successive inputs, at most ``size`` of them, which are of one shape where they are alike."""
    for _, group in itertools.groupby(items, key=lambda item: item.x.shape if alike else None):
        while batch := list(itertools.islice(group, min(size, sys.maxsize))):
            yield batch


def _stacked(inputs: list[np.ndarray], preparation: Preparation) -> tuple[Any, np.ndarray | None]:
    """A batch, and the mask of texts, whose length is a power of two where the model takes it."""
    tokenizer = preparation.tokenizer
    if tokenizer is None:
        return np.stack(inputs), None
    longest = max(map(len, inputs))
    length = 1 << (longest - 1).bit_length()
    length = max(longest, min(length, preparation.longest or length))
    padding = tokenizer.padding if "padding" in tokenizer.special else 0
    return Padded(*pad(inputs, length, value=padding))
