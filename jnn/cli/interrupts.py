"""Ctrl-C in imports: the extension modules of JAX crash, and callbacks may lose it."""

from __future__ import annotations

import _weakrefset
import contextlib
import gc
import signal
import weakref
from collections.abc import Iterator
from importlib.machinery import ExtensionFileLoader
from types import FrameType

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
        signal.signal(signal.SIGINT, _stop)
    except ValueError:  # signals are handled by the main thread alone
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _stop(signum: int, frame: FrameType | None) -> None:
    if _in_extension(frame) or _is_dropped(frame):
        signal.signal(signal.SIGALRM, _stop)
        signal.setitimer(signal.ITIMER_REAL, AGAIN)
    else:
        raise KeyboardInterrupt


def _in_extension(frame: FrameType | None) -> bool:
    """Whether an extension module is being imported."""
    while frame is not None:
        if isinstance(frame.f_locals.get("self"), ExtensionFileLoader):
            return True
        frame = frame.f_back
    return False


def _is_dropped(frame: FrameType | None) -> bool:
    """Whether an exception would be printed and dropped.

    In importlib, and in garbage collection, which calls what waits for the end of an object too.
    """
    if frame is None:
        return False
    if frame.f_code.co_filename in OF_WEAK_REFERENCES:
        return True
    of_gc = [getattr(callback, "__code__", None) for callback in gc.callbacks]
    return frame.f_code in of_gc or frame.f_code.co_filename.startswith("<frozen importlib")
