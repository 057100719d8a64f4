"""Choosing JAX's device before JAX starts."""

from __future__ import annotations

import math
import os
import shutil
from pathlib import Path
from typing import Any

from jnn.errors import installing, mistake

GPU_HINT = (
    "A GPU is present but jax computes on the CPU alone. "
    f"{installing('cuda13')} (or cuda12), or --device cpu to silence this."
)


def use_device(name: str) -> None:
    """Let JAX compute on ``cpu``, ``gpu`` or ``tpu``, or on its own choice (``auto``).

    Raises JnnError where the device is absent; JAX by itself would silently use the CPU.
    """
    if name not in ("auto", "cpu", "gpu", "tpu"):
        raise mistake("--device", got=repr(name), expected="auto, cpu, gpu or tpu")
    # else JAX takes three quarters of a GPU's memory at once
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    if name == "auto":
        return
    import jax

    jax.config.update("jax_platforms", "cpu" if name == "cpu" else None)
    backend = jax.default_backend()
    if backend != name:
        remedy = "See `jnn doctor`."
        if name == "gpu" and gpu_present():
            remedy = GPU_HINT.split(", or")[0] + "."
        expected = f"a device that JAX finds here: {backend}"
        raise mistake("--device", got=name, expected=expected, remedy=remedy)


MOST_CPUS = 1024


def devices_of(count: Any, mesh: Any = None) -> int:
    """The devices that a run asks for: those of its ``mesh``, or their ``count``.

    It is 1 for what is neither, which the settings of the run refuse.

    >>> devices_of("4"), devices_of(None, "data=2,fsdp=4"), devices_of("many")
    (4, 8, 1)
    """
    if mesh and isinstance(mesh, str):
        from jnn.sharding import mesh_sizes

        return math.prod(mesh_sizes(mesh).values())
    return int(count) if str(count).isdecimal() else 1


def several_cpus(count: Any, mesh: Any = None) -> None:
    """Let JAX see a CPU as ``count`` devices, or as many as a ``mesh`` has, for a run over several.

    To be called before JAX computes. Anything but a number from 2 on changes nothing, and a number
    of devices in ``XLA_FLAGS`` takes precedence.
    """
    if (devices := devices_of(count, mesh)) < 2:
        return
    if devices > MOST_CPUS:
        expected = f"at most {MOST_CPUS} devices of a CPU"
        raise mistake("--mesh" if mesh else "--devices", got=str(devices), expected=expected)
    from jnn.sharding import THREADS

    os.environ.setdefault("NPROC", str(THREADS * devices))  # read when JAX starts
    if "host_platform_device_count" not in os.environ.get("XLA_FLAGS", ""):
        import jax

        jax.config.update("jax_num_cpu_devices", devices)


def gpu_present() -> bool:
    """Whether this machine has an NVIDIA GPU, whether JAX uses it or not."""
    return any(Path("/dev").glob("nvidia[0-9]*")) or shutil.which("nvidia-smi") is not None


def gpu_unused() -> bool:
    """Whether this machine has a GPU that JAX does not use. Starts JAX's backend."""
    import jax

    return jax.default_backend() == "cpu" and gpu_present()
