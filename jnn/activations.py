"""Where activations live on a mesh: with the examples that they are of."""

from typing import Any

import jax
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
    mesh = jax.sharding.get_abstract_mesh()
    is_known = set(BATCH) <= set(mesh.axis_names)
    if not is_known or any(kind != AxisType.Auto for kind in mesh.axis_types):
        return tree
    parts = batch_parts(mesh.shape)

    def split(leaf: Any) -> Any:
        is_traced = isinstance(leaf, jax.core.Tracer)
        if not is_traced or leaf.ndim <= axis or leaf.shape[axis] % parts:
            return leaf
        spec = PartitionSpec(*(None,) * axis, BATCH)
        return jax.lax.with_sharding_constraint(leaf, spec)

    return jax.tree.map(split, tree)
