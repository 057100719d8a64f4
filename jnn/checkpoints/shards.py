"""Arrays that several processes hold the parts of, in a checkpoint.

Each process writes the shards on its own devices, one copy of each, into a file of its own, one
after the other as plain little-endian numbers. The manifest says where each begins, and its
checksum. (Orbax writes NumPy arrays from process 0 alone.)
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jnn.checkpoints.leaves import (
    DamagedError,
    Leaf,
    LeafPath,
    as_dtype,
    crc32,
    elements,
    is_key,
    name,
    of_elements,
    place,
    verify_array,
)


class Shard(NamedTuple):
    """A box of the stored array of a leaf: where it begins, and its shape."""

    leaf: int
    """The number of the leaf in the manifest."""
    process: int
    offset: int
    """In bytes, in the file of the process."""
    start: tuple[int, ...]
    shape: tuple[int, ...]
    bytes: int
    crc32: int

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Shard:
        """The shard of a dictionary that ``_asdict`` and JSON have made."""
        return cls(**{**fields, "start": tuple(fields["start"]), "shape": tuple(fields["shape"])})

    def overlap(self, start: tuple[int, ...], shape: tuple[int, ...]) -> tuple | None:
        """The slices of this shard, and of the box given, that are the same elements."""
        low = [max(a, b) for a, b in zip(self.start, start, strict=True)]
        ends = zip(self.start, self.shape, start, shape, strict=True)
        high = [min(a + n, b + m) for a, n, b, m in ends]
        if any(b <= a for a, b in zip(low, high, strict=True)):
            return None
        within = lambda origin: tuple(
            slice(a - o, b - o) for a, b, o in zip(low, high, origin, strict=True)
        )
        return within(self.start), within(start)


def file_of(process: int) -> str:
    """The name of the file with the shards of a process."""
    return f"shards-{process}.bin"


def write(path: Path, arrays: Iterable[np.ndarray]) -> None:
    """Write the elements of arrays into a new file, one array after the other, to the disk."""
    with path.open("xb") as stream:
        for array in arrays:
            stream.write(elements(array).data)
        stream.flush()
        os.fsync(stream.fileno())


def owned(
    leaves: Mapping[LeafPath, Any], process: int
) -> tuple[list[Leaf], list[Shard], list[np.ndarray]]:
    """All leaves, and copies in host memory of the shards that this process is to write.

    Of the copies of a shard on several devices the first is written, by the process that has it.
    What is whole on each process is written by process 0. All processes call it together.
    """
    described, shards, arrays, offset = [], [], [], 0
    for number, (path, leaf) in enumerate(leaves.items()):
        key = str(jax.random.key_impl(leaf)) if is_key(leaf) else None
        stored = jax.random.key_data(leaf) if key else leaf
        described.append(
            Leaf(path, tuple(leaf.shape), leaf.dtype.name, key, tuple(stored.shape), stored.nbytes)
        )
        for start, part in _parts(stored, process):
            array = np.array(part, dtype=part.dtype.newbyteorder("="), order="C")
            box = start, array.shape
            shards.append(Shard(number, process, offset, *box, array.nbytes, crc32(array)))
            arrays.append(array)
            offset += array.nbytes
    return described, shards, arrays


def _parts(array: Any, process: int) -> Iterable[tuple[tuple[int, ...], np.ndarray]]:
    if not isinstance(array, jax.Array) or array.is_fully_addressable:
        return [((0,) * array.ndim, np.asarray(array))] if process == 0 else []
    return [
        (_start(shard.index, array.shape), np.asarray(shard.data))
        for shard in array.addressable_shards
        if shard.replica_id == 0
    ]


def _start(index: tuple[slice, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(part.indices(n)[0] for part, n in zip(index, shape, strict=True))


class _Wanted(NamedTuple):
    """A box of a leaf that is to be filled from the shards that overlap it."""

    start: tuple[int, ...]
    array: np.ndarray


def read(
    folder: Path, saved: list[Leaf], shards: list[Shard], wanted: Mapping[LeafPath, Any]
) -> dict[LeafPath, Any]:
    """The leaves that are wanted, with the dtype and placement of their targets.

    Each is put together from the shards that overlap what this process needs of it, whatever mesh
    they come from. These alone are read, and verified.

    Raises `DamagedError`, which names the file or the shard.
    """
    boxes = {
        number: _boxes(leaf, wanted[leaf.path])
        for number, leaf in enumerate(saved)
        if leaf.path in wanted
    }
    is_needed = lambda shard: any(
        shard.overlap(box.start, box.array.shape) for box in boxes.get(shard.leaf, ())
    )
    for process in sorted({shard.process for shard in shards}):
        needed = [shard for shard in shards if shard.process == process and is_needed(shard)]
        for shard, array in _read_file(folder / file_of(process), saved, needed):
            _fill(boxes[shard.leaf], shard, array)
    _check_filled(saved, shards, boxes)
    return {saved[n].path: _joined(saved[n], wanted[saved[n].path], boxes[n]) for n in boxes}


def _read_file(
    path: Path, saved: list[Leaf], needed: list[Shard]
) -> Iterator[tuple[Shard, np.ndarray]]:
    """The shards that are needed of the file of a process, verified, one after the other."""
    if not needed:
        return
    try:
        stream = path.open("rb")
    except FileNotFoundError:
        raise DamagedError(f"file {path.name} is missing") from None
    except OSError as error:
        raise DamagedError(f"file {path.name} cannot be read ({error.strerror})") from error
    with stream:
        for shard in needed:
            leaf, dtype = saved[shard.leaf], saved[shard.leaf].stored[1]
            label = f"the shard of {name(leaf.path)} from {list(shard.start)} in {path.name}"
            stream.seek(shard.offset)
            data = np.frombuffer(stream.read(shard.bytes), np.uint8)
            if data.size != shard.bytes:
                raise DamagedError(f"{label} has {data.size} of its {shard.bytes} bytes")
            array = of_elements(data, as_dtype(dtype)).reshape(shard.shape)
            verify_array(label, array, shard.shape, dtype, shard.crc32)
            yield shard, array


def _boxes(leaf: Leaf, target: Any) -> list[_Wanted]:
    """What this process needs of a leaf: the parts on its devices, or all of it."""
    shape, dtype = leaf.stored
    whole = [_Wanted((0,) * len(shape), np.empty(shape, as_dtype(dtype)))]
    sharding = getattr(target, "sharding", None)
    if sharding is None or sharding.is_fully_addressable:
        return whole
    more = shape[len(leaf.shape) :]  # the data of keys has an axis more
    boxes = {}
    for index in sharding.addressable_devices_indices_map(leaf.shape).values():
        assert index is not None, "these devices have a part"
        ends = [part.indices(n)[:2] for part, n in zip(index, leaf.shape, strict=True)]
        start = (*(a for a, _ in ends), *(0 for _ in more))
        boxes[start] = (*(b - a for a, b in ends), *more)
    empty = lambda box: np.empty(box, as_dtype(dtype))
    return [_Wanted(start, empty(box)) for start, box in boxes.items()]


def _fill(boxes: Iterable[_Wanted], shard: Shard, array: np.ndarray) -> None:
    for box in boxes:
        if both := shard.overlap(box.start, box.array.shape):
            of_shard, of_box = both
            box.array[of_box] = array[of_shard]


def _check_filled(
    saved: list[Leaf], shards: list[Shard], boxes: Mapping[int, list[_Wanted]]
) -> None:
    """Refuse leaves of which a shard is missing; shards do not overlap each other."""
    for number, its in boxes.items():
        mine = [shard for shard in shards if shard.leaf == number]
        for box in its:
            overlaps = [shard.overlap(box.start, box.array.shape) for shard in mine]
            filled = sum(box.array[both[1]].size for both in overlaps if both)
            if filled != box.array.size:
                leaf = name(saved[number].path)
                raise DamagedError(
                    f"of leaf {leaf} {filled} of {box.array.size} elements are there"
                )


def _joined(leaf: Leaf, target: Any, boxes: list[_Wanted]) -> Any:
    sharding = getattr(target, "sharding", None)
    if sharding is None or sharding.is_fully_addressable:
        return place(leaf, boxes[0].array, target)
    by_start = {box.start: box.array for box in boxes}
    if leaf.key is None:
        cast = lambda index: by_start[_start(index, leaf.shape)].astype(target.dtype, copy=False)
        return jax.make_array_from_callback(leaf.shape, sharding, cast)
    return _joined_key(leaf, sharding, by_start)


def _joined_key(leaf: Leaf, sharding: Any, by_start: Mapping[tuple[int, ...], np.ndarray]) -> Any:
    """Keys over the devices of several processes; each key is whole on a device."""
    more = len(leaf.stored_shape) - len(leaf.shape)
    box: Callable[[Any], np.ndarray] = lambda index: by_start[
        (*_start(index[: len(leaf.shape)], leaf.shape), *(0,) * more)
    ]
    spec = jax.P(*sharding.spec, *(None,) * (len(leaf.stored_shape) - len(sharding.spec)))
    data = jax.make_array_from_callback(
        leaf.stored_shape,
        jax.NamedSharding(sharding.mesh, spec),
        box,
    )
    wrap = lambda data: jax.random.wrap_key_data(data, impl=leaf.key)
    return jax.jit(wrap, out_shardings=sharding)(data)


def check_sizes(saved: list[Leaf], shards: Iterable[Shard]) -> None:
    """Raise `DamagedError` unless the shards of all processes are all of each leaf."""
    sizes = [0] * len(saved)
    for shard in shards:
        sizes[shard.leaf] += math.prod(shard.shape)
    for leaf, size in zip(saved, sizes, strict=True):
        if size != math.prod(leaf.stored_shape):
            raise DamagedError(f"leaf {name(leaf.path)} has {size} of its elements")
