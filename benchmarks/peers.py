"""Ways that run in a process of their own each, so that no library's threads and memory are in the way of another's."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping

import numpy as np

KEEP_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**40), "MALLOC_ARENA_MAX": "1"}
"""glibc then keeps what XLA frees, instead of giving it back to the system and asking for it again."""


def process(file: str, name: str, **environment: str) -> Callable[[], np.ndarray]:
    """A way to measure: one call of the peer ``name`` of the script ``file``, in a process that goes on living."""
    command = [sys.executable, file, "--serve", name]
    worker = subprocess.Popen(command, env=os.environ | environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    requests, answers = worker.stdin, worker.stdout
    assert requests is not None
    assert answers is not None

    def call():
        requests.write("\n")
        requests.flush()
        return np.array(float(answers.readline()))

    return call


def serve(peers: Mapping[str, Callable[[], Callable[[], float]]]) -> bool:
    """Be the process of a peer, one call for each line that is read, where the command line says ``--serve NAME``."""
    if sys.argv[1:2] != ["--serve"]:
        return False
    call = peers[sys.argv[2]]()
    for _ in sys.stdin:
        print(call(), flush=True)
    return True
