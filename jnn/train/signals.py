"""SIGINT and SIGTERM as a flag that a loop reads between two steps."""

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any


class Stop:
    """``signum`` is the signal that asked to stop, or None."""

    signum: int | None = None


@contextlib.contextmanager
def stop_signals() -> Iterator[Stop]:
    """Within the block the first SIGINT or SIGTERM sets the flag.

    A second one ends the process at once. Outside the main thread nothing is caught.

    >>> with stop_signals() as stop:
    ...     signal.raise_signal(signal.SIGTERM)
    ...     stop.signum
    15
    """
    stop = Stop()

    def handle(signum, frame):
        if stop.signum is not None:
            os._exit(128 + signum)
        stop.signum = signum

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    with handled(handle):
        yield stop


@contextlib.contextmanager
def handled(handle: Callable[[int, Any], None]) -> Iterator[None]:
    """Within the block, in the main thread, ``handle(signum, frame)`` gets SIGINT and SIGTERM."""
    previous = {signum: signal.signal(signum, handle) for signum in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for signum, handler in previous.items():
            signal.signal(signum, handler)
