"""Times of several ways to do one thing, taken in turns, so that their ratios hold on a machine
with other work.

A round times every way once, in another order each time, and a ratio is taken within its round.
Beside the time that passes stands the processor time, over all threads of this process: it hardly
changes when others take the cores, but knows nothing of waiting. The least time is what an idle
machine may take. `main` gives a script its command line:

    python benchmarks/NAME.py             prints the table
    python benchmarks/NAME.py --write     and writes benchmarks/results/NAME.json
    python benchmarks/measure.py          prints the tables of all results, as they stand in
                                          benchmarks/README.md
"""

import argparse
import json
import math
import os
import platform
import random
import time
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jnn import processor

RESULTS = Path(__file__).parent / "results"
FEWEST, MOST = 3, 201  # rounds
# seconds; what is faster is called several times for one time, but not for so long that others
# always interrupt it
SHORT = 0.002


class Comparison(NamedTuple):
    """Ways to do one thing, the first of which is the measure of the others."""

    name: str
    ways: Mapping[str, Callable[[], Any]]
    """Functions of no argument that return arrays."""
    units: int = 1
    """How many of the thing one call does."""
    tolerance: float | None = 1e-3
    """How much results may differ, relative to their largest value; None where they are not to be
    the same.
    """


def measure(comparison: Comparison, seconds: float = 6.0) -> dict[str, Any]:
    """Times and ratios of a comparison, as JSON; it takes about ``seconds``, and longer where
    `FEWEST` rounds do.
    """
    name, ways, units, tolerance = comparison
    results = {way: jax.device_get(call()) for way, call in ways.items()}
    if tolerance is not None:
        _check_same(results, tolerance)
    calls = {way: max(1, math.ceil(SHORT / _times(call, 1)[0])) for way, call in ways.items()}
    order, times, started, shuffle = (
        list(ways),
        {way: [] for way in ways},
        _clocks(ways),
        random.Random(0).shuffle,
    )
    while len(times[order[0]]) < FEWEST or (
        time.perf_counter() - started[0] < seconds and len(times[order[0]]) < MOST
    ):
        shuffle(order)
        for way in order:
            times[way].append(_times(ways[way], calls[way]) / calls[way] / units)
    reference = np.array(times[next(iter(ways))])
    return {
        "name": name,
        "rounds": len(reference),
        "cores_busy_with_others": _others(started, _clocks(ways)),
        "ways": {
            way: _summary(np.array(own), np.array(own) / reference) for way, own in times.items()
        },
    }


def _times(call: Callable[[], Any], times: int) -> np.ndarray:
    """The seconds that pass, and those of the processor, until so many calls are done."""
    started = np.array([time.perf_counter(), _processor_seconds(call)])
    for _ in range(times):
        result = call()
    jax.block_until_ready(result)
    return np.array([time.perf_counter(), _processor_seconds(call)]) - started


def _processor_seconds(call: Callable[[], Any]) -> float:
    """What the call's process has computed so far: a way that runs in a process of its own says it
    itself.
    """
    return getattr(call, "processor_seconds", time.process_time())


def _summary(times: np.ndarray, ratios: np.ndarray) -> dict[str, float]:
    """What is said of the times of a way, and of their ratios, (rounds, 2) each."""
    low, middle, high = np.quantile(ratios[:, 0], [0.25, 0.5, 0.75])
    found = {
        "ratio": middle,
        "low": low,
        "high": high,
        "processor_ratio": np.median(ratios[:, 1]),
        "least_microseconds": 1e6 * np.min(times[:, 0]),
    }
    return {name: float(f"{value:.3g}") for name, value in found.items()}


def _check_same(results: Mapping[str, Any], tolerance: float) -> None:
    (reference, expected), *others = results.items()
    for way, result in others:
        for a, b in zip(jax.tree.leaves(result), jax.tree.leaves(expected), strict=True):
            np.testing.assert_allclose(
                a,
                b,
                rtol=0,
                atol=tolerance * np.abs(b).max(),
                err_msg=f"{way} and {reference} differ",
            )


def _clocks(ways: Mapping[str, Callable[[], Any]]) -> tuple[float, float, float | None]:
    """Seconds that passed, that this process and those of the ways computed, and that all did,
    where the system counts that.
    """
    own, counts = (
        sum(os.times()[:4]) + sum(getattr(way, "processor_seconds", 0) for way in ways.values()),
        Path("/proc/stat"),
    )
    if not counts.exists():
        return time.perf_counter(), own, None
    user, nice, system, _, _, interrupts, soft = map(int, counts.read_text().split()[1:8])
    return (
        time.perf_counter(),
        own,
        (user + nice + system + interrupts + soft) / os.sysconf("SC_CLK_TCK"),
    )


def _others(before: tuple, after: tuple) -> float | None:
    """How many cores other processes kept busy on average."""
    if after[2] is None:
        return None
    passed, own, everyone = (b - a for a, b in zip(before, after, strict=True))
    return max(0.0, round((everyone - own) / passed, 1))


def machine() -> dict[str, Any]:
    """What the times depend on."""
    return {
        "processor": processor.model(),
        "cores": os.cpu_count(),
        "device": jax.devices()[0].device_kind,
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("jax", "numpy", "optax", "flax")},
        },
    }


def main(script: str, comparisons: Iterable[Callable[[], Comparison]]) -> None:
    """The command line of ``script``: measure each comparison and print it."""
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "--write", action="store_true", help="write benchmarks/results/NAME.json too"
    )
    parser.add_argument("--seconds", type=float, default=6.0, help="for each comparison")
    arguments, name = parser.parse_args(), Path(script).stem
    found = {"command": f"python benchmarks/{name}.py --write", **machine(), "comparisons": []}
    for make in comparisons:
        found["comparisons"].append(measure(make(), arguments.seconds))
        print(rows(found["comparisons"][-1]), flush=True)
    if arguments.write:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{name}.json").write_text(
            json.dumps(found, indent=1, ensure_ascii=False) + "\n"
        )


def rows(comparison: Mapping[str, Any]) -> str:
    """The lines of a comparison in a table."""
    lines = []
    for i, (way, found) in enumerate(comparison["ways"].items()):
        spread = (
            f"{_digits(found['ratio'])} ({_digits(found['low'])} to {_digits(found['high'])})"
            if i
            else "1"
        )
        processor = _digits(found["processor_ratio"]) if i else "1"
        lines.append(
            f"| {'' if i else comparison['name']} | {way} | {spread} | {processor} | "
            f"{_duration(found['least_microseconds'])} |"
        )
    return "\n".join(lines)


def table(result: Mapping[str, Any]) -> str:
    """All that a script measured, as Markdown."""
    others = [comparison["cores_busy_with_others"] for comparison in result["comparisons"]]
    busy = "an unknown number" if None in others else f"{min(others):g} to {max(others):g}"
    versions = ", ".join(f"{name} {number}" for name, number in result["versions"].items())
    place = (
        f"{result['processor']}, {result['cores']} cores, "
        f"of which other processes kept {busy} busy; {versions}."
    )
    names = ["way", "time / first way", "processor time / first way", "least time"]
    head = f"| | {' | '.join(names)} |\n|---{'|---' * len(names)}|"
    return "\n".join(
        [f"`{result['command']}`", "", head, *map(rows, result["comparisons"]), "", place]
    )


def _digits(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"


def _duration(microseconds: float) -> str:
    return f"{microseconds:g} us" if microseconds < 1000 else f"{microseconds / 1000:g} ms"


if __name__ == "__main__":
    for path in sorted(RESULTS.glob("*.json")):
        print(f"{table(json.loads(path.read_text()))}\n")
