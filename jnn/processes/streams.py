"""The standard streams of one process among several: those of Python, and those of native code.

The runtime of JAX and gloo print from C++, at the numbers 1 and 2 of the streams: tens of lines
where another process is gone. So Python gets streams of its own, and what native code prints goes
elsewhere, so that the last line on the screen is the message of this process.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import IO

from jnn.files import writable

OUT, ERROR = 1, 2
_kept: list[IO[bytes]] = []  # what native code has printed on standard error


def own_streams() -> None:
    """Give Python streams of its own, and keep what native code prints on standard error.

    What it prints on standard output is dropped. To be called once, before the runtime starts.
    """
    if _kept:
        return
    sys.stdout.flush()
    sys.stderr.flush()
    sys.stdout = os.fdopen(os.dup(sys.stdout.fileno()), "w", errors="backslashreplace")
    sys.stderr = os.fdopen(os.dup(sys.stderr.fileno()), "w", 1, errors="backslashreplace")
    _kept.append(tempfile.TemporaryFile())  # noqa: SIM115
    os.dup2(_kept[-1].fileno(), ERROR)
    drop_output(OUT)


def drop_output(stream: int) -> None:
    """Let nothing come of what is printed on the stream of a number."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream)
    os.close(nowhere)


def log_native_to(path: Path) -> None:
    """Keep what native code prints on standard error, also until now, in a file.

    It does nothing for a process whose streams are not its own.
    """
    if not _kept:
        return
    with writable(path):
        log = path.open("w+b")
        _kept[-1].seek(0)
        shutil.copyfileobj(_kept[-1], log)
        log.flush()
        os.dup2(log.fileno(), ERROR)
    _kept.append(log)


def error_stream() -> int:
    """The number of the stream on which this process writes its errors, whatever prints there."""
    with contextlib.suppress(AttributeError, OSError, ValueError):
        return sys.stderr.fileno()
    return ERROR
