"""Where the tests keep their compiled programs, from one process and one run to the next."""

import hashlib
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
OF_A_MODEL = ("model name", "flags", "CPU implementer", "CPU part", "Features")
"""The lines of /proc/cpuinfo that tell processors apart, on x86 and on ARM."""


def processor() -> str:
    """The model of this machine's processor and the instructions it has."""
    if CPUINFO.exists():
        lines = [line.partition(":")[::2] for line in CPUINFO.read_text().splitlines()]
        return repr(
            sorted({(key.strip(), value) for key, value in lines if key.strip() in OF_A_MODEL})
        )
    if sys.platform == "darwin":
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    return platform.processor()


def folder(root: Path) -> Path:
    """The folder under ``root`` for the programs of this processor and these versions.

    A program compiled for another processor may compute other bits or die of an illegal
    instruction, and JAX's own key does not name the processor.
    """
    made_for = hashlib.sha256(f"{platform.machine()} {processor()}".encode()).hexdigest()[:12]
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    name = f"{made_for}-jax{version('jax')}-jaxlib{version('jaxlib')}-python{python}"
    return root if root.name == name else root / name  # a child process inherits the folder
