"""Two processes of two devices each, once: what they exchange, read, save and restore."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np

from jnn.checkpoints import Checkpoints
from jnn.cli.launch import free_port
from jnn.sharding import make_mesh, placed
from tests.checkpoints.test_manager import bits
from tests.processes.program import rows_of, shardings, values

ROOT = Path(__file__).parents[2]


def test_two_processes_are_one_program(tmp_path):
    environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    port, folder = free_port(), tmp_path / "checkpoints"
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.processes.program", str(index), str(port), folder],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for index in range(2)
    ]
    ended = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], "\n".join(
        err for _, err in ended
    )
    # only the first prints, and gloo prints nothing
    assert [out for out, _ in ended] == ["told by 0\n", ""]
    for index in range(2):
        result = json.loads((tmp_path / f"{index}.json").read_text())
        assert result["index"] == index
        assert result["gathered"] == [{"index": 0}, {"index": 1}]
        assert result["sums"] == [int(rows_of(step).sum()) for step in (5, 6)]
        assert result["parts"] == [[index, 2], [[index], 2]], "each reads its half of a batch"
        read, shards = result["apart"]
        assert read == [[index, 4], [index + 2, 4]], "two quarters, as on the torus of a TPU"
        assert shards == [[i, rows_of(5)[i : i + 2].tolist()] for i in (2 * index, 2 * index + 4)]
        assert result["kernel"] == values()["kernel"].tolist()
        assert result["key"] == jax.random.key_data(values()["key"]).tolist()
    # one process goes on, on another mesh
    mesh = make_mesh("fsdp=8")
    like = placed({**values(), "kernel": np.zeros((8, 4), np.float32)}, shardings(mesh))
    with Checkpoints(folder, read_only=True) as checkpoints:
        restored = checkpoints.restore(like)
    assert bits(restored.tree) == bits(
        values() | {"kernel": placed(values()["kernel"], shardings(mesh)["kernel"])}
    )
    assert restored.step == 7
    assert (folder / "7" / "shards-1.bin").stat().st_size == 64, "half of the kernel"
