"""What the axes of a captured value are, so that a page can draw it by its shape.

Shapes alone do not say it: ``(4, 64)`` may be four members of an ensemble, four blocks of a scan or
four elements of a sequence. So a model is traced, without computing anything, for a batch and for a
longer input: the axes in front of the batch are stacks, those that grow with the input are time.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jnn.errors import JnnError
from jnn.explain.inside.attention import tag_of
from jnn.web.values import HALVES

BATCH, LONGER = 13, 11
"""A size of a batch, and how much longer an input is, that no other axis has by chance."""

Values = Mapping[str, jax.ShapeDtypeStruct]


class Value(NamedTuple):
    """A captured value of one example.

    ``axes`` names each axis: ``stack`` (members, blocks), ``time``, ``head``, ``query``, ``key``,
    ``row``, ``column``, ``unit``; others are ``axis``, ``axis2``, ... ``follows`` says for each
    axis the length of which input it has, such as ``source`` of a translation; "" for the only one.
    ``scans`` counts the first axes that are those of loops, which have one element at a time.

    ``kind`` says how it is drawn, without its stacks: ``number``, ``vector`` (unit), ``sequence``
    (time, unit), ``heads`` (time, head, unit), ``steps`` (time), ``maps`` (row, column, unit),
    ``attention`` (head, query, key) or ``grid`` for all others.
    """

    path: str
    shape: tuple[int, ...]
    dtype: str
    axes: tuple[str, ...]
    kind: str
    follows: tuple[str, ...] = ()
    scans: int = 0

    @property
    def factors(self) -> int:
        """How many parts of it can be scaled: units, channels or heads; 0 for none."""
        if self.dtype not in ("float32", *HALVES) or self.kind == "number":
            return 0
        return self.shape[self.factor_axis]

    @property
    def stacks(self) -> tuple[int, ...]:
        """The sizes of the axes of stacks."""
        sizes = zip(self.axes, self.shape, strict=True)
        return tuple(n for name, n in sizes if name == "stack")

    @property
    def factor_axis(self) -> int:
        """The axis of these parts, counted from the end, as scans take stacks away in front."""
        if self.kind not in ("attention", "heads") or "head" not in self.axes:
            return -1
        return self.axes.index("head") - len(self.axes)


def describe(capture: Callable[[Any], Values], example: Any) -> list[Value]:
    """The values that ``capture`` has for inputs like ``example``, a pytree of shapes."""
    shapes = capture(example)
    batched = _traced(capture, _with_batch(example))
    longer = {name: _in_other_lengths(capture, example, name) for name in _inputs(example)}
    lengths = _lengths(example)
    cut = {name: n for name, n in lengths.items() if _is_cut(shapes, longer[name])}
    only = {name: n for name, n in lengths.items() if not longer[name]}  # that the model takes
    places = {path: _place_of_batch(shape, batched.get(path)) for path, shape in shapes.items()}
    own = {path: shape.shape[places[path] :] for path, shape in shapes.items()}
    within = set() if lengths else _lengths_within(own)
    described = []
    for path, shape in shapes.items():
        stacks = places[path]
        follows = _followed(
            shape.shape, {name: values.get(path) for name, values in longer.items()}
        )
        for name, length in (cut | only).items():
            sizes = shape.shape[:-1] if name in only else shape.shape  # the last one has units
            if length in sizes and not any(follows):
                follows[sizes.index(length)] = name
        for axis in _times_within(path, own[path], within):
            follows[stacks + axis] = ""
        axes = _axes(shape.shape, stacks, [name is not None for name in follows])
        names = tuple(name or "" for name in follows)
        described.append(Value(path, shape.shape, str(shape.dtype), axes, _kind(axes), names))
    return described


def _traced(capture: Callable[[Any], Values], example: Any) -> Values:
    """The values for other shapes; none where the model does not take them."""
    try:
        return capture(example)
    except (JnnError, TypeError, ValueError):
        return {}


def _with_batch(example: Any) -> Any:
    batched = lambda leaf: jax.ShapeDtypeStruct((BATCH, *leaf.shape), leaf.dtype)
    return jax.tree.map(batched, example)


def _inputs(example: Any) -> list[str]:
    """The names of the arrays of an input that are sequences; "" for the only one."""
    return sorted(set(_names(example).values()))


def _lengths(example: Any) -> dict[str, int]:
    """The length of each sequence by its name."""
    names = _names(example)
    leaves = dict(jax.tree.leaves_with_path(example))
    return {name: leaves[path].shape[0] for path, name in names.items()}


def _is_cut(shapes: Values, longer: Values) -> bool:
    """Whether a model reads so many elements of a sequence at most: nothing in it grows with more.

    What has that length is over time then.
    """
    grows = lambda path: path in shapes and longer[path].shape != shapes[path].shape
    return bool(longer) and not any(map(grows, longer))


def _names(example: Any) -> dict[Any, str]:
    """For the path of each sequence its name; that of a mask is the name of what it is for."""
    leaves = [(path, leaf) for path, leaf in jax.tree.leaves_with_path(example) if _has_time(leaf)]
    names = {path: _name(path) for path, _ in leaves}
    for path, leaf in leaves:
        if names[path] == "mask":
            like = (other for other, x in leaves if other != path and x.shape[:1] == leaf.shape)
            names[path] = names[next(like, path)]
    return names


def _has_time(leaf: Any) -> bool:
    """Whether an array can be a sequence: no number, no row of a table and no picture is one."""
    is_row = len(leaf.shape) == 1 and jnp.issubdtype(leaf.dtype, jnp.floating)
    return len(leaf.shape) not in (0, 3) and not is_row


def _name(path: Any) -> str:
    """The last name in a path, that of a mask being the name of what it is for."""
    last = getattr(path[-1], "key", "") if path else ""
    return last.removesuffix("_mask") if isinstance(last, str) else ""


def _in_other_lengths(capture: Callable[[Any], Values], example: Any, name: str) -> Values:
    """The values for an input of which one array is longer, or shorter where that is too long."""
    values = _traced(capture, _longer(example, name, LONGER))
    return values or _traced(capture, _longer(example, name, -1))


def _longer(example: Any, name: str, more: int) -> Any:
    """An input of which one array is longer."""

    names = _names(example)

    def grown(path, leaf):
        if names.get(path) != name:
            return leaf
        first, *rest = leaf.shape
        return jax.ShapeDtypeStruct((max(0, first + more), *rest), leaf.dtype)

    return jax.tree.map_with_path(grown, example)


def _followed(
    shape: tuple[int, ...], longer: Mapping[str, jax.ShapeDtypeStruct | None]
) -> list[str | None]:
    """For each axis the name of the input that makes it longer; None for none."""
    followed: list[str | None] = [None] * len(shape)
    for name, grown in longer.items():
        if grown is not None and len(grown.shape) == len(shape):
            for axis, n in enumerate(shape):
                if grown.shape[axis] != n:
                    followed[axis] = name
    return followed


def _place_of_batch(value: jax.ShapeDtypeStruct, batched: jax.ShapeDtypeStruct | None) -> int:
    """How many axes are in front of that of the batch; 0 where it has none."""
    shape = value.shape
    for place in range(len(shape) + 1):
        if batched is not None and batched.shape == (*shape[:place], BATCH, *shape[place:]):
            return place
    return 0


def _lengths_within(own: Mapping[str, tuple[int, ...]]) -> set[int]:
    """The lengths of the sequences that a model makes of an input that is none, such as the patches
    of a picture: those whose elements attend to each other. ``own`` has shapes without stacks.
    """
    attends = lambda path, shape: tag_of(path) == "weights" and len(shape) == 3
    return {n[2] for path, n in own.items() if attends(path, n) and n[1] == n[2]}


def _times_within(path: str, shape: tuple[int, ...], lengths: set[int]) -> list[int]:
    """The axes of a value that have the elements of such a sequence."""
    places = {("weights", 3): [1, 2]} | {(name, 3): [0] for name in ("query", "key", "value")}
    axes = [0] if len(shape) == 2 else places.get((tag_of(path), len(shape)), [])
    return axes if all(shape[axis] in lengths for axis in axes) else []


def _axes(shape: tuple[int, ...], stacks: int, is_time: list[bool]) -> tuple[str, ...]:
    front = ["time" if is_time[axis] else "stack" for axis in range(stacks)]
    rest = list(range(stacks, len(shape)))
    times = [axis for axis in rest if is_time[axis]]
    if len(rest) == 3 and not times:
        return (*front, "row", "column", "unit")
    names = dict.fromkeys(rest, "axis")
    if rest and not is_time[rest[-1]]:
        names[rest[-1]] = "unit"
    if len(times) == 2 and times == rest[-2:]:
        names |= {times[0]: "query", times[1]: "key"}
        names |= dict.fromkeys(rest[-3:-2], "head")
    elif times:
        names[times[0]] = "time"
        if len(rest) == 3 and times == rest[:1]:
            names[rest[1]] = "head"
    others = [axis for axis in rest if names[axis] == "axis"]
    names |= {axis: f"axis{i}" for i, axis in enumerate(others[1:], 2)}
    return (*front, *(names[axis] for axis in rest))


def _kind(axes: tuple[str, ...]) -> str:
    rest = tuple(axis for axis in axes if axis != "stack")
    kinds = {
        (): "number",
        ("unit",): "vector",
        ("axis",): "vector",
        ("time", "unit"): "sequence",
        ("time", "head", "unit"): "heads",
        ("time",): "steps",
        ("row", "column", "unit"): "maps",
        ("head", "query", "key"): "attention",
        ("query", "key"): "attention",
    }
    return kinds.get(rest, "grid")
