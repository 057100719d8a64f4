"""Work on a background thread whose failures are raised at the next call, or end the process."""

import atexit
import contextlib
import os
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for

from jnn.wording import tell

_undelivered: set[Future] = set()


class Background:
    """One thread for one piece of work at a time.

    A failure is raised once, by the next call of ``submit``, ``check``, ``wait`` or ``close``.
    Without such a call, the process prints the failure when it ends and exits with code 1.

    >>> background = Background()
    >>> background.submit(int, "seven")
    >>> background.wait()
    Traceback (most recent call last):
    ...
    ValueError: invalid literal for int() with base 10: 'seven'
    >>> background.close()
    """

    def __init__(self):
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="jnn")
        self._pending: Future | None = None

    def submit(self, work: Callable[..., None], *arguments) -> None:
        """Wait for the previous work, raise its failure, then start ``work(*arguments)``."""
        self.wait()
        self._pending = self._executor.submit(work, *arguments)
        _undelivered.add(self._pending)

    def check(self) -> None:
        """Raise the failure of work that has ended, in less than a microsecond if there is none."""
        if self._pending is not None and self._pending.done():
            self.wait()

    def wait(self) -> None:
        """Wait until the work has ended, and raise its failure."""
        if self._pending is None:
            return
        # an interrupt (Ctrl-C) here leaves the work pending, and its failure to be raised later
        wait_for([self._pending])
        ended, self._pending = self._pending, None
        _undelivered.discard(ended)
        ended.result()

    def close(self) -> None:
        """Wait, end the thread, and raise a failure."""
        try:
            self.wait()
        finally:
            self._executor.shutdown()


def _exit_with_failure() -> None:
    # All work has ended by now: concurrent.futures joins its threads before atexit hooks run.
    failures = [failure for work in _undelivered if (failure := work.exception()) is not None]
    if failures:
        for failure in failures:
            tell(f"error: {failure}")
        with contextlib.suppress(OSError):  # where nobody reads it
            sys.stdout.flush()
        os._exit(1)  # the only way to change the exit code in an exit hook


atexit.register(_exit_with_failure)
# the child of a fork has no background thread
os.register_at_fork(after_in_child=_undelivered.clear)
