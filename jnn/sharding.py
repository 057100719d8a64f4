"""Where arrays live on many devices: meshes by name, and placement as data beside a pure function.

No layer knows of devices. A mesh has some of the axes `AXES`, and a rule says which of them split
the last axes of the params whose path ends in a pattern:

    ("(query|key|value)/kernel", ("fsdp", "tensor"))

From rules and a mesh follows the placement of each array in a train state, since optimizer state
and moving average repeat the paths of params, and ``jax.jit`` does the rest:

    mesh = make_mesh("data=2,fsdp=2,tensor=2")
    train_state = jax.device_put(train_state, shardings(train_state, mesh))

``data``    splits the batch; params are whole on each part.
``fsdp``    splits the batch and the params too, and those of a layer are gathered when it computes
            (Rajbhandari et al. 2020, https://arxiv.org/abs/1910.02054, stage 3).
``tensor``  splits products: the first of a pair by its outputs, the second by its inputs, so that
            what lies between is never whole on a device (Shoeybi et al. 2019,
            https://arxiv.org/abs/1909.08053).

A run computes the same function of its config on every mesh: init and dropout draw the same bits,
and values differ by the order of sums alone.
"""

import contextlib
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental.mesh_utils import create_device_mesh
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jnn.errors import mistake
from jnn.paths import check_expression, path_name

AXES = ("data", "fsdp", "tensor")
BATCH = ("data", "fsdp")
"""The axes that split a batch."""

THREADS = 8
"""For each of several devices of a CPU, by the variable ``NPROC`` when JAX starts. A thread of
XLA's pool waits in each collective until all devices are there, and the pool has one for each
device, if no more: where two collectives do not need each other, the devices may wait in different
ones for ever, which XLA ends after 40 seconds.
"""

Rule = tuple[str, tuple[str | None, ...]]
"""The end of a path, a regular expression of whole names, and the axis of the mesh for each of the
last axes of the array, None where it is not split.
"""

INTO, OUT_OF = ("fsdp", "tensor"), ("tensor", "fsdp")
RULES: tuple[Rule, ...] = (
    ("bias|scale", ()),
    ("(query|key|value|gate|expand)/kernel", INTO),
    (r"hidden\d*(/dense)?/kernel", INTO),
    ("(output|out|merge|contract)/kernel", OUT_OF),
    ("embedding", OUT_OF),
)
"""What holds for a model without rules of its own, by the names that jnn's layers and architectures
give. Of arrays that no rule matches, ``fsdp`` splits the longest axis that it divides.
"""


class Placement(NamedTuple):
    """Where an array lives, and why."""

    path: str
    shape: tuple[int, ...]
    spec: PartitionSpec
    reason: str
    """The rule, or why the array is whole on every device."""

    def __str__(self) -> str:
        """One line."""
        axes = ", ".join(
            "+".join((a,) if isinstance(a, str) else a) if a else "-" for a in self.spec
        )
        return f"{self.path} {list(self.shape)}: {axes or 'whole'} ({self.reason})"


def mesh_sizes(text: str) -> dict[str, int]:
    """The axes of a mesh and their sizes, as ``--mesh`` takes them.

    >>> mesh_sizes("data=2,tensor=4")
    {'data': 2, 'tensor': 4}

    Raises `JnnError` for unknown axes, axes twice, and sizes that are no positive integers.
    """
    sizes: dict[str, int] = {}
    for part in text.split(","):
        name, equals, number = (piece.strip() for piece in part.partition("="))
        if not (
            equals and name in AXES and number.isascii() and number.isdecimal() and int(number)
        ):
            raise mistake(
                "mesh",
                got=repr(text),
                expected=f"axes among {', '.join(AXES)} and their sizes, as data=2,fsdp=4",
            )
        if name in sizes:
            raise mistake("mesh", got=f"{name} twice in {text!r}", expected="each axis once")
        sizes[name] = int(number)
    return sizes


def make_mesh(sizes: str | Mapping[str, int], devices: Iterable[Any] | None = None) -> Mesh:
    """A mesh of all `AXES`, those not in ``sizes`` of size 1, over the first devices.

    Its axes are ``AxisType.Auto``, by which ``jax.jit`` chooses where values between params and
    outputs live. Explicit axes, which ``jax.make_mesh`` makes by default, leave that to the layers:
    on them JAX refuses recurrent ones, embeddings and the gradients of convolutions.

    >>> dict(make_mesh("data=1").shape)
    {'data': 1, 'fsdp': 1, 'tensor': 1}

    Raises `JnnError` as `mesh_sizes` does, and where there are fewer devices than it needs.
    """
    if not isinstance(sizes, str):
        sizes = ",".join(f"{axis}={n}" for axis, n in sizes.items()) or "data=1"
    sizes = mesh_sizes(sizes)
    shape = tuple(sizes.get(axis, 1) for axis in AXES)
    got = f"{','.join(f'{axis}={n}' for axis, n in sizes.items())}, {math.prod(shape)} devices"
    first = first_devices("mesh", math.prod(shape), got=got, present=devices)
    return arranged("mesh", shape, AXES, first)


def check_auto(caller: str, mesh: Mesh) -> None:
    """Refuse a mesh on which ``jax.jit`` does not choose where values live."""
    if AxisType.Explicit in mesh.axis_types:
        remedy = "Use make_mesh of jnn.sharding, or jax.make_mesh with axis_types=(AxisType.Auto,) "
        remedy += "for each axis."
        raise mistake(caller, got="a mesh of Explicit axes", expected="Auto ones", remedy=remedy)


def arranged(
    caller: str, shape: tuple[int, ...], axes: tuple[str, ...], devices: Sequence[Any]
) -> Mesh:
    """Devices as a mesh of this shape: on a TPU, neighbours in it are neighbours on its torus.

    An axis of the torus may be divided among several of the mesh, which ``jax.make_mesh`` refuses
    for most kinds of TPU: (2, 8, 4) over its 4 x 4 x 4 chips.

    >>> dict(arranged("mesh", (1,), ("devices",), jax.devices()[:1]).shape)
    {'devices': 1}

    Raises `JnnError` for chips that are no block of the torus.
    """
    try:
        places = create_device_mesh(shape, devices, allow_split_physical_axes=True)
    except (AssertionError, NotImplementedError) as error:
        raise mistake(
            caller,
            got=f"{len(devices)} of the chips, which are no block of their torus",
            expected="all chips, or such a block",
        ) from error
    return Mesh(places, axes, axis_types=(AxisType.Auto,) * len(axes))


def first_devices(
    caller: str, count: int, *, got: str = "", present: Iterable[Any] | None = None
) -> list[Any]:
    """The first ``count`` devices of those ``present``, by default of all that JAX finds.

    Raises `JnnError` for fewer than one, and where there are fewer; ``got`` is what asks for them.

    >>> len(first_devices("mesh", 1))
    1
    """
    devices = list(jax.devices() if present is None else present)
    if not 1 <= count <= len(devices):
        raise mistake(
            caller,
            got=got or str(count),
            expected=f"1 to {len(devices)} devices, those that JAX finds here",
            remedy=_several_cpus(max(count, 1)),
        )
    return devices[:count]


def _several_cpus(count: int) -> str:
    """How a CPU is seen as so many devices, in words."""
    return (
        f"A CPU is seen as {count} devices by `jnn run` with --devices or --mesh; in a script of "
        f'your own by os.environ["NPROC"] = "{THREADS * count}" and '
        f'jax.config.update("jax_num_cpu_devices", {count}) before JAX computes. Without NPROC, '
        "which is the number of threads, collectives may wait for each other for ever."
    )


def placements(tree: Any, mesh: Mesh, rules: Iterable[Rule] = RULES) -> list[Placement]:
    """Where each array of a tree lives, in the order of its leaves.

    ``tree``  a tree of arrays or their shapes: params, or all of a train state.
    ``rules`` the first whose pattern the end of a path matches applies.

    An axis that the size of the mesh does not divide is left whole, and so are arrays of rank 0
    and 1 that no rule matches, of which there is little. Statistics of an optimizer with fewer axes
    than the rule of their params, such as the rows and columns of ``optax.adafactor``, are whole.

    >>> params = {"query": {"kernel": jax.ShapeDtypeStruct((4, 8), "float32")}}
    >>> print(*placements(params, make_mesh("data=1")))
    query/kernel [4, 8]: fsdp, tensor ((query|key|value|gate|expand)/kernel)

    Raises `JnnError` for a rule with an axis unknown or twice, or with more axes than params that
    it matches, and for a mesh of Explicit axes.
    """
    check_auto("sharding", mesh)
    rules = tuple(rules)
    for rule in rules:
        _check(rule, mesh)
    return [
        _placed(path_name(path), leaf, mesh, rules, is_statistic=_is_statistic(path))
        for path, leaf in jax.tree.leaves_with_path(tree)
    ]


def shardings(tree: Any, mesh: Mesh, rules: Iterable[Rule] = RULES) -> Any:
    """The `placements` of a tree as a tree of ``jax.sharding.NamedSharding``."""
    specs = [NamedSharding(mesh, placement.spec) for placement in placements(tree, mesh, rules)]
    return jax.tree.unflatten(jax.tree.structure(tree), specs)


def check_rules(tree: Any, rules: Iterable[Rule]) -> None:
    """Refuse a rule that matches no array of the tree, for rules made for one model."""
    names = [path_name(path) for path, _ in jax.tree.leaves_with_path(tree)]
    for pattern, _ in rules:
        if not any(_matches(pattern, name) for name in names):
            paths = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
            raise mistake(
                "sharding",
                got=f"a rule {pattern!r} that matches no array",
                expected=f"the end of some path among {paths}",
            )


def batch_parts(sizes: Mapping[str, int]) -> int:
    """Into how many parts a mesh with axes of these sizes splits a batch.

    >>> batch_parts({"data": 2, "tensor": 4})
    2
    """
    return math.prod(sizes.get(axis, 1) for axis in BATCH)


def split_batch(batch: Any, mesh: Mesh) -> Any:
    """A batch, its leading axis split over `BATCH`, within ``jax.jit``.

    Raises `JnnError` where the devices do not divide it.
    """
    parts = batch_parts(mesh.shape)
    for leaf in jax.tree.leaves(batch):
        sizes = np.shape(leaf)[:1]
        if not sizes:
            raise mistake("mesh", got="a number in a batch", expected="arrays with an example axis")
        if sizes[0] % parts:
            got = f"a batch of {sizes[0]} over data={mesh.shape['data']}, fsdp={mesh.shape['fsdp']}"
            raise mistake("mesh", got=got, expected=f"a multiple of {parts}")
    return jax.lax.with_sharding_constraint(batch, NamedSharding(mesh, PartitionSpec(BATCH)))


def drawn(init: Callable, key: jax.Array, places: Any) -> Any:
    """``init(key)``, each array where ``places`` says: made there, and never whole on a device.

    On a CPU, whose devices share one memory, it is made as on one device and then divided: how a
    processor rounds depends on how it vectorizes, and so on the shape of a part.
    """
    if jax.default_backend() == "cpu":
        return placed(jax.jit(init)(key), places)
    return jax.jit(init, out_shardings=places)(key)


def sharded(step: Callable, mesh: Mesh, rules: Iterable[Rule] = RULES) -> Callable:
    """A step ``(train_state, batch) -> train_state, metrics`` over the mesh, within ``jax.jit``.

    Each device has its part of the batch, and of the new train state what the rules say.
    """
    rules = tuple(rules)

    def run(train_state: Any, batch: Any):
        with within(mesh):
            new, metrics = step(train_state, split_batch(batch, mesh))
        return jax.lax.with_sharding_constraint(new, shardings(new, mesh, rules)), metrics

    return run


def mesh_of(tree: Any) -> Any:
    """The mesh of `make_mesh` that the arrays of a tree live on; None if they do not."""
    places = (getattr(leaf, "sharding", None) for leaf in jax.tree.leaves(tree))
    meshes = (place.mesh for place in places if isinstance(place, NamedSharding))
    return next((mesh for mesh in meshes if set(AXES) <= set(mesh.shape)), None)


def within(mesh: Any) -> contextlib.AbstractContextManager:
    """A context in which layers know the mesh that functions are compiled for, if there is one.

    Convolutions need it: see `jnn.layers.bilinear_convolution`. `sharded` steps and `jnn.train.fit`
    set it; set it around what you compile yourself for params on a mesh.
    """
    if mesh is None:
        return contextlib.nullcontext()
    check_auto("within", mesh)
    return jax.sharding.use_abstract_mesh(mesh.abstract_mesh)


def placed(tree: Any, places: Any) -> Any:
    """``jax.device_put(tree, places)``, also onto devices of other processes.

    Each process has the whole tree, the same one; ``places`` is a tree of shardings, or one of all.
    """
    if jax.process_count() == 1:
        return jax.device_put(tree, places)
    if isinstance(places, jax.sharding.Sharding):
        return jax.tree.map(lambda leaf: _placed_leaf(leaf, places), tree)
    return jax.tree.map(_placed_leaf, tree, places)


def _placed_leaf(leaf: Any, place: Any) -> Any:
    if place.is_fully_addressable:
        return jax.device_put(leaf, place)
    if isinstance(leaf, jax.Array) and not leaf.is_fully_addressable:
        return jax.jit(lambda x: x, out_shardings=place)(leaf)
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        data = _placed_leaf(jax.random.key_data(leaf), place)
        wrap = partial(jax.random.wrap_key_data, impl=jax.random.key_impl(leaf))
        return jax.jit(wrap, out_shardings=place)(data)
    array = np.asarray(leaf)
    return jax.make_array_from_callback(array.shape, place, lambda index: array[index])


def whole(tree: Any) -> Any:
    """Arrays that other processes have parts of, whole on a device of this one.

    All processes call it together. What this one has whole already stays as it is.
    """
    is_part = lambda leaf: not getattr(leaf, "is_fully_addressable", True)
    parts = [leaf for leaf in jax.tree.leaves(tree) if is_part(leaf)]
    if not parts:
        return tree
    on_all = NamedSharding(parts[0].sharding.mesh, PartitionSpec())
    copies = iter(jax.jit(lambda parts: parts, out_shardings=on_all)(parts))
    return jax.tree.map(
        lambda leaf: next(copies).addressable_data(0) if is_part(leaf) else leaf, tree
    )


def gathered(tree: Any) -> Any:
    """Arrays that live on a mesh, whole on the first device: for what looks into a model."""
    if jax.process_count() > 1:
        return whole(tree)
    return tree if mesh_of(tree) is None else jax.device_put(tree, jax.devices()[0])


def on_mesh_of(tree: Any, batches: Any, *, axis: int) -> Any:
    """Batches on the mesh of the arrays of ``tree``, if they have one, split along ``axis``.

    Those that the devices do not divide are whole on each.
    """
    mesh = mesh_of(tree)
    if mesh is None:
        return batches
    parts = batch_parts(mesh.shape)

    def place(leaf):
        spec = (*(None,) * axis, BATCH) if leaf.shape[axis] % parts == 0 else ()
        return placed(leaf, NamedSharding(mesh, PartitionSpec(*spec)))

    return jax.tree.map(place, batches)


def _is_statistic(path: tuple) -> bool:
    """Whether it leads into an optimizer's state, whose records have fields; params are dicts."""
    fields = (key.name for key in path if isinstance(key, jax.tree_util.GetAttrKey))
    return next(fields, "params") not in ("params", "state", "average")


def _placed(
    name: str, leaf: Any, mesh: Mesh, rules: tuple[Rule, ...], *, is_statistic: bool
) -> Placement:
    shape = tuple(leaf.shape)
    place = lambda axes, reason: Placement(name, shape, PartitionSpec(*axes), reason)
    for pattern, axes in rules:
        if not _matches(pattern, name):
            continue
        if len(axes) > len(shape):
            if is_statistic:
                return place((), f"{pattern}; a statistic with fewer axes than the rule")
            got = f"{len(axes)} axes in the rule {pattern!r} for {name} {list(shape)}"
            raise mistake("sharding", got=got, expected="at most as many as the array has")
        last = list(zip(shape[len(shape) - len(axes) :], axes, strict=True))
        odd = {axis: mesh.shape[axis] for n, axis in last if axis and n % mesh.shape[axis]}
        kept = (axis if axis not in odd else None for _, axis in last)
        why = "".join(f"; {axis}={n} does not divide" for axis, n in odd.items())
        return place((*(None,) * (len(shape) - len(axes)), *kept), pattern + why)
    if len(shape) < 2:
        return place((), "small")
    by_size = sorted(range(len(shape)), key=lambda axis: shape[axis], reverse=True)
    for axis in by_size:
        if shape[axis] % mesh.shape["fsdp"] == 0:
            return place((*(None,) * axis, "fsdp"), "no rule: the longest axis that fsdp divides")
    return place((), "no rule, and no axis that fsdp divides")


def _matches(pattern: str, name: str) -> bool:
    return re.search(f"(?:^|/)(?:{pattern})$", name) is not None


def _check(rule: Rule, mesh: Mesh) -> None:
    pattern, axes = rule
    named = [axis for axis in axes if axis is not None]
    if unknown := [axis for axis in named if axis not in mesh.shape]:
        got = f"the axis {unknown[0]!r} in the rule {pattern!r}"
        raise mistake("sharding", got=got, expected=f"one of {', '.join(mesh.shape)}, or None")
    if len(set(named)) < len(named):
        got = f"an axis twice in the rule {pattern!r}: {axes}"
        raise mistake("sharding", got=got, expected="each axis of the mesh once")
    check_expression("sharding", pattern)
