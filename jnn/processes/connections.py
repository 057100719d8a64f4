"""The connections between the devices of a mesh, opened before the first step."""

import itertools

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jnn.processes.together import here
from jnn.sharding import placed


def connect(mesh: Mesh) -> None:
    """Let the devices of each set of axes add once, at a time when no process lets others wait.

    Gloo connects them when they first compute together, and fails where one comes 30 s later than
    another: it may still compile. All processes call it; one alone has nothing to connect.

    >>> connect(jax.make_mesh((1,), ("data",)))
    """
    processes = here()
    if processes.count == 1:
        return
    everywhere = PartitionSpec()
    zero = placed(np.float32(0), NamedSharding(mesh, everywhere))
    split = [axis for axis, size in mesh.shape.items() if size > 1]
    for number in range(1, len(split) + 1):
        for axes in itertools.combinations(split, number):

            def add(x: jax.Array, axes: tuple[str, ...] = axes) -> jax.Array:
                return jax.lax.psum(x, axes)

            places = {"mesh": mesh, "in_specs": everywhere, "out_specs": everywhere}
            program = jax.jit(jax.shard_map(add, check_vma=False, **places)).lower(zero).compile()
            processes.gather(None)
            jax.block_until_ready(program(zero))
