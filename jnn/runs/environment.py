"""What a result depends on besides its config.

Versions of packages, the device, the source revision, and the compiler's settings.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

PACKAGES = ("jnn", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "scikit-learn")
"""The packages whose versions are recorded with every run."""

VARIABLES = (
    "XLA_FLAGS",
    "JAX_PLATFORMS",
    "JAX_ENABLE_X64",
    "JAX_DEFAULT_MATMUL_PRECISION",
    "OMP_NUM_THREADS",
)
"""The environment variables that change what is computed, or how fast."""


def environment() -> dict[str, Any]:
    """Everything in one record, for ``env.json``. Starts JAX's backend."""
    return {
        "versions": versions(),
        "device": device(),
        "platform": platform.platform(),
        "cpu_count": cpu_count(),
        "variables": {name: os.environ[name] for name in VARIABLES if name in os.environ},
        "git": revision(),
    }


def versions() -> dict[str, str]:
    """The versions of Python and of each of `PACKAGES`, without importing them."""
    return {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}


def version(package: str) -> str:
    """The installed version of a package, or "not installed".

    jnn itself is not installed where it runs from its source folder.
    """
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def device() -> dict[str, Any]:
    """What JAX computes on: ``platform`` (cpu, gpu, tpu), ``kind`` and ``count``.

    Starts JAX's backend.
    """
    import jax

    devices = jax.devices()
    return {"platform": devices[0].platform, "kind": devices[0].device_kind, "count": len(devices)}


def device_line() -> str:
    """The device in words, as in ``cpu (2 cores)`` or ``4 gpus (NVIDIA H100)``."""
    devices = device()
    platform, count = devices["platform"], devices["count"]
    detail = f"{cpu_count()} cores" if platform == "cpu" else devices["kind"]
    return f"{platform if count == 1 else f'{count} {platform}s'} ({detail})"


def cpu_count() -> int:
    """The processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def revision() -> dict[str, Any] | None:
    """The git commit of jnn's source folder, and whether files differ from it.

    None for an installed package.
    """
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    commit, changes = _git(root, "rev-parse", "HEAD"), _git(root, "status", "--porcelain")
    return None if commit is None else {"commit": commit, "dirty": bool(changes)}


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", root, *arguments], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
