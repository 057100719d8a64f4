"""The leaves of a pytree by path, their description in a checkpoint, and how two trees differ."""

import sys
import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from jnn.errors import JnnError, mistake
from jnn.sharding import placed

LeafPath: TypeAlias = tuple[str | int, ...]


class DamagedError(Exception):
    """A checkpoint that does not verify; the message is the reason."""


class DifferentError(JnnError):
    """A checkpoint of other leaves than those that are wanted; the message names them.

    ``missing`` is the number of those that it lacks.
    """

    def __init__(self, message: str, missing: int):
        super().__init__(message)
        self.missing = missing


class Leaf(NamedTuple):
    """The description of an array in a checkpoint.

    ``key`` is the implementation of typed PRNG keys, whose key data are stored and checksummed.
    """

    path: LeafPath
    shape: tuple[int, ...]
    dtype: str
    key: str | None
    stored_shape: tuple[int, ...] = ()
    bytes: int = 0
    crc32: int = 0

    def of(self, array: np.ndarray) -> "Leaf":
        """The leaf with the shape, size and CRC-32 of its stored array."""
        return self._replace(stored_shape=array.shape, bytes=array.nbytes, crc32=crc32(array))

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> "Leaf":
        """The leaf of a dictionary that ``_asdict`` and JSON have made, with lists for tuples."""
        lists = {field: tuple(fields[field]) for field in ("path", "shape", "stored_shape")}
        return cls(**{**fields, **lists})

    @property
    def stored(self) -> tuple[tuple[int, ...], str]:
        """The shape and dtype of the array as it is stored."""
        return self.stored_shape, "uint32" if self.key else self.dtype


def crc32(array: np.ndarray) -> int:
    """CRC-32 of the elements' bytes, in C order and little-endian."""
    return zlib.crc32(elements(array).data)


def elements(array: np.ndarray) -> np.ndarray:
    """The elements' bytes, in C order and little-endian, (bytes,) uint8."""
    array = array.byteswap() if sys.byteorder == "big" else array
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)


def of_elements(data: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """The elements ``(N,)`` of which `elements` makes these bytes."""
    array = data.view(dtype)
    return array.byteswap() if sys.byteorder == "big" else array


def as_dtype(name: str) -> np.dtype:
    """The dtype of a name in a manifest."""
    return jnp.dtype(name)


def name(path: LeafPath) -> str:
    """A path as text.

    >>> name(("params", "a.b", 0)), name(("a/b",))
    ('params/a.b/0', "'a/b'")
    """
    return "/".join(repr(part) if "/" in str(part) else str(part) for part in path)


def is_key(leaf) -> bool:
    """Whether ``leaf`` is, or describes, an array of typed PRNG keys."""
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def flatten(tree, caller: str) -> dict[LeafPath, Any]:
    """``{path: leaf}`` of a pytree.

    Leaves are arrays, typed PRNG keys or ``jax.ShapeDtypeStruct``; anything else raises JnnError.
    """
    leaves: dict[LeafPath, Any] = {}
    for entries, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]:
        path = tuple(_part(entry) for entry in entries)
        if path in leaves:
            got = f"two leaves with the path {name(path)}"
            raise mistake(caller, got=got, expected="paths that differ")
        is_array = isinstance(leaf, jax.Array | np.ndarray | np.generic | jax.ShapeDtypeStruct)
        if not is_array or (not is_key(leaf) and leaf.dtype.kind in "OSUmM"):
            raise mistake(
                caller,
                got=f"{type(leaf).__name__} at {name(path)}",
                expected="arrays of numbers",
                remedy="Wrap numbers in jnp.asarray; put everything else in host.",
            )
        leaves[path] = leaf
    return leaves


def _part(entry) -> str | int:
    value = next(getattr(entry, field) for field in ("key", "idx", "name") if hasattr(entry, field))
    return value if isinstance(value, str | int) else str(value)


def describe(leaves: Mapping[LeafPath, Any]) -> list[Leaf]:
    """Path, shape and dtype of each leaf, without what depends on its values."""
    described = []
    for path, leaf in leaves.items():
        key = str(jax.random.key_impl(leaf)) if is_key(leaf) else None
        described.append(Leaf(path, tuple(leaf.shape), leaf.dtype.name, key))
    return described


def to_host(leaves: Mapping[LeafPath, Any], caller: str) -> list[np.ndarray]:
    """Copies of the leaves in host memory, of key data where they are keys.

    All transfers run at the same time.
    """
    for path, leaf in leaves.items():
        is_whole = not isinstance(leaf, jax.Array) or leaf.is_fully_addressable
        if not is_whole and not leaf.is_fully_replicated:
            raise mistake(
                caller,
                got=f"{name(path)} with shards on other processes",
                expected="arrays that are whole on this process",
                remedy="Replicate it first: jax.device_put(x, NamedSharding(mesh, P())).",
            )
    arrays = [jax.random.key_data(leaf) if is_key(leaf) else leaf for leaf in leaves.values()]
    return [
        np.array(array, dtype=array.dtype.newbyteorder("="), order="C")
        for array in jax.device_get(arrays)
    ]


def place(leaf: Leaf, array: np.ndarray, target: Any) -> Any:
    """The array with the kind, dtype and placement of ``target``.

    It is a NumPy array, or a JAX array with the sharding of ``target`` or on the default device.
    """
    if leaf.key is None:
        array = array.astype(target.dtype, copy=False)
    if isinstance(target, np.ndarray | np.generic):
        return array
    # An uncommitted array stays uncommitted: it may be used together with arrays on a mesh.
    sharding = None if isinstance(target, jax.Array) and not target.committed else target.sharding
    value = jax.random.wrap_key_data(jnp.asarray(array), impl=leaf.key) if leaf.key else array
    value = jax.device_put(value) if sharding is None else placed(value, sharding)
    if value.dtype != target.dtype:
        raise mistake(
            "restore",
            got=f"{leaf.dtype} at {name(leaf.path)}",
            expected="32-bit types, as x64 is off",
            remedy="Run with JAX_ENABLE_X64=1, or restore as NumPy arrays.",
        )
    return value


def verify(leaf: Leaf, array: np.ndarray) -> None:
    """Raise `DamagedError` unless ``array`` has the shape, dtype and CRC-32 of ``leaf``."""
    verify_array(f"leaf {name(leaf.path)}", array, *leaf.stored, leaf.crc32)


def verify_array(
    label: str, array: np.ndarray, shape: tuple[int, ...], dtype: str, crc: int
) -> None:
    """Raise `DamagedError`, which begins with ``label``, for an array that is not as described."""
    if (array.shape, array.dtype.name) != (shape, dtype):
        raise DamagedError(
            f"{label} is {array.dtype.name}{list(array.shape)}, "
            f"the manifest says {dtype}{list(shape)}"
        )
    if (checksum := crc32(array)) != crc:
        raise DamagedError(
            f"{label} is altered: its CRC-32 is {checksum:08x}, the manifest says {crc:08x}"
        )


def _floating(dtype: str) -> bool:
    return not dtype.startswith("key<") and jnp.issubdtype(jnp.dtype(dtype), jnp.floating)


def differences(
    saved: Mapping[LeafPath, Leaf], like: Mapping[LeafPath, Any], *, cast: bool, partial: bool
) -> tuple[list[str], list[str]]:
    """The differences that forbid restoring ``saved`` as ``like``, and the allowed ones, in words.

    Each is one line, which for an allowed difference says what is done about it.
    """
    forbidden, allowed = [], []
    for path, target in like.items():
        if path not in saved:
            if not partial:
                forbidden.append(f"{name(path)}: not in the checkpoint")
            elif isinstance(target, jax.ShapeDtypeStruct):
                forbidden.append(f"{name(path)}: not in the checkpoint, and given without a value")
            else:
                allowed.append(f"{name(path)}: not in the checkpoint, left as it was")
            continue
        shape, dtype, leaf = tuple(target.shape), target.dtype.name, saved[path]
        if leaf.shape != shape:
            forbidden.append(
                f"{name(path)}: shape {list(leaf.shape)} in the checkpoint, {list(shape)} here"
            )
        elif leaf.dtype != dtype and cast and _floating(leaf.dtype) and _floating(dtype):
            allowed.append(f"{name(path)}: cast from {leaf.dtype} to {dtype}")
        elif leaf.dtype != dtype:
            forbidden.append(f"{name(path)}: {leaf.dtype} in the checkpoint, {dtype} here")
    for path in saved.keys() - like.keys():
        if partial:
            allowed.append(f"{name(path)}: in the checkpoint, not here, omitted")
        else:
            forbidden.append(f"{name(path)}: in the checkpoint, not here")
    return sorted(forbidden), sorted(allowed)
