"""Times of several ways to do one thing, taken in turns, so that their ratios hold on a machine
with other work.

Each way lives in a process of its own, so that no library's threads and memory are in another's
way. A round times every way once, in another order each time, and a ratio is taken within its
round. Beside the time that passes stands the processor time, over all threads: it hardly changes
when others take the cores, but knows nothing of waiting.
"""

import contextlib
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import worker
from benchmarks.workloads import Way, Workload

ROOT = Path(__file__).parents[1]
SHORT = 0.02  # seconds; what is faster is called several times for one time
QUARTILES = [0.25, 0.5, 0.75]


class UnavailableError(Exception):
    """A way that this installation does not have: a library, or a flag of the compiler."""


class Worker:
    """A way in its process."""

    def __init__(self, workload: str, name: str, way: Way):
        """Start the process and wait until the way has been called once."""
        command = [sys.executable, "-m", "benchmarks.worker", workload, name]
        self.units, self.processor_seconds = way.units, 0.0
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115, it lives as long as the process
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | way.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        self.ready = self._answer()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.communicate()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout
        while line := self._process.stdout.readline():
            if line.startswith("{"):
                return json.loads(line)
        self._process.communicate()
        self._errors.seek(0)
        errors = self._errors.read()
        if self._process.returncode == worker.MISSING:
            raise UnavailableError(errors.strip().splitlines()[-1])
        _, unknown, flags = errors.partition("Unknown flag in XLA_FLAGS: ")
        if unknown:
            raise UnavailableError(flags.split()[0])
        raise RuntimeError(errors[-2000:])

    def time(self, calls: int) -> np.ndarray:
        """Seconds that pass, and of the processor, for one unit."""
        assert self._process.stdin
        self._process.stdin.write(f"{calls}\n")
        self._process.stdin.flush()
        answer = self._answer()
        self.processor_seconds = answer["processor_in_all"]
        return np.array([answer["seconds"], answer["processor"]]) / calls / self.units


def measure(name: str, workload: Workload, chosen: list[str], rounds: int) -> dict[str, Any]:
    """Times and ratios of the chosen ways, as JSON; what is unavailable is named."""
    workers, missing = {}, {}
    with contextlib.ExitStack() as running:
        for way in chosen:
            try:
                workers[way] = running.enter_context(Worker(name, way, workload.ways[way]))
            except UnavailableError as error:
                missing[way] = str(error)
        if workload.tolerance is not None:
            _check_same({way: w.ready["result"] for way, w in workers.items()}, workload.tolerance)
        times, others = _rounds(workers, rounds)
    reference = np.array(times[next(iter(times))])
    ways = {
        way: _summary(np.array(seconds), np.array(seconds) / reference)
        for way, seconds in times.items()
    }
    for way, summary in ways.items():
        first = workers[way].ready["first_call"]
        run = summary["median_seconds"] * workers[way].units
        summary["compilation_seconds"] = round(max(0.0, first - run), 3)
    return {
        "about": workload.about,
        "flops": workload.flops,
        "rounds": rounds,
        "cores_busy_with_others": others,
        "missing": missing,
        "ways": ways,
    }


def _rounds(workers: Mapping[str, Worker], rounds: int):
    """The times of each way, (rounds, 2) each, and how many cores others kept busy meanwhile."""
    once = {way: running.time(1)[0] * running.units for way, running in workers.items()}
    calls = {way: max(1, math.ceil(SHORT / seconds)) for way, seconds in once.items()}
    order, times, shuffle = list(workers), {way: [] for way in workers}, random.Random(0).shuffle
    before = _clocks(workers)
    for _ in range(rounds):
        shuffle(order)
        for way in order:
            times[way].append(workers[way].time(calls[way]))
    return times, _others(before, _clocks(workers))


def _summary(times: np.ndarray, ratios: np.ndarray) -> dict[str, float]:
    """What is said of the times of a way, and of their ratios, (rounds, 2) each."""
    low, middle, high = np.quantile(ratios[:, 0], QUARTILES)
    summary = {
        "ratio": middle,
        "low": low,
        "high": high,
        "processor_ratio": np.median(ratios[:, 1]),
        "median_seconds": np.median(times[:, 0]),
        "least_seconds": np.min(times[:, 0]),
    }
    return {name: float(f"{value:.3g}") for name, value in summary.items()}


def _check_same(results: Mapping[str, list[float]], tolerance: float) -> None:
    (reference, expected), *others = results.items()
    for way, result in others:
        np.testing.assert_allclose(
            result, expected, tolerance, tolerance, err_msg=f"{way} and {reference} differ"
        )


def _clocks(workers: Mapping[str, Worker]) -> tuple[float, float, float | None]:
    """Seconds that passed, that this process and the workers computed, and that all did, where the
    system counts that.
    """
    ours = sum(os.times()[:2]) + sum(running.processor_seconds for running in workers.values())
    counts = Path("/proc/stat")
    if not counts.exists():
        return time.perf_counter(), ours, None
    user, nice, system, _, _, interrupts, soft = map(int, counts.read_text().split()[1:8])
    everyone = (user + nice + system + interrupts + soft) / os.sysconf("SC_CLK_TCK")
    return time.perf_counter(), ours, everyone


def _others(before: tuple, after: tuple) -> float | None:
    """How many cores other processes kept busy on average."""
    if after[2] is None:
        return None
    passed, ours, everyone = (b - a for a, b in zip(before, after, strict=True))
    return max(0.0, round((everyone - ours) / passed, 2))
