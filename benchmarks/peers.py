"""Ways that run in a process of their own each, so that no library's threads and memory are in the
way of another's.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import IO

import numpy as np

KEEP_MEMORY = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(2**40),
    "MALLOC_ARENA_MAX": "1",
}
"""glibc then keeps what XLA frees, instead of giving it back to the system and asking for it
again.
"""
CORES = os.cpu_count() or 1
DEVICE_EACH_CORE = {"XLA_FLAGS": f"--xla_force_host_platform_device_count={CORES}"}
"""JAX then takes each core of the CPU for a device."""


class Process:
    """A way to measure: one call of the peer ``name`` of the script ``file``, in a process that
    goes on living.
    """

    def __init__(self, file: str, name: str, **environment: str):
        """Start the process."""
        command = [sys.executable, file, "--serve", name]
        worker = subprocess.Popen(
            command,
            env=os.environ | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.processor_seconds = 0.0
        self._requests, self._answers = _open(worker.stdin), _open(worker.stdout)

    def __call__(self) -> np.ndarray:
        """The peer's result."""
        self._requests.write("\n")
        self._requests.flush()
        result, self.processor_seconds = map(float, self._answers.readline().split())
        return np.array(result)


def _open(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe


def serve(peers: Mapping[str, Callable[[], Callable[[], float]]]) -> bool:
    """Be the process of a peer, one call for each line that is read, where the command line says
    ``--serve NAME``.
    """
    if sys.argv[1:2] != ["--serve"]:
        return False
    call = peers[sys.argv[2]]()
    for _ in sys.stdin:
        print(call(), time.process_time(), flush=True)
    return True
