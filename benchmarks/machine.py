"""The machine that a result was measured on, and its peak."""

import os
import platform
import re
import time
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from jnn import processor

LIBRARIES = ("jax", "jaxlib", "numpy", "optax", "flax", "torch", "equinox", "dm-haiku", "keras")
SIDE, TRIES = 2048, 5  # of the product that is taken for the peak


def describe() -> dict[str, Any]:
    """What the times depend on."""
    kinds = [kind for kind in ("avx2", "avx512f", "amx_tile") if kind in processor.instructions()]
    return {
        "processor": processor.model(),
        "instructions": kinds,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: number for name in LIBRARIES if (number := _version(name))},
        "peak_gflops": {name: round(rate) for name, rate in peaks().items()},
    }


def slug() -> str:
    """The name of this processor's file: its model and what it can do."""
    kinds = {"amx_tile": "amx", "avx512f": "avx512", "avx2": "avx2"}
    kind = next((short for name, short in kinds.items() if name in processor.instructions()), "")
    words = re.sub(r"\(\w+\)|[^a-z0-9]+", "-", f"{processor.model()} {kind}".lower())
    return re.sub("-+", "-", words).strip("-")


def peaks() -> dict[str, float]:
    """The rate of a large float32 product, in GFLOP/s, by the libraries that are there."""
    import jax
    import jax.numpy as jnp

    a = np.random.default_rng(0).standard_normal((SIDE, SIDE), np.float32)
    on_device, product = jnp.asarray(a), jax.jit(jnp.matmul)
    ways = {
        "XLA": lambda: product(on_device, on_device).block_until_ready(),
        "numpy": lambda: a @ a,
    }
    if _version("torch"):
        import torch

        tensor = torch.tensor(a)
        ways["torch"] = lambda: tensor @ tensor
    return {name: 2 * SIDE**3 / _least_seconds(call) / 1e9 for name, call in ways.items()}


def _least_seconds(call) -> float:
    call()
    times = []
    for _ in range(TRIES):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return min(times)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
