"""What the axes of a captured value are, so that a page can draw it by its shape.

Shapes alone do not say it: ``(4, 64)`` may be four members of an ensemble, four blocks of a scan or
four elements of a sequence. So a model is traced, without computing anything, for a batch and for a
longer input: the axes in front of the batch are stacks, those that grow with the input are time.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax

from jnn.errors import JnnError

BATCH, LONGER = 13, 11
"""A size of a batch, and how much longer an input is, that no other axis has by chance."""

Values = Mapping[str, jax.ShapeDtypeStruct]


class Value(NamedTuple):
    """A captured value of one example.

    ``axes`` names each axis: ``stack`` (members, blocks), ``time``, ``head``, ``query``, ``key``,
    ``row``, ``column``, ``unit``; of other axes ``axis``. ``kind`` says how it is drawn, without
    its stacks: ``number``, ``vector`` (unit), ``sequence`` (time, unit), ``steps`` (time), ``maps``
    (row, column, unit), ``attention`` (head, query, key) or ``grid`` for all others.
    """

    path: str
    shape: tuple[int, ...]
    dtype: str
    axes: tuple[str, ...]
    kind: str

    @property
    def factors(self) -> int:
        """How many parts of it can be scaled: units, channels or heads; 0 for none."""
        if self.dtype != "float32" or not self.shape:
            return 0
        return self.shape[self.factor_axis]

    @property
    def factor_axis(self) -> int:
        """The axis of these parts, counted from the end, as scans take stacks away in front."""
        if self.kind != "attention" or "head" not in self.axes:
            return -1
        return self.axes.index("head") - len(self.axes)


def describe(capture: Callable[[Any], Values], example: Any, *, is_picture: bool) -> list[Value]:
    """The values that ``capture`` has for inputs like ``example``, a pytree of shapes."""
    shapes = capture(example)
    batched = _traced(capture, _with_batch(example))
    longer = {} if is_picture else _traced(capture, _longer(example))
    found = []
    for path, shape in shapes.items():
        in_batch, when_longer = batched.get(path), longer.get(path)
        stacks = _place_of_batch(shape.shape, in_batch.shape if in_batch else ())
        grown = when_longer.shape if when_longer else shape.shape
        axes = _axes(shape.shape, stacks, grown, is_picture)
        found.append(Value(path, shape.shape, str(shape.dtype), axes, _kind(axes)))
    return found


def _traced(capture: Callable[[Any], Values], example: Any) -> Values:
    """The values for other shapes; none where the model does not take them."""
    try:
        return capture(example)
    except (JnnError, TypeError, ValueError):
        return {}


def _with_batch(example: Any) -> Any:
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct((BATCH, *leaf.shape), leaf.dtype), example
    )


def _longer(example: Any) -> Any:
    """A longer sequence; what has no time is as it was."""

    def grown(leaf):
        first, *rest = leaf.shape or (0,)
        shape = (first + LONGER, *rest) if leaf.shape else ()
        return jax.ShapeDtypeStruct(shape, leaf.dtype)

    return jax.tree.map(grown, example)


def _place_of_batch(shape: tuple[int, ...], batched: tuple[int, ...]) -> int:
    """How many axes are in front of that of the batch; 0 where it has none."""
    for place in range(len(shape) + 1):
        if batched == (*shape[:place], BATCH, *shape[place:]):
            return place
    return 0


def _axes(
    shape: tuple[int, ...], stacks: int, grown: tuple[int, ...], is_picture: bool
) -> tuple[str, ...]:
    same_rank = len(grown) == len(shape)
    is_time = [same_rank and grown[axis] != n for axis, n in enumerate(shape)]
    front = ["time" if is_time[axis] else "stack" for axis in range(stacks)]
    own = list(range(stacks, len(shape)))
    if is_picture and len(own) == 3:
        return (*front, "row", "column", "unit")
    times = [axis for axis in own if is_time[axis]]
    names = dict.fromkeys(own, "axis")
    if own and not is_time[own[-1]]:
        names[own[-1]] = "unit"
    if len(times) == 2 and times == own[-2:]:
        names |= {times[0]: "query", times[1]: "key"}
        names |= dict.fromkeys(own[-3:-2], "head")
    elif times:
        names[times[0]] = "time"
    return (*front, *(names[axis] for axis in own))


def _kind(axes: tuple[str, ...]) -> str:
    own = tuple(axis for axis in axes if axis != "stack")
    kinds = {
        (): "number",
        ("unit",): "vector",
        ("axis",): "vector",
        ("time", "unit"): "sequence",
        ("time",): "steps",
        ("row", "column", "unit"): "maps",
        ("head", "query", "key"): "attention",
        ("query", "key"): "attention",
    }
    return kinds.get(own, "grid")
