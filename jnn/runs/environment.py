"""What a result depends on besides its config.

Versions of packages, the device, the source revision, and the compiler's settings.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from jnn import processor

ROOT = Path(__file__).resolve().parents[2]
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

OF_JAX = ("default_matmul_precision", "default_prng_impl", "threefry_partitionable")
"""The settings of JAX that change what is computed or drawn, besides ``enable_x64``."""


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


def conditions() -> dict[str, str]:
    """What decides the bits of a result besides the config and the data, by name.

    Sums are rounded in another order on another device, processor or number of cores, and by
    another version of the compiler. Starts JAX's backend.
    """
    import jax

    packages = ("jnn", "jax", "jaxlib", "flax", "optax", "numpy")
    devices = device()
    facts = {
        **{name: version(name) for name in packages},
        "commit": commit() or "none",
        "device": f"{devices['platform']} ({devices['kind']})",
        "devices": devices["count"],
        "processor": processor.model(),
        "cores": cpu_count(),
        **{f"jax_{name}": getattr(jax.config, f"jax_{name}", "") for name in OF_JAX},
        **{name: os.environ.get(name, "") for name in ("XLA_FLAGS", "OMP_NUM_THREADS")},
    }
    if jax.distributed.is_initialized():  # which adds in the order of gloo
        facts["processes"] = jax.process_count()
    return {name: str(fact) for name, fact in facts.items()}


def code(experiment: Path | None = None) -> dict[str, str]:
    """What all processes of a run must have in common: versions, and the sources of jnn.

    The SHA-256 of these, and of the file of an experiment.
    """
    sources = hashlib.sha256()
    package = Path(__file__).resolve().parents[1]
    for path in sorted(package.rglob("*.py")):
        sources.update(path.relative_to(package).as_posix().encode() + path.read_bytes())
    facts = {name: version(name) for name in ("jnn", "jax", "jaxlib", "numpy", "optax")}
    facts["sources of jnn"] = sources.hexdigest()[:16]
    if experiment is not None:
        facts[experiment.name] = hashlib.sha256(experiment.read_bytes()).hexdigest()[:16]
    return facts


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
    """The device in words, as in ``cpu (2 cores)`` or ``4 gpus (NVIDIA H100)``.

    Of several processes it ends in ``, 2 processes``.
    """
    import jax

    devices = device()
    platform, count = devices["platform"], devices["count"]
    detail = f"{cpu_count()} cores" if platform == "cpu" else devices["kind"]
    processes = f", {n} processes" if (n := jax.process_count()) > 1 else ""
    return f"{platform if count == 1 else f'{count} {platform}s'} ({detail}){processes}"


def cpu_count() -> int:
    """The processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def revision() -> dict[str, Any] | None:
    """The git commit of jnn's source folder, and whether files differ from it.

    None for an installed package.
    """
    sha = commit()
    changed = _git("status", "--porcelain") if sha else None
    return {"commit": sha, "dirty": bool(changed)} if sha else None


@functools.cache
def commit() -> str | None:
    """The git commit of jnn's source folder; None for an installed package."""
    return _git("rev-parse", "HEAD") if (ROOT / ".git").exists() else None


def _git(*arguments: str) -> str | None:
    try:
        # without locks: to be killed while it refreshes the index would leave one behind
        command = ["git", "--no-optional-locks", "-C", ROOT, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
