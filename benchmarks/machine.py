"""The machine that a result was measured on, and its peak."""

import contextlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from jnn import processor

LIBRARIES = ("jax", "jaxlib", "numpy", "optax", "flax", "torch", "equinox", "dm-haiku", "keras")
SIDE, TRIES = 2048, 5  # of the product that is taken for the peak
IS_INTEL = "int mkl_serv_intel_cpu_true(void) { return 1; }"


@contextlib.contextmanager
def fast_mkl() -> Iterator[None]:
    """Processes that start within it have the fast path of MKL on AMD processors, too.

    MKL, which PyTorch multiplies with, keeps it for Intel's. A library that answers its question is
    preloaded, where there is a C compiler to make it. A product of 64 x 256 and 256 x 1024 takes
    0.73 of the time, a step of gpt_s 0.88 (AMD EPYC with AVX-512).
    """
    compiler = shutil.which("cc")
    if "AMD" not in processor.model() or not compiler:
        yield
        return
    with TemporaryDirectory() as folder:
        library = Path(folder) / "is_intel.so"
        command = [compiler, "-shared", "-fPIC", "-x", "c", "-", "-o", str(library)]
        subprocess.run(command, input=IS_INTEL, text=True, check=True)
        before = os.environ.get("LD_PRELOAD", "")
        os.environ["LD_PRELOAD"] = f"{before} {library}".strip()
        try:
            yield
        finally:
            os.environ["LD_PRELOAD"] = before


def describe() -> dict[str, Any]:
    """What the times depend on."""
    kinds = [kind for kind in ("avx2", "avx512f", "amx_tile") if kind in processor.instructions()]
    return {
        "processor": processor.model(),
        "instructions": kinds,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: number for name in LIBRARIES if (number := _version(name))},
        "peak_gflops": _peaks_of_a_process(),
    }


def slug() -> str:
    """The name of this processor's file: its model and what it can do."""
    kinds = {"amx_tile": "amx", "avx512f": "avx512", "avx2": "avx2"}
    kind = next((short for name, short in kinds.items() if name in processor.instructions()), "")
    words = re.sub(r"\(\w+\)|[^a-z0-9]+", "-", f"{processor.model()} {kind}".lower())
    return re.sub("-+", "-", words).strip("-")


def _peaks_of_a_process() -> dict[str, int]:
    """The `peaks`, rounded, in a process of their own, which may have `fast_mkl`."""
    command = [sys.executable, "-m", "benchmarks.machine"]
    printed = subprocess.run(
        command, cwd=Path(__file__).parents[1], capture_output=True, check=True
    )
    rates = json.loads(printed.stdout.splitlines()[-1])
    return {name: round(rate) for name, rate in rates.items()}


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


if __name__ == "__main__":
    print(json.dumps(peaks()))
