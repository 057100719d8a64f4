"""The lookout of a process: whether the others are there, and whether training goes on.

In the folder of a run, which the hosts share, each process has a file ``processes/<index>.json``
that says where it is and at which step. It holds a lock on it, which the operating system releases
however the process ends. Beside it, ``<index>.log`` has what the runtime of JAX prints.
"""

from __future__ import annotations

import contextlib
import faulthandler
import fcntl
import json
import os
import shlex
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from jnn.errors import JnnError, Lost, mistake
from jnn.files import writable
from jnn.processes.joining import is_of_all, leave, on_abort
from jnn.processes.streams import error_stream, log_native_to
from jnn.processes.together import Processes

FOLDER = "processes"
STUCK_AFTER = 600.0
"""Seconds without a step after which training counts as stuck."""
EVERY = 1.0  # seconds between two looks
_SILENT = 4.0  # seconds after which a process that does not answer is named first
_TO_NOTICE = 3.0  # looks until a process that is gone has been noticed
_PATIENCE = 3.0  # seconds in which the lock of a process that is gone is released


class Lookout:
    """Ends this process, with a message and code 5, where another one of a run is gone.

    So it does where training has made no step for ``stuck_after`` seconds (0 for never), with the
    stacks of all threads: between the first call of `step` and ``step(None)``. To be used in a
    ``with`` statement, by all processes at once; one process alone has no others to look for.
    """

    def __init__(
        self,
        folder: Path,
        processes: Processes,
        *,
        stuck_after: float = STUCK_AFTER,
        tell: Callable[[str], Any] = lambda text: None,
        end: Callable[[str, int], Any] = leave,
    ):
        self._folder, self._processes, self._stuck_after = folder / FOLDER, processes, stuck_after
        self._tell, self._end = tell, end
        self._step: int | None = None
        self._since = time.monotonic()
        self._beats: dict[int, tuple[int, float]] = {}
        self._over = threading.Event()
        self._ended = False
        self._writing = threading.Lock()
        self._stream: IO[str] | None = None

    def step(self, at: int | None) -> None:
        """Training has come to step ``at``; None where it has ended."""
        self._step, self._since = at, time.monotonic()

    def __enter__(self) -> Lookout:
        if self._processes.count == 1 and not self._stuck_after:
            return self
        self._processes.told(lambda: self._make())
        self._check_shared()
        path = self._path(self._processes.index)
        with writable(path):
            self._stream = path.open("w+", encoding="utf-8")
            # Where a file system has no locks, the heartbeats of JAX are left to tell.
            with contextlib.suppress(OSError):
                fcntl.flock(self._stream, fcntl.LOCK_EX)
        self._write(0, None)
        log_native_to(self._log)
        self._processes.gather(None)  # all hold their locks
        if self._processes.count > 1:
            on_abort(self._last_words, Lost.exit_code)
        threading.Thread(target=self._watch, name="lookout", daemon=True).start()
        return self

    def __exit__(self, kind, error: BaseException | None, trace) -> None:
        """What ended this process, which others report when they miss it, is in its file.

        Where another one is gone, an operation over both may raise before this lookout sees it, by
        an error of JAX's runtime or a ValueError of what waited for it.
        """
        self.step(None)
        if self._stream is None:
            return
        if isinstance(error, Exception) and not isinstance(error, JnnError):
            self._over.wait(_TO_NOTICE * EVERY)  # in which the lookout ends this process
        agreed = is_of_all(error)
        if self._processes.count == 1 or not agreed:
            self._over.set()
        words = "" if agreed else f"{type(error).__name__}: {error}"
        with self._writing, contextlib.suppress(OSError):
            self._ended = True
            self._write(-1, words)

    def blame(self) -> str:
        """Which process is gone, or does not answer, in words."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            if gone := self._gone():
                return self._missing(*gone[0])
            if silent := self._silent():
                return f"{silent} {self._remedy}"
            time.sleep(0.1)
        others = [self._name(i) for i in range(self._processes.count) if i != self._processes.index]
        lost = others[0] if len(others) == 1 else "another process"
        reason = f"maybe as it has lost the connection to {lost}, which runs"
        return f"The runtime of JAX ended this process, {reason}; see {self._log}. {self._remedy}"

    def _last_words(self) -> str:
        words = self.blame()
        with contextlib.suppress(Exception):
            self._tell(words)
        return words

    def _silent(self) -> str:
        """Which processes do not answer, in words."""
        now, me = time.monotonic(), self._processes.index
        beats = self._beats.items()
        silent = [self._name(i) for i, (_, at) in beats if i != me and now - at > _SILENT]
        are = "do not answer: they are stopped, or their hosts are"
        are = are if len(silent) > 1 else "does not answer: it is stopped, or its host is"
        return f"{', '.join(silent[:4])} {are} lost." if silent else ""

    @property
    def _remedy(self) -> str:
        command = shlex.join(["jnn", "resume", str(self._folder.parent)])
        return f"This process ends too; continue with: {command}"

    def _make(self) -> None:
        with writable(self._folder):
            self._folder.mkdir(exist_ok=True)
            for path in self._folder.iterdir():
                if path.suffix in (".json", ".log"):
                    path.unlink()

    def _check_shared(self) -> None:
        seen = self._processes.gather(self._folder.is_dir())
        if not all(seen):
            index = seen.index(False)
            raise mistake(
                str(self._folder.parent),
                got=f"a folder that process {index} does not see",
                expected="one that all hosts share",
                remedy="Choose --out on a file system that all of them mount.",
            )

    def _path(self, index: int) -> Path:
        return self._folder / f"{index}.json"

    @property
    def _log(self) -> Path:
        """What native code prints."""
        return self._folder / f"{self._processes.index}.log"

    def _write(self, beat: int, ended: str | None) -> None:
        """Write this process's file in place, since a new one would not be locked."""
        assert self._stream, "the lookout is on"
        host, pid = socket.gethostname(), os.getpid()
        record = {"host": host, "pid": pid, "step": self._step, "beat": beat, "ended": ended}
        text = json.dumps(record)
        os.pwrite(self._stream.fileno(), text.encode(), 0)
        os.ftruncate(self._stream.fileno(), len(text.encode()))

    def _read(self, index: int) -> dict[str, Any]:
        try:
            return json.loads(self._path(index).read_text(encoding="utf-8"))
        except (OSError, ValueError):  # between two writes, say
            return {}

    def _name(self, index: int) -> str:
        record = self._read(index)
        at = f", at step {record['step']:,}" if isinstance(record.get("step"), int) else ""
        place = f" (host {record['host']}, pid {record['pid']}{at})" if "host" in record else ""
        return f"process {index} of {self._processes.count}{place}"

    def _missing(self, index: int, why: str) -> str:
        reason = f": {why.rstrip('.')}" if why else ""
        return f"{self._name(index)} has ended{reason}. {self._remedy}"

    def _gone(self) -> list[tuple[int, str]]:
        """The processes that ended before they were done, and why, where they say it."""
        gone = []
        for index in range(self._processes.count):
            if index == self._processes.index or self._is_locked(index):
                continue
            if (ended := self._read(index).get("ended")) != "":
                gone.append((index, ended or ""))
        return gone

    def _is_locked(self, index: int) -> bool:
        try:
            with self._path(index).open(encoding="utf-8") as stream:
                fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:  # the folder is out of reach: the heartbeats of JAX are left to tell
            return True
        return False

    def _watch(self) -> None:
        beat = 0
        while not self._over.wait(EVERY):
            beat += 1
            with self._writing, contextlib.suppress(OSError):
                if not self._ended:  # a beat after it would say that this process is lost
                    self._write(beat, None)
            for index in range(self._processes.count):
                seen = self._read(index).get("beat", 0)
                if self._beats.get(index, (None, 0.0))[0] != seen:
                    self._beats[index] = seen, time.monotonic()
            if (gone := self._gone()) and not self._over.is_set():
                self._say_and_end(self._missing(*gone[0]))
            idle = time.monotonic() - self._since
            if self._stuck_after and self._step is not None and idle > self._stuck_after:
                faulthandler.dump_traceback(file=error_stream(), all_threads=True)
                self._say_and_end(self._stuck(idle))

    def _stuck(self, idle: float) -> str:
        rows = {i: self._read(i).get("step") or 0 for i in range(self._processes.count)}
        slowest = [self._name(i) for i, step in rows.items() if step == min(rows.values())]
        behind = ""
        if len(slowest) < self._processes.count:
            behind = f" Behind the others: {', '.join(slowest[:4])}."
        behind = f" {text}" if (text := self._silent()) else behind
        where = "the stacks above say where this process waits"
        return f"no step for {idle:.0f} s; {where}.{behind} {self._remedy}"

    def _say_and_end(self, words: str) -> None:
        with contextlib.suppress(Exception):
            self._tell(words)
        self._end(words, Lost.exit_code)
