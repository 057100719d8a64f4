"""Settings and fixtures shared by all tests."""

import gc
import math
import os
import signal
from collections import defaultdict
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from tests import programs

# Eight devices out of one CPU, for what is sharded; and less time on making code fast, as most of
# it runs once: without the fusion emitters, compiling takes a third of the time.
FLAGS = (
    "xla_force_host_platform_device_count=8",
    "xla_backend_optimization_level=0",
    "xla_cpu_parallel_codegen_split_count=1",
)
if version("jaxlib").startswith("0.10."):  # later ones have no such flag, and end at once
    FLAGS = (*FLAGS, "xla_cpu_use_fusion_emitters=false")
given = os.environ.get("XLA_FLAGS", "").split()  # of a worker: those of its parent process
os.environ["XLA_FLAGS"] = " ".join(dict.fromkeys([*given, *(f"--{flag}" for flag in FLAGS)]))
# Most of the time goes into compiling: what one process has compiled the others read, those of the
# next test run too.
CACHE = os.environ.get("JAX_COMPILATION_CACHE_DIR", Path(__file__).parents[1] / ".jax_cache")
os.environ |= {
    "JAX_COMPILATION_CACHE_DIR": str(programs.folder(Path(CACHE))),
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}
os.environ.setdefault("NPROC", "64")  # see THREADS in jnn.sharding
os.environ.setdefault("JAX_PLATFORMS", "cpu")
# To leave JAX's own frames out of a traceback takes its time at each of thousands of mistakes.
os.environ.setdefault("JAX_TRACEBACK_FILTERING", "off")
# So does a stack of source lines for each operation of a program: a fifth of the time, when warm.
os.environ.setdefault("JAX_TRACEBACK_IN_LOCATIONS_LIMIT", "0")
os.environ.setdefault("MPLBACKEND", "Agg")

import jax
import pytest
from hypothesis import HealthCheck, settings

from tests import references

# A machine that has other work takes long for any example: that is no fault of the test.
settings.register_profile("jnn", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("jnn")

# Tracing makes objects by the million, few of them garbage: to look for it takes a seventh of the
# time.
gc.set_threshold(100_000, 20, 50)

# A process that was started in the background ignores SIGINT, and so would the tests that raise it.
signal.signal(signal.SIGINT, signal.default_int_handler)


def computes(item):
    """Whether a doctest computes with JAX: it takes many times as long as others."""
    words = ("jax.", "jnp.", ".init(")
    return any(word in example.source for example in item.dtest.examples for word in words)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Of a test that is marked ``sampled(n)``, `make test` runs one case in ``n``: always the same
    ones, picked by their names as if at random. The others are slow. ``sampled(group, n)`` does
    so within each group of the cases. Of the doctests that compute it runs a third.
    """
    cases = defaultdict(list)
    for item in items:
        is_left_out = item.get_closest_marker("slow") or item.get_closest_marker("torch")
        if (mark := item.get_closest_marker("sampled")) and not is_left_out:
            cases[item.parent.nodeid, item.originalname, *mark.args].append(item)
        elif isinstance(item, pytest.DoctestItem) and computes(item):
            cases["doctests", 3].append(item)
    for (*_, n), of_one_test in cases.items():
        of_one_test.sort(key=lambda item: sha256(item.name.encode()).digest())
        for item in of_one_test[math.ceil(len(of_one_test) / n) :]:
            item.add_marker(pytest.mark.slow)


def pytest_collection_finish(session):
    """What is imported by now is no garbage."""
    gc.collect()
    gc.freeze()


PROGRAMS_IN_MEMORY = 1000
"""So many compiled programs a process keeps: those of all tests take gigabytes."""
compiled = []
jax.monitoring.register_event_duration_secs_listener(
    lambda event, seconds, **_: (
        event.endswith("backend_compile_duration") and compiled.append(seconds)
    )
)


@pytest.fixture(autouse=True)
def forgotten():
    """No test adds to programs that are too many already; what is forgotten is on disk."""
    if len(compiled) > PROGRAMS_IN_MEMORY:
        jax.clear_caches()
        compiled.clear()


@pytest.fixture
def float64():
    """Double precision within the test."""
    with jax.enable_x64(True):
        yield


def _live(family, name):
    pytest.importorskip("torch", reason="the live comparison needs torch==2.13.0")
    return references.from_torch(family, name)


@pytest.fixture(params=["table", pytest.param("live", marks=pytest.mark.torch)])
def reference(request):
    """``reference(family, case) -> arrays``: from the committed table, and computed live by PyTorch
    where it is installed.
    """
    return references.from_table if request.param == "table" else _live
