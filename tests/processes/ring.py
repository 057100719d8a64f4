"""Several processes as threads of one: what they exchange goes through memory."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from jnn.processes import together
from jnn.processes.together import Processes


def run(monkeypatch, count, work):
    """``[work(processes)]`` of ``count`` processes at once; an error is raised by the result."""
    rows, met = [None] * count, threading.Barrier(count, timeout=20)
    index_of = threading.local()

    def exchanged(row):
        rows[index_of.value] = row
        met.wait()
        stacked = np.stack(rows)
        met.wait()
        return stacked

    def one(index):
        index_of.value = index
        return work(Processes(index, count))

    monkeypatch.setattr(together, "_exchanged", exchanged)
    with ThreadPoolExecutor(count) as threads:
        return [threads.submit(one, index) for index in range(count)]
