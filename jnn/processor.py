"""The processor of this machine, as the system describes it."""

from __future__ import annotations

import functools
import platform
import subprocess
import sys
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
OF_A_MODEL = ("model name", "flags", "CPU implementer", "CPU part", "Features")
"""The lines of /proc/cpuinfo that tell processors apart, on x86 and on ARM."""


def description() -> str:
    """The model and the instructions: what tells apart processors that need other programs."""
    if lines := _lines():
        return repr(sorted({(key, value) for key, value in lines if key in OF_A_MODEL}))
    if sys.platform == "darwin":
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    return platform.processor()


def model() -> str:
    """The name of the model, or else the architecture."""
    names = (value for key, value in _lines() if key == "model name")
    return next(names, "") or platform.processor() or platform.machine()


@functools.cache
def instructions() -> frozenset[str]:
    """What the processor can do, such as "avx2"; nothing where the system does not tell."""
    flags = (value for key, value in _lines() if key == "flags")
    return frozenset(next(flags, "").split())


def _lines() -> list[tuple[str, str]]:
    """The keys and values of /proc/cpuinfo, none where there is no such file."""
    try:
        lines = CPUINFO.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    pairs = (line.partition(":")[::2] for line in lines)
    return [(key.strip(), value.strip()) for key, value in pairs]
