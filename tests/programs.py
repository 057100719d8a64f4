"""Where the tests keep their compiled programs, from one process and one run to the next."""

import hashlib
import platform
import sys
from importlib.metadata import version
from pathlib import Path

from jnn import processor


def folder(root: Path) -> Path:
    """The folder under ``root`` for the programs of this processor and these versions.

    A program compiled for another processor may compute other bits or die of an illegal
    instruction, and JAX's own key does not name the processor.
    """
    machine = f"{platform.machine()} {processor.description()}"
    made_for = hashlib.sha256(machine.encode()).hexdigest()[:12]
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    name = f"{made_for}-jax{version('jax')}-jaxlib{version('jaxlib')}-python{python}"
    return root if root.name == name else root / name  # a child process inherits the folder
