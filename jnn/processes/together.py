"""What the processes of a run know of each other, and decide together."""

from __future__ import annotations

import dataclasses
import json
import socket
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from jnn.errors import JnnError, mistake

_MOST_TURNS = 8  # between two exchanges: the turns to come may be slower
_FIRST_ROUND = 4096  # bytes that `gather` exchanges by one compiled program


@dataclasses.dataclass(frozen=True)
class Processes:
    """The processes of a run, of which this one is ``index``.

    Each method is called by all of them, in the same order, from their main threads.

    >>> Processes().gather({"loss": 0.5})
    [{'loss': 0.5}]
    """

    index: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes the logs, the report and what is printed."""
        return self.index == 0

    def gather(self, value: Any) -> list[Any]:
        """The JSON value of each process, in their order. No process returns before all call."""
        if self.count == 1:
            return [value]
        text = json.dumps(value).encode()
        room = _FIRST_ROUND - 8
        head = len(text).to_bytes(8, "big") + text[:room].ljust(room)
        heads = [row.tobytes() for row in _exchanged(np.frombuffer(head, np.uint8))]
        sizes = [int.from_bytes(row[:8], "big") for row in heads]
        texts = [row[8 : 8 + size] for row, size in zip(heads, sizes, strict=True)]
        if (longest := max(sizes) - room) > 0:
            width = 1 << (longest - 1).bit_length()  # few sizes, each of which compiles a program
            rest = _exchanged(np.frombuffer(text[room:].ljust(width), np.uint8))
            texts = [
                head + row.tobytes()[: max(size - room, 0)]
                for head, row, size in zip(texts, rest, sizes, strict=True)
            ]
        return [json.loads(text) for text in texts]

    def agree(self, what: str, value: Any) -> None:
        """Raise `JnnError` on all processes, unless all have the same JSON value.

        The message names the first process that differs, and of a dict the keys that do.
        """
        rows = self.gather({"value": value, "host": socket.gethostname()})
        for index, row in enumerate(rows):
            if row["value"] != rows[0]["value"]:
                ours, theirs = rows[0]["value"], row["value"]
                if isinstance(ours, dict) and isinstance(theirs, dict):
                    names = [name for name in ours | theirs if ours.get(name) != theirs.get(name)]
                    ours, theirs = (
                        {name: side.get(name) for name in names} for side in (ours, theirs)
                    )
                raise mistake(
                    f"process {index} of {self.count} ({row['host']})",
                    got=f"{what} {json.dumps(theirs)[:300]}",
                    expected=f"that of process 0 ({rows[0]['host']}), {json.dumps(ours)[:300]}",
                    remedy="Start all processes with the same command, code and data.",
                )

    def told(self, compute: Callable[[], Any]) -> Any:
        """The JSON value of ``compute()`` on the first process, or its `JnnError`, on all."""
        if self.count == 1:
            return compute()
        note, failure = None, None
        if self.is_first:
            try:
                note = {"value": compute()}
            except JnnError as error:
                failure, note = error, {"error": str(error), "code": error.exit_code}
        note = self.gather(note)[0]
        if failure is not None:
            raise failure
        if "error" in note:
            error = JnnError(note["error"])
            error.exit_code = note["code"]
            raise error
        return note["value"]


def here() -> Processes:
    """The processes that this one has joined; itself alone where it has joined none."""
    if not jax.distributed.is_initialized():
        return Processes()
    return Processes(jax.process_index(), jax.process_count())


class Together:
    """What the processes of a loop decide together after each turn of it.

    On one process decisions are what they would be without it. On several they are exchanged some
    times a second, which takes 3 ms between two processes of one machine.
    """

    def __init__(self, processes: Processes, *, seconds: float = 0.2):
        self._processes, self._seconds = processes, seconds
        self._left, self._pace, self._turns, self._last = 0, 1, 1, time.monotonic()

    def decide(
        self, pace: int, is_due: bool, signum: int | None, *, at_once: bool = False
    ) -> tuple[int, bool, int | None]:
        """``pace`` and ``is_due`` of the first process, and the signal that any of them got.

        Between two exchanges: the last pace, that nothing is due, and no signal. ``at_once``, after
        a turn that takes longer than others, does not wait for the next; it is alike on all.
        """
        if self._processes.count == 1:
            return pace, is_due, signum
        if self._left and not at_once:
            self._left -= 1
            return self._pace, False, None
        now = time.monotonic()
        of_turn = (now - self._last) / self._turns
        left = min(int(self._seconds / max(of_turn, 1e-4)), _MOST_TURNS)
        rows = _exchanged(np.array([pace, is_due, signum or 0, left], np.int32))
        self._pace, due, _, self._left = (int(value) for value in rows[0])
        self._turns, self._last = self._left + 1, time.monotonic()
        return self._pace, bool(due), int(rows[:, 2].max()) or None


def _exchanged(row: np.ndarray) -> np.ndarray:
    """The row of each process, stacked."""
    from jax.experimental import multihost_utils

    rows = np.asarray(multihost_utils.process_allgather(row))
    return rows.reshape(-1, *row.shape)
