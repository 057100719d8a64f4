"""Data parallelism over several devices.

Each device computes the gradient of its part of the batch, and all apply the same update to the
same params. `jnn.train.make_step` with ``accumulate`` takes these parts one after the other; here
they run at once. Params, state, optimizer state and data in memory are replicated on every device;
of a batch each device has its part.
"""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jnn.errors import mistake
from jnn.sharding import AXES, BATCH, arranged, check_auto, first_devices, make_mesh, placed
from jnn.train.feed import Feed
from jnn.train.weights import WEIGHT, weighted_mean

AXIS = "devices"
"""The name of the axis over which ``jax.lax.pmean`` and its like work within an objective."""


def device_mesh(count: int) -> jax.sharding.Mesh:
    """The first ``count`` devices, in a row. Raises `JnnError` where there are fewer.

    >>> dict(device_mesh(1).shape)
    {'devices': 1}
    """
    return arranged("devices", (count,), (AXIS,), first_devices("devices", count))


def check_in_a_row(caller: str, mesh: jax.sharding.Mesh) -> None:
    """Refuse a mesh that is not as `device_mesh` makes it."""
    if mesh.axis_names != (AXIS,):
        got, expected = f"a mesh of {', '.join(mesh.axis_names)}", f"that of device_mesh, of {AXIS}"
        remedy = "Over a mesh of jnn.sharding, use jnn.sharding.sharded(step, mesh)."
        raise mistake(caller, got=got, expected=expected, remedy=remedy)
    check_auto(caller, mesh)


def check_devices(config: Any) -> None:
    """Refuse settings that ask for more devices than there are, before anything is made."""
    device_mesh(getattr(config, "devices", 1))
    if mesh := getattr(config, "mesh", ""):
        make_mesh(mesh)


def check_all_used(config: Any) -> None:
    """Refuse settings that leave devices of some process without work."""
    mesh = getattr(config, "mesh", "")
    used = make_mesh(mesh).size if mesh else getattr(config, "devices", 1)
    if used != (count := jax.device_count()):
        got = f"{mesh or f'devices={used}'} for {count} devices of {jax.process_count()} processes"
        raise mistake(
            "mesh",
            got=got,
            expected="one over all of them",
            remedy=f"Try --mesh data={count}, or other --devices-per-process.",
        )


def on_each(mesh: jax.sharding.Mesh, tree: Any) -> Any:
    """A copy of ``tree`` on every device of ``mesh``."""
    return placed(tree, jax.NamedSharding(mesh, jax.P()))


def on_one(tree: Any) -> Any:
    """The copy on the first device of a ``tree`` that `on_each` copied.

    What every device would compute alike is then computed once. A tree with arrays that are split
    over devices stays as it is.
    """
    if not all(leaf.sharding.is_fully_replicated for leaf in jax.tree.leaves(tree)):
        return tree
    first = lambda leaf: leaf.addressable_data(0) if len(leaf.devices()) > 1 else leaf
    return jax.tree.map(first, tree)


def on_devices_of(train_state: Any, feed: Feed) -> Feed:
    """The feed with its data on the devices that the train state is on."""
    home = train_state.step.sharding
    if len(home.device_set) == 1:
        return feed
    if not feed.stream:
        return feed._replace(data=placed(feed.data, home))
    stream = feed.stream
    size = {leaf.shape[0] for leaf in jax.tree.leaves(feed.data)}
    split = _batch_sharding(home.mesh)
    local_parts = parts_of_process(split, size.pop()) if len(size) == 1 else None
    place = split if local_parts else home
    shapes = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=place), feed.data
    )

    def read(key: jax.Array, step: int, whole: tuple[int, int]) -> Iterator[Any]:
        key = on_one(key)  # other processes have copies too, which the host cannot read
        if local_parts is None:
            return (placed(data, home) for data in stream(key, step, whole))
        numbers, count = local_parts
        join = lambda shape, *parts: joined(dict(zip(numbers, parts, strict=True)), shape)
        batches = zip(*(stream(key, step, (number, count)) for number in numbers), strict=True)
        return (jax.tree.map(join, shapes, *parts) for parts in batches)

    return feed._replace(data=shapes, stream=read)


def _batch_sharding(mesh: jax.sharding.Mesh) -> jax.NamedSharding:
    return jax.NamedSharding(mesh, jax.P(BATCH if set(AXES) <= set(mesh.shape) else AXIS))


def parts_of_process(split: jax.NamedSharding, size: int) -> tuple[tuple[int, ...], int] | None:
    """The equal parts of a batch of this ``size`` on the devices of this process, and their number.

    They are one part where its rows follow each other, as they do on a CPU or GPU; on the torus of
    a TPU the rows of a host may be several. None where each process has all rows, and where its
    rows are no such parts.

    >>> parts_of_process(jax.NamedSharding(device_mesh(1), jax.P(AXIS)), 8) is None
    True
    """
    if split.is_fully_addressable:
        return None
    indices = split.addressable_devices_indices_map((size,)).values()
    rows = sorted({index[0].indices(size)[:2] for index in indices if index})
    start, stop = rows[0][0], rows[-1][1]
    length = stop - start
    if sum(last - first for first, last in rows) == length and start % length == 0:
        rows = [(start, stop)]
    length = rows[0][1] - rows[0][0]
    if size % length or any(first % length or last - first != length for first, last in rows):
        return None
    return tuple(first // length for first, _ in rows), size // length


def joined(parts: dict[int, Any], shape: jax.ShapeDtypeStruct) -> jax.Array:
    """A batch on all devices, of its parts on those of this process, by their numbers."""
    length = len(next(iter(parts.values())))

    def rows(index: Any) -> np.ndarray:
        first, last, _ = index[0].indices(shape.shape[0])
        number, start = divmod(first, length)
        return np.asarray(parts[number])[start : start + last - first]

    return jax.make_array_from_callback(shape.shape, shape.sharding, rows)


def over(mesh: jax.sharding.Mesh, gradient: Callable) -> Callable:
    """``gradient`` on each device for its part of the batch, averaged over the devices.

    ``gradient`` is ``(params, state, batch, key) -> (loss, (state, metrics)), gradient``. Device i
    has the i-th part of the batch's leading axis, and ``fold_in(key, i)``. Parts are weighted by
    the weight in their metrics; floats of the state are averaged without weights.

    Raises `JnnError` for a batch size that is no multiple of the number of devices.
    """
    every, parts = jax.P(), jax.P(AXIS)
    split = jax.shard_map(
        _of_part(gradient),
        mesh=mesh,
        in_specs=(every, every, parts, every),
        out_specs=every,
        check_vma=False,
    )

    def whole(params, state, batch, key):
        check_divided(batch, mesh.size, f"{mesh.size} devices", "they divide")
        return split(params, state, batch, key)

    return whole


def as_over(count: int, gradient: Callable) -> Callable:
    """The function that `over` makes for ``count`` devices, computed on one."""

    def whole(params, state, batch, key):
        of_parts = jax.vmap(_of_part(gradient), (None, None, 0, None), axis_name=AXIS)
        every = of_parts(params, state, cut(batch, count), key)
        return jax.tree.map(lambda leaf: leaf[0], every)

    return whole


def _of_part(gradient: Callable) -> Callable:
    """``gradient`` for the part of a batch on this device, averaged over all of them."""
    add = functools.partial(jax.lax.psum, axis_name=AXIS)

    def of_part(params, state, batch, key):
        key = jax.random.fold_in(key, jax.lax.axis_index(AXIS))
        (loss, (state, metrics)), g = gradient(params, state, batch, key)
        weight = jnp.asarray(metrics.get(WEIGHT, 1.0), jnp.result_type(float))
        loss, metrics, g = weighted_mean((loss, metrics, g), weight, add)
        is_float = lambda leaf: jnp.issubdtype(leaf.dtype, jnp.inexact)
        mean = lambda leaf: jax.lax.pmean(leaf, AXIS) if is_float(leaf) else leaf
        return (loss, (jax.tree.map(mean, state), metrics)), g

    return of_part


def cut(batch: Any, parts: int) -> Any:
    """A batch in equal parts on a new first axis."""
    return jax.tree.map(lambda leaf: leaf.reshape(parts, -1, *leaf.shape[1:]), batch)


def check_divided(batch: Any, parts: int, by: str, divided: str) -> None:
    """Refuse a batch that cannot be cut into equal ``parts``.

    ``by`` and ``divided`` say what cuts it, for the message.
    """
    sizes = {leaf.shape[0] for leaf in jax.tree.leaves(batch)}
    if bad := [size for size in sizes if size % parts]:
        got, expected = f"a batch of {bad[0]} for {by}", f"a batch that {divided}"
        raise mistake("make_step", got=got, expected=expected)
