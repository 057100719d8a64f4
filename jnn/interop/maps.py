"""A map between the tensors of files and the leaves of jnn: a table of rows, read in both
directions.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from jnn.errors import mistake
from jnn.interop.operations import SAME, Operation
from jnn.paths import path_name

_SHOWN = 5
"""So many keys are named in a message."""


class Row(NamedTuple):
    """One line of a map.

    ``key``        of tensors in the file; each ``{name}`` in it is a number from 0 on, and a first
                   axis of the leaves, in the order in which they stand in the key
    ``paths``      of leaves, as `path_name` writes them
    ``operation``  between one tensor and its leaves, without these first axes
    """

    key: str
    paths: tuple[str, ...]
    operation: Operation = SAME

    def __str__(self) -> str:
        """The row as documentation."""
        return f"{self.key} -> {', '.join(self.paths)} ({self.operation.name})"

    def keys(self, sizes: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], str]]:
        """The index in the leaves, and the key, of each tensor."""
        names = re.findall(r"{(\w+)}", self.key)
        for index in np.ndindex(*sizes):
            yield index, self.key.format(**dict(zip(names, index, strict=True)))

    @property
    def first_axes(self) -> int:
        """How many axes of the leaves are numbers in the key."""
        return self.key.count("{")


class Tensors(Protocol):
    """Tensors by key, of which shape and dtype are known before they are read."""

    def shapes(self) -> Mapping[str, jax.ShapeDtypeStruct]:
        """The shape and dtype of each."""
        ...

    def read(self, key: str) -> np.ndarray:
        """One of them."""
        ...


def read(
    rows: Iterable[Row],
    tensors: Tensors,
    like: Any,
    *,
    caller: str,
    ignored: Mapping[str, str] | None = None,
    copies: Mapping[str, str] | None = None,
    dtype: Any = None,
    places: Mapping[str, Any] | None = None,
) -> tuple[Any, dict[str, str]]:
    """The tree of the shapes of ``like``, read leaf by leaf, and the keys that were ignored.

    ``ignored``  regular expressions of whole keys, and why each is not needed
    ``copies``   keys of tensors that may repeat another one, and the key of that
    ``dtype``    of floating leaves; by default that of the file
    ``places``   where each leaf is put, by path: a device or a sharding

    Raises `JnnError` that names keys that are missing, keys that have no row, tensors of another
    shape, copies that differ, and leaves that no row fills.
    """
    rows, leaves = list(rows), _leaves(like)
    needed = _check_rows(rows, len(tensors.shapes()), leaves, caller)
    others = _check_copies(tensors, copies or {}, needed, caller)
    unused = _check_keys(needed, tensors.shapes(), {**(ignored or {}), **others}, caller)
    filled: dict[str, jax.Array] = {}
    for row in rows:
        for path, array in zip(row.paths, _read_row(row, tensors, leaves, caller), strict=True):
            target = np.dtype(dtype) if dtype is not None else array.dtype
            _check_dtype(caller, row.key, target)
            place = places[path] if places is not None else None
            filled[path] = jax.device_put(array.astype(target, copy=False), place)
    flat, structure = jax.tree.flatten_with_path(like)
    return jax.tree.unflatten(structure, [filled[path_name(path)] for path, _ in flat]), unused


def shapes_of(
    rows: Iterable[Row],
    tensors: Tensors,
    like: Any,
    *,
    caller: str,
    ignored: Mapping[str, str] | None = None,
) -> Any:
    """The tree of the shapes of ``like`` with the dtypes that `read` would give its leaves.

    Raises `JnnError` as `read` does for missing and unknown keys and for other shapes.
    """
    rows, leaves, shapes = list(rows), _leaves(like), tensors.shapes()
    needed = _check_rows(rows, len(shapes), leaves, caller)
    _check_keys(needed, shapes, ignored or {}, caller)
    dtypes = {}
    for row in rows:
        first = next(key for _, key in row.keys(leaves[row.paths[0]].shape[: row.first_axes]))
        dtypes |= dict.fromkeys(row.paths, shapes[first].dtype)
    flat, structure = jax.tree.flatten_with_path(like)
    typed = [jax.ShapeDtypeStruct(leaf.shape, dtypes[path_name(path)]) for path, leaf in flat]
    return jax.tree.unflatten(structure, typed)


def write(rows: Iterable[Row], tree: Any) -> Iterator[tuple[str, np.ndarray]]:
    """The tensors of a tree, row by row: the inverse of `read`."""
    leaves = _leaves(tree)
    for row in rows:
        arrays = [np.asarray(leaves[path]) for path in row.paths]
        sizes = arrays[0].shape[: row.first_axes]
        for index, key in row.keys(sizes):
            tensor = row.operation.write(*(array[index] for array in arrays))
            yield key, np.ascontiguousarray(tensor).reshape(tensor.shape)


def expected(rows: Iterable[Row], like: Any) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor that a tree of these shapes needs."""
    leaves = _leaves(like)
    return {
        key: _file_shape(row, leaves)
        for row in rows
        for _, key in row.keys(leaves[row.paths[0]].shape[: row.first_axes])
    }


def _leaves(tree: Any) -> dict[str, Any]:
    return {path_name(path): leaf for path, leaf in jax.tree.leaves_with_path(tree)}


def _inner(row: Row, leaves: Mapping[str, Any]) -> list[jax.ShapeDtypeStruct]:
    """The shapes of the leaves of a row, of one tensor."""
    return [
        jax.ShapeDtypeStruct(leaves[path].shape[row.first_axes :], leaves[path].dtype)
        for path in row.paths
    ]


def _file_shape(row: Row, leaves: Mapping[str, Any]) -> tuple[int, ...]:
    return jax.eval_shape(row.operation.write, *_inner(row, leaves)).shape


def _check_rows(rows, count: int, leaves, caller: str) -> dict[str, tuple[int, ...]]:
    """The shapes of the tensors that fill the leaves, each of which has one row."""
    has_row = [path for row in rows for path in row.paths]
    if wrong := [path for path in leaves if has_row.count(path) != 1]:
        raise mistake(caller, got=f"no single row for {_some(wrong)}", expected="one for each leaf")
    for row in rows:
        sizes = leaves[row.paths[0]].shape[: row.first_axes]
        if math.prod(sizes) > count:  # else millions of keys might be listed
            raise mistake(
                caller,
                got=f"{count} tensors",
                expected=f"{row.key} for {math.prod(sizes)} numbers, as config.json says",
            )
    return expected(rows, dict_of(leaves))


def _check_copies(tensors: Tensors, copies, needed, caller: str) -> dict[str, str]:
    """The copies that are there, and of what."""
    there = {
        key: original
        for key, original in copies.items()
        if key in tensors.shapes() and key not in needed and original in tensors.shapes()
    }
    for key, original in there.items():
        if not np.array_equal(tensors.read(key), tensors.read(original)):
            raise mistake(
                caller,
                got=f"{key} that differs from {original}",
                expected="the same numbers, as config.json ties them",
                remedy="Set tie_word_embeddings to false there, if the family can be untied.",
            )
    return {re.escape(key): f"the same as {original}" for key, original in there.items()}


def _check_keys(needed, shapes, ignored, caller: str) -> dict[str, str]:
    """Refuse tensors without a row and rows without a tensor; what is ignored, and why."""
    if missing := [key for key in needed if key not in shapes]:
        raise mistake(
            caller,
            got=f"no tensor {_some(missing)}",
            expected=f"all {len(needed)} of the model that config.json describes",
        )
    unused = {
        key: next((why for pattern, why in ignored.items() if re.fullmatch(pattern, key)), "")
        for key in shapes
        if key not in needed
    }
    if extra := [key for key, why in unused.items() if not why]:
        raise mistake(
            caller,
            got=f"the tensor {_some(extra)}",
            expected=f"the {len(needed)} of the model that config.json describes, and no other",
        )
    for key, shape in needed.items():
        if tuple(shapes[key].shape) != shape:
            raise mistake(
                caller,
                got=f"{key} of shape {tuple(shapes[key].shape)}",
                expected=f"{shape}, as config.json says",
            )
    return unused


def dict_of(leaves: Mapping[str, Any]) -> dict[str, Any]:
    """The nested dict of leaves by path.

    >>> dict_of({"0/kernel": 1, "0/bias": 2})
    {'0': {'kernel': 1, 'bias': 2}}
    """
    tree: dict[str, Any] = {}
    for path, leaf in leaves.items():
        *names, last = path.split("/")
        node = tree
        for name in names:
            node = node.setdefault(name, {})
        node[last] = leaf
    return tree


def joined(params: Any, state: Any) -> dict[str, Any]:
    """Params and state as one tree, as the paths of a map have them.

    >>> joined({"norm": {"scale": 1}}, {"norm": {"mean": 2}})
    {'norm': {'scale': 1, 'mean': 2}}
    """
    return dict_of(_leaves(params) | _leaves(state))


def part_of(tree: Any, like: Any) -> Any:
    """The leaves of ``tree`` at the paths of ``like``, the inverse of `joined`.

    >>> part_of({"norm": {"scale": 1, "mean": 2}}, {"norm": {"mean": 0}})
    {'norm': {'mean': 2}}
    """
    leaves = _leaves(tree)
    return jax.tree.map_with_path(lambda path, _: leaves[path_name(path)], like)


def _read_row(row: Row, tensors: Tensors, leaves: Mapping[str, Any], caller: str) -> list:
    """The leaves of a row; tensors are read one at a time into the stack over their first axes."""
    stacked = [leaves[path].shape for path in row.paths]
    shapes, arrays = tensors.shapes(), None
    for index, key in row.keys(stacked[0][: row.first_axes]):
        parts = row.operation.read(tensors.read(key))
        if arrays is None:
            if not jnp.issubdtype(parts[0].dtype, jnp.floating):
                got = f"{key} of dtype {parts[0].dtype}"
                raise mistake(caller, got=got, expected="floating-point numbers")
            if not row.first_axes:
                return list(parts)
            arrays, first = [np.empty(shape, parts[0].dtype) for shape in stacked], key
        if shapes[key].dtype != arrays[0].dtype:
            raise mistake(
                caller,
                got=f"{key} of dtype {shapes[key].dtype} and {first} of {arrays[0].dtype}",
                expected="the same dtype, as they are one leaf of jnn",
                remedy='Load with dtype="float32".',
            )
        for array, part in zip(arrays, parts, strict=True):
            array[index] = part
    return arrays or []


def _check_dtype(caller: str, key: str, target: np.dtype) -> None:
    if jax.dtypes.canonicalize_dtype(target) != target:
        raise mistake(
            caller,
            got=f"{key} as {target} while JAX computes in float32 at most",
            expected="a dtype that JAX keeps",
            remedy='Load with dtype="float32", or set jax_enable_x64.',
        )


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
