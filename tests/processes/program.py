"""What one of two processes does in `test_two`: ``program.py INDEX PORT FOLDER``."""

import json
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from jnn.checkpoints import Checkpoints
from jnn.processes import join
from jnn.processes.connections import connect
from jnn.sharding import gathered, make_mesh, placed
from jnn.train.devices import on_devices_of, parts_of_process
from jnn.train.feed import Feed

ROWS = 8


def values():
    """What is saved, as every process has it."""
    return {"kernel": np.arange(32, dtype=np.float32).reshape(8, 4), "key": jax.random.key(3)}


def shardings(mesh):
    spec = {"kernel": PartitionSpec(("data", "fsdp")), "key": PartitionSpec()}
    return {name: NamedSharding(mesh, place) for name, place in spec.items()}


def rows_of(step):
    return np.arange(ROWS, dtype=np.int32) + 100 * step


def stream(read):
    """A feed that notes the part of each batch that was read."""

    def batches(key, step, part):
        jax.device_put(key, jax.local_devices()[0])  # as what draws the order of examples does
        index, count = part
        read.append(part)
        while True:
            yield {"x": rows_of(step)[index * ROWS // count : (index + 1) * ROWS // count]}
            step += 1

    shape = {"x": jax.ShapeDtypeStruct((ROWS,), jnp.int32)}
    return Feed(shape, lambda data, key, step: data, 1, {}, batches)


def batches_on(mesh, read, key):
    """From step 5 on, on a mesh; ``read`` gets the parts that this process reads."""
    state = type("State", (), {"step": placed(np.int32(0), NamedSharding(mesh, PartitionSpec()))})
    return on_devices_of(state, stream(read)).read(key, 5)


def main(index, port, folder):
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_num_cpu_devices", 2)
    with join(f"127.0.0.1:{port}", count=2, index=index, within=60) as processes:
        mesh = make_mesh("data=2,fsdp=2")
        connect(mesh)
        tree = placed(values(), shardings(mesh))
        read = []
        data = batches_on(mesh, read, tree["key"])
        total = jax.jit(jnp.sum)
        sums = [int(total(next(data)["x"])) for _ in range(2)]
        first, second, third, fourth = jax.devices()
        torus = make_mesh("data=2,fsdp=2", [first, third, second, fourth])
        apart, read_apart = [], []
        batch = next(batches_on(torus, read_apart, tree["key"]))["x"]
        for shard in batch.addressable_shards:
            apart.append([shard.index[0].start or 0, np.asarray(shard.data).tolist()])
        with Checkpoints(folder, processes=processes) as checkpoints:
            checkpoints.save(7, tree, {"rows": 1})
            checkpoints.wait()
            processes.gather("saved")
            restored = checkpoints.restore(jax.tree.map(lambda leaf: leaf, tree))
        whole = gathered(restored.tree)
        split = NamedSharding(mesh, PartitionSpec(("data", "fsdp")))
        result = {
            "index": processes.index,
            "gathered": processes.gather({"index": index}),
            "sums": sums,
            "parts": [*read, parts_of_process(split, ROWS)],
            "apart": [read_apart, apart],
            "kernel": np.asarray(whole["kernel"]).tolist(),
            "key": jax.random.key_data(whole["key"]).tolist(),
        }
        Path(folder.parent / f"{index}.json").write_text(json.dumps(result))
        print("told by", index)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
