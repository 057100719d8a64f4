"""Params at some moments of a run, in half precision: enough to see them change, not to go on.

A run of few params keeps those of about twenty epochs in the folder ``moments``, more of the early
ones, in which they change fastest. Nothing is read from it again but by pages that show the run.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jnn.data.array_files import read_arrays, write_array
from jnn.errors import JnnError, mistake
from jnn.files import writable
from jnn.runs.run import Run
from jnn.sharding import gathered
from jnn.train.loop import OnEvaluate
from jnn.train.state import TrainState

FOLDER = "moments"
MOST, LEAST = 20, 3
BYTES = 2_000_000
"""Of all moments of a run together."""


class Moment(NamedTuple):
    """The floating-point leaves of params and state after a step, one after the other."""

    step: int
    values: np.ndarray
    """float16 (numbers,)"""


def epochs_to_keep(epochs: int, numbers: int) -> list[int]:
    """After which epochs so many params are kept; none where they are too large.

    >>> epochs_to_keep(5, 1000), epochs_to_keep(80, 76_000), epochs_to_keep(80, 10**6)
    ([1, 2, 3, 4, 5], [1, 2, 3, 4, 5, 7, 11, 16, 24, 36, 54, 80], [])
    """
    room = min(MOST, BYTES // (2 * max(1, numbers)) - 1)
    if room < LEAST or epochs < 1:
        return []
    spread = np.geomspace(1, epochs, min(room, epochs))
    chosen = {round(epoch) for epoch in spread}
    for epoch in range(1, epochs + 1):  # rounding has made some of them one
        if len(chosen) < min(room, epochs):
            chosen.add(epoch)
    return sorted(chosen)


def with_moments(
    run: Run, train_state: TrainState, epochs: int, steps_per_epoch: int, also: OnEvaluate | None
) -> OnEvaluate | None:
    """What `jnn.train.fit` calls with the params of an epoch: it keeps some, then calls ``also``.

    Those that a new run begins with are kept at once.
    """
    model = (train_state.params, train_state.state)
    epochs_kept = epochs_to_keep(epochs, _numbers(*model))
    if not epochs_kept:
        return also
    if not run.resuming:
        keep_moment(run.folder, 0, *gathered(model))

    def on_evaluate(step: int, params: Any, state: Any) -> None:
        epoch, rest = divmod(step, steps_per_epoch)
        if not rest and epoch in epochs_kept:
            keep_moment(run.folder, step, params, state)
        if also is not None:
            also(step, params, state)

    return on_evaluate


def keep_moment(folder: Path, step: int, params: Any, state: Any) -> None:
    """Write the params and the state of a step into the run's folder; one process of all does."""
    if jax.process_index():
        return
    leaves = [np.ravel(leaf).astype(np.float32) for leaf in _floats(params, state)]
    values = np.concatenate([*leaves, np.zeros(0, np.float32)])
    with np.errstate(over="ignore"):
        halves = values.astype(np.float16)
    with writable(folder / FOLDER):
        (folder / FOLDER).mkdir(exist_ok=True)
    write_array(folder / FOLDER / f"{step:08}.npy", halves)


def kept_moments(folder: Path, params: Any, state: Any) -> list[Moment]:
    """The moments of a run in the order of their steps; those of another model are omitted.

    Raises `JnnError` that names a damaged file.
    """
    count, moments = _numbers(params, state), []
    for path in sorted((folder / FOLDER).glob("*.npy")):
        if not path.stem.isdecimal():
            continue  # of another owner
        try:
            values = read_arrays(path)[path.stem]
        except JnnError:
            expected, remedy = "the file that the run wrote", "Remove it: the page does without."
            got = "a damaged file"
            raise mistake(str(path), got=got, expected=expected, remedy=remedy) from None
        if values.shape == (count,) and values.dtype == np.float16:
            moments.append(Moment(int(path.stem), values))
    return moments


def _floats(params: Any, state: Any) -> list[Any]:
    leaves = jax.tree.leaves((params, state))
    return [leaf for leaf in leaves if jnp.issubdtype(leaf.dtype, jnp.floating)]


def _numbers(params: Any, state: Any) -> int:
    return sum(leaf.size for leaf in _floats(params, state))
