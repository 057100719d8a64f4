"""What a user waits for before the first step: imports, the first step of an MLP, the command
line. Each call is a process of its own.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable

PROGRAMS = {
    "import jax, optax": "import jax, optax",
    "import jnn, jnn.train": "import jnn, jnn.train; jnn.dense",
    "import torch": "import torch",
    "jnn --help": "import sys; sys.argv = ['jnn', '--help']; from jnn.cli import main; main()",
    "jnn list": "import sys; sys.argv = ['jnn', 'list']; from jnn.cli import main; main()",
    "first step, jnn": (
        "from benchmarks import works; from benchmarks.peers.by_jnn import by_call, perceptron; "
        "by_call(perceptron(works.MLP), *works.examples(works.MLP))().block_until_ready()"
    ),
    "first step, JAX alone": (
        "from benchmarks import works; from benchmarks.peers import jax_alone; "
        "jax_alone.mlp(works.MLP)().block_until_ready()"
    ),
}
ALWAYS = {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}


def program(name: str, cached: bool = False) -> Callable[[], None]:
    """A run of a program; ``cached`` where JAX finds what an earlier call compiled."""
    folder = tempfile.TemporaryDirectory()
    environment = os.environ | (
        {"JAX_COMPILATION_CACHE_DIR": folder.name} | ALWAYS if cached else {}
    )
    command = [sys.executable, "-c", PROGRAMS[name]]

    def call(folder=folder):
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{name}: {done.stderr}")

    return call
