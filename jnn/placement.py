"""Where activations live on a mesh: with the examples that they are of."""

from typing import Any

import jax
from jax.core import Tracer
from jax.sharding import AxisType, PartitionSpec

from jnn.sharding import BATCH, batch_parts


def with_examples(tree: Any, axis: int = 0) -> Any:
    """Arrays whose ``axis`` counts examples, split over the devices of `jnn.sharding.BATCH`.

    For layers where a mesh is known, as `jnn.sharding.within` and `sharded` make it; elsewhere, and
    where the devices do not divide the examples, the arrays are as they are. Values are the same.

    The compiler would let activations follow params: those of an embedding whose features
    ``fsdp`` splits would have their features split and every example on every device, and so on in
    all layers behind it. With their examples split, it gathers the params of a layer instead, which
    is what ``fsdp`` means.
    """
    if not (parts := _parts_of_a_batch()):
        return tree

    def split(leaf: Any) -> Any:
        is_traced = isinstance(leaf, Tracer)
        if not is_traced or leaf.ndim <= axis or leaf.shape[axis] % parts:
            return leaf
        spec = PartitionSpec(*(None,) * axis, BATCH)
        return jax.lax.with_sharding_constraint(leaf, spec)

    return jax.tree.map(split, tree)


def gathered_once(params: Any) -> Any:
    """Params that are whole on each device before a loop that uses them in every iteration.

    For layers where a mesh is known; elsewhere they are as they are. Values are the same.

    The compiler would leave a weight that is split over devices where it is, and send what the loop
    makes of it at each step.
    """
    if not _parts_of_a_batch():
        return params
    whole = lambda leaf: jax.lax.with_sharding_constraint(leaf, PartitionSpec())
    return jax.tree.map(lambda leaf: whole(leaf) if isinstance(leaf, Tracer) else leaf, params)


def varying_over(tree: Any, *others: Any) -> Any:
    """The arrays of ``tree``, cast to vary over all axes of a ``jax.shard_map`` over which one of
    them varies, or one of the ``others``.

    Operands of a primitive need it, and what a scan carries from zeros. Outside of a
    ``jax.shard_map`` nothing changes. The gradient of the cast is the sum over devices.
    """
    varying = lambda leaf: jax.typeof(leaf).manual_axis_type.varying
    axes = frozenset().union(*map(varying, jax.tree.leaves((tree, others))))

    def cast(leaf: Any) -> Any:
        missing = tuple(sorted(axes - varying(leaf)))
        return jax.lax.pcast(leaf, missing, to="varying") if missing else leaf

    return jax.tree.map(cast, tree)


def devices_of_examples() -> int:
    """Over how many devices examples are split where layers know the mesh; elsewhere 1."""
    return _parts_of_a_batch() or 1


def on_one_cpu() -> bool:
    """Whether a program is for a CPU, and no mesh is known that it is divided over.

    For forms that are faster there, and of which devices would send each other parts.
    """
    return jax.default_backend() == "cpu" and jax.sharding.get_abstract_mesh().empty


def is_for_mesh() -> bool:
    """Whether a program is made for a mesh that XLA divides it over: see `jnn.sharding.within`."""
    mesh = jax.sharding.get_abstract_mesh()
    return not mesh.empty and all(kind == AxisType.Auto for kind in mesh.axis_types)


def _parts_of_a_batch() -> int:
    """Those of the mesh that layers know, 0 without one."""
    mesh = jax.sharding.get_abstract_mesh()
    is_known = set(BATCH) <= set(mesh.axis_names)
    if not is_known or any(kind != AxisType.Auto for kind in mesh.axis_types):
        return 0
    return batch_parts(mesh.shape)
