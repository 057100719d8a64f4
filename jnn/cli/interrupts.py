"""Signals that raise: in imports JAX's extension modules crash, and callbacks may lose them."""

from __future__ import annotations

import _weakrefset
import contextlib
import gc
import signal
import weakref
from collections.abc import Callable, Iterator
from importlib.machinery import ExtensionFileLoader
from types import FrameType
from typing import Any

AGAIN = 0.02  # seconds after which it is tried again
OF_WEAK_REFERENCES = (weakref.__file__, _weakrefset.__file__)


@contextlib.contextmanager
def deferred_in_extensions() -> Iterator[None]:
    """Within the block Ctrl-C waits for the end of an extension module's import, and of callbacks.

    Elsewhere it raises KeyboardInterrupt at once. Another handler than Python's own is left as it
    is, and so is that of a thread.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    try:
        signal.signal(signal.SIGINT, deferring(signal.default_int_handler))
    except ValueError:  # signals are handled by the main thread alone
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def deferring(handle: Callable[[int, FrameType | None], Any]) -> Callable:
    """The handler of a signal that calls ``handle``, which raises, once that does no harm.

    In the import of an extension module, and where an exception would be dropped, it is tried again
    a little later.
    """

    def stop(signum: int, frame: FrameType | None) -> None:
        if _in_extension(frame) or _is_dropped(frame):
            signal.signal(signal.SIGALRM, lambda _, frame: stop(signum, frame))
            signal.setitimer(signal.ITIMER_REAL, AGAIN)
        else:
            handle(signum, frame)

    return stop


def _in_extension(frame: FrameType | None) -> bool:
    """Whether an extension module is being imported."""
    around = _around(frame)
    return any(isinstance(each.f_locals.get("self"), ExtensionFileLoader) for each in around)


def _is_dropped(frame: FrameType | None) -> bool:
    """Whether an exception would be printed and dropped.

    In importlib, and in garbage collection, which calls what waits for the end of an object too.
    """
    if frame is None:
        return False
    file = frame.f_code.co_filename
    if file in OF_WEAK_REFERENCES or file.startswith("<frozen importlib"):
        return True
    of_gc = [getattr(callback, "__code__", None) for callback in gc.callbacks]
    return any(each.f_code in of_gc or each.f_code.co_name == "__del__" for each in _around(frame))


def _around(frame: FrameType | None) -> Iterator[FrameType]:
    """The frame, and those that called it."""
    while frame is not None:
        yield frame
        frame = frame.f_back
