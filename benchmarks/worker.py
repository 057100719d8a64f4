"""One way of a workload, in a process of its own, that calls it when asked.

Started as ``python -m benchmarks.worker WORKLOAD WAY``. It writes a line of JSON when it is ready,
and one for each line that it reads, which is a number of calls.
"""

import importlib
import json
import math
import os
import sys
import time
from typing import Any

from benchmarks.workloads import WORKLOADS

MISSING = 3  # exit status where a library is not installed


def main(workload: str, way: str) -> None:
    """Serve until the input ends."""
    make, arguments, *_ = WORKLOADS[workload].ways[way]
    module, function = make.split(":")
    started = time.perf_counter()
    try:
        call = getattr(importlib.import_module(f"benchmarks.{module}"), function)(*arguments)
    except ModuleNotFoundError as error:
        print(error.name, file=sys.stderr)
        sys.exit(MISSING)
    built = time.perf_counter()
    result = settled(call())
    ready = {"made": built - started, "first_call": time.perf_counter() - built}
    print(json.dumps(ready | {"result": fingerprint(result)}), flush=True)
    for line in sys.stdin:
        print(json.dumps(timed(call, int(line))), flush=True)


def timed(call, times: int) -> dict[str, float]:
    """The seconds that pass, those of the processor, and those of the processor in all so far."""
    started, before = time.perf_counter(), processor_seconds()
    for _ in range(times):
        result = call()
    settled(result)
    total = processor_seconds()
    return {
        "seconds": time.perf_counter() - started,
        "processor": total - before,
        "processor_in_all": total,
    }


def processor_seconds() -> float:
    """What this process and its children have computed so far."""
    return time.process_time() + sum(os.times()[2:4])


def settled(result: Any) -> Any:
    """The result, when it is computed."""
    if "jax" in sys.modules:
        import jax

        jax.block_until_ready(result)
    return result


def fingerprint(result: Any) -> list[float]:
    """For each array its size, and its product with fixed weights over it; nothing of other
    results.
    """
    if "jax" not in sys.modules:
        return []
    import jax
    import numpy as np

    numbers = []
    for leaf in map(np.asarray, jax.tree.leaves(result)):
        flat = leaf.astype(np.float64).ravel()
        size = math.sqrt(np.sum(flat**2))
        numbers += [size, float(flat @ np.cos(np.arange(flat.size))) / (size or 1.0)]
    return numbers


if __name__ == "__main__":
    main(*sys.argv[1:])
