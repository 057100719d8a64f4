"""Where two runs part: the first step that differs, and what differs there first."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jnn.checkpoints import Checkpoints
from jnn.paths import path_name
from jnn.train.config import TrainingConfig
from jnn.train.replay import Replayed, inside, replay, restored
from jnn.train.state import TrainState, seed_key
from jnn.train.task import Task, Transfer, start

START, BATCH, CAPTURED, METRICS, GRADIENT, UPDATE = PARTS = (
    "start",
    "batch",
    "captured values",
    "metrics",
    "gradient",
    "update",
)
"""The parts of a step in the order in which they are computed. The start is what the first step
begins from, and the update all that the step leaves."""


class Side(NamedTuple):
    """One of two runs: the arguments of `jnn.train.replay.replay`, but for the step."""

    task: Task
    config: TrainingConfig
    folder: Path
    transfer: Transfer | None = None

    def replay(self, step: int) -> Replayed:
        """A step of the run, made again."""
        return replay(self.task, self.config, self.folder, step, transfer=self.transfer)

    def checkpoint(self, step: int) -> TrainState:
        """What the run kept after a step of which it has a checkpoint."""
        key = seed_key(self.config.seed)
        train_state, _ = start(self.task, self.config, key, transfer=self.transfer)
        return restored(self.folder / "checkpoints", train_state, before=step + 1)[1]

    def steps_kept(self) -> list[int]:
        """The steps of which the run has checkpoints."""
        folder = self.folder / "checkpoints"
        if not folder.is_dir():
            return []
        with Checkpoints(folder, read_only=True) as checkpoints:
            return checkpoints.steps()


class Difference(NamedTuple):
    """An array that differs between two runs."""

    path: str
    how: str
    """In words, as "3 of 8 values, by 0.01 at most"."""


class Parting(NamedTuple):
    """The first step that two runs do not share."""

    step: int
    differences: dict[str, list[Difference]]
    """What differs, by part of the step; empty lists for parts that are equal."""
    sizes: dict[str, int]
    """How many arrays each part has."""
    replayed: tuple[Replayed, Replayed]

    @property
    def first(self) -> tuple[str, Difference] | None:
        """The first part that differs, and in it the first array; None where all are equal."""
        firsts = ((part, arrays[0]) for part, arrays in self.differences.items() if arrays)
        return next(firsts, None)


def first_row(
    rows: Iterable[Mapping[str, Any]], others: Iterable[Mapping[str, Any]]
) -> tuple[int, str, Any, Any] | None:
    """The first step at which the logs of two runs differ, with the metric and both values.

    ``rows`` are those of ``metrics.jsonl``, of which `in_common` are compared.

    >>> first_row([{"step": 1, "loss": 0.5}, {"step": 2, "loss": 0.4}], [{"step": 2, "loss": 0.3}])
    (2, 'loss', 0.4, 0.3)
    """
    for step, name, value, other in in_common(rows, others):
        if value != other and not (_is_nan(value) and _is_nan(other)):
            return step, name, value, other
    return None


def in_common(
    rows: Iterable[Mapping[str, Any]], others: Iterable[Mapping[str, Any]]
) -> Iterator[tuple[int, str, Any, Any]]:
    """The step, the metric and both values, of all that two logs have in common.

    Metrics of training are means over the steps since the row before: those of other steps have
    nothing in common.

    >>> rows = [{"step": 3, "train/loss": 0.5}, {"step": 6, "train/loss": 0.4}]
    >>> list(in_common(rows, [{"step": 6, "train/loss": 0.45, "validation/loss": 0.3}]))
    []
    """
    a, b = _by_step(rows), _by_step(others)
    for step in sorted(a.keys() & b.keys()):
        for name in a[step]:
            if name in b[step] and a[step][name][0] == b[step][name][0]:
                yield step, name, a[step][name][1], b[step][name][1]


def last_checkpoints(a: Side, b: Side) -> tuple[int, list[Difference]] | None:
    """What differs in the checkpoints of the last step of which both runs have one, and the step.

    None where they have none in common.
    """
    common = set(a.steps_kept()) & set(b.steps_kept())
    if not common:
        return None
    step = max(common)
    return step, _differences(_state(a.checkpoint(step)), _state(b.checkpoint(step)))


def part(a: Side, b: Side, step: int) -> Parting | None:
    """The first step that differs, where it is known that ``step`` or one before it does.

    Steps are made again, as few as bisection needs. None where no bit of the steps that were made
    again differs here, as for runs of two machines or two versions of a package.
    """
    pairs: dict[int, tuple[Replayed, Replayed]] = {}

    def at(step: int) -> tuple[Replayed, Replayed]:
        if step not in pairs:
            pairs.clear()  # train states may be large
            pairs[step] = a.replay(step), b.replay(step)
        return pairs[step]

    def differ(step: int) -> tuple[bool, bool]:
        left, right = at(step)
        of = lambda a, b: bool(_differences(_state(a), _state(b)))
        return of(left.before, right.before), of(left.after, right.after)

    first = first_step(differ, step)
    parting = compared(a, b, first, at(first))
    return parting if parting.first else None


def first_step(differ: Callable[[int], tuple[bool, bool]], step: int) -> int:
    """The first step that differs, of which it is known that it is ``step`` or one before it.

    ``differ(step)`` says whether what the step begins from differs, and whether what it leaves
    does; what has parted stays so.

    >>> first_step(lambda step: (step > 3, step >= 3), 100)
    3
    """
    low, high, probe = 1, step, step
    while low < high:
        before, after = differ(probe)
        if before:
            high = max(low, probe - 1)
            probe = high if probe == step else (low + high) // 2  # mostly it is the step before
        elif after or probe == high:
            low = high = probe
        else:
            low = probe + 1
            probe = (low + high) // 2
    return high


def compared(a: Side, b: Side, step: int, replayed: tuple[Replayed, Replayed]) -> Parting:
    """All that differs in one step of two runs."""
    sides = [_parts_of(*pair) for pair in zip((a, b), replayed, strict=True)]
    differences = {name: _differences(sides[0][name], sides[1][name]) for name in PARTS}
    return Parting(
        step,
        differences,
        {name: len(sides[0][name].keys() | sides[1][name].keys()) for name in PARTS},
        replayed,
    )


def _parts_of(side: Side, replayed: Replayed) -> dict[str, dict[str, Any]]:
    """The arrays of a step by path, by part."""
    gradient, values = inside(side.task, side.config, replayed)
    return {
        START: _state(replayed.before) if replayed.step == 1 else {},
        BATCH: leaves_by_path(replayed.batch),
        CAPTURED: dict(values),
        METRICS: dict(replayed.metrics),
        GRADIENT: leaves_by_path(gradient),
        UPDATE: _state(replayed.after),
    }


def _state(train_state: TrainState) -> dict[str, Any]:
    """The arrays of a train state, params first; those of an optimizer have long paths."""
    return leaves_by_path(train_state.params, "params") | leaves_by_path(train_state._asdict())


def leaves_by_path(tree: Any, start: str = "") -> dict[str, Any]:
    """The leaves of a tree by their paths, each with ``start`` in front.

    >>> leaves_by_path({"kernel": 1, "bias": 2}, "params")
    {'params/bias': 2, 'params/kernel': 1}
    """
    leaves = jax.tree.leaves_with_path(tree)
    return {"/".join(filter(None, [start, path_name(path)])): leaf for path, leaf in leaves}


def _differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[Difference]:
    """What differs between arrays by path, in their order; those that only b has come last."""
    differences = []
    for path in dict.fromkeys([*a, *b]):
        if path not in a or path not in b:
            how = f"only in the {'first' if path in a else 'second'} run"
        else:
            how = _how(_array(a[path]), _array(b[path]))
        if how:
            differences.append(Difference(path, how))
    return differences


def _array(leaf: Any) -> np.ndarray:
    dtype = getattr(leaf, "dtype", np.dtype(float))
    if jax.numpy.issubdtype(dtype, jax.dtypes.prng_key):
        leaf = jax.random.key_data(leaf)
    return np.asarray(leaf)


def _how(a: np.ndarray, b: np.ndarray) -> str:
    """How two arrays differ, in words; empty where all bits are equal."""
    if (a.shape, a.dtype) != (b.shape, b.dtype):
        return f"{a.dtype} {list(a.shape)} and {b.dtype} {list(b.shape)}"
    if a.tobytes() == b.tobytes():
        return ""
    if a.size == 1:
        return f"{a.item():.9g} and {b.item():.9g}"
    is_inexact = not (a.dtype == bool or np.issubdtype(a.dtype, np.integer))
    wide = np.complex128 if np.iscomplexobj(a) else np.float64
    a, b = a.astype(wide), b.astype(wide)
    differ = (a != b) & ~(np.isnan(a) & np.isnan(b))
    most = np.max(np.abs(a - b), initial=0.0, where=differ & np.isfinite(a - b))
    count = f"{differ.sum():,} of {a.size:,} values"
    return f"{count}, by {most:.3g} at most" if is_inexact else count


def _by_step(rows: Iterable[Mapping[str, Any]]) -> dict[int, dict[str, tuple[int, Any]]]:
    """All that was logged at each step: the step after which its mean begins, and the value."""
    logged: dict[int, dict[str, tuple[int, Any]]] = {}
    before: dict[str, int] = {}
    for row in rows:
        of_step = logged.setdefault(row["step"], {})
        for name, value in row.items():
            if name == "step":
                continue
            of_step[name] = before.get(name, 0), value
            if name.startswith("train/"):
                before[name] = row["step"]
    return logged


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)
