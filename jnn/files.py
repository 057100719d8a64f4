"""The files of a run: strict JSON, whole or not there at all, and logs of one JSON object a
line.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import math
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from jnn.errors import mistake

TEMPORARY = ".writing-"
"""How the names of files begin that are being written; what a killed process left of them may be
removed.
"""
_COPY = "Put a copy of the file back."


def plain(value: Any) -> Any:
    """``value`` in the terms of strict JSON: arrays as lists, paths as strings, and NaN and
    infinity, which JSON lacks, as null.

    >>> plain({"loss": float("nan"), "widths": (32, 64), "out": Path("runs")})
    {'loss': None, 'widths': [32, 64], 'out': 'runs'}
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)
        }
    value = getattr(value, "tolist", lambda: value)()
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case Mapping():
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(item) for item in value]
        case _:
            return str(value)


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all. Raises JnnError where the disk is full or the folder cannot
    be written.
    """
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as strict JSON, whole or not at all."""
    write_text(path, json.dumps(plain(value), indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file. Raises JnnError for a missing file and for one that holds no JSON
    object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise mistake(str(path), got="no such file", expected="a JSON file") from None
    except (OSError, ValueError, RecursionError) as error:
        raise mistake(
            str(path), got=f"no JSON ({error})", expected="a JSON object", remedy=_COPY
        ) from None
    if not isinstance(value, dict):
        raise mistake(
            str(path), got=f"a JSON {type(value).__name__}", expected="a JSON object", remedy=_COPY
        )
    return value


@contextlib.contextmanager
def writable(path: Path) -> Iterator[None]:
    """Turn a failure to write ``path``, as on a full disk, into a JnnError that says so."""
    try:
        yield
    except OSError as error:
        remedy = "Free some space, or choose another folder."
        raise mistake(
            str(path),
            got=error.strerror or str(error),
            expected="a place to write to",
            remedy=remedy,
        ) from error


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that takes its place once it is written and on disk; after
    an error nothing of it stays.
    """
    with writable(path):
        handle, name = tempfile.mkstemp(
            prefix=f"{TEMPORARY}{path.stem}-", suffix=path.suffix, dir=path.parent
        )
        temporary = Path(name)
        try:
            os.close(handle)
            yield temporary
            with temporary.open("rb") as stream:
                os.fsync(stream.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


class JsonLines:
    """A log of values by step, one line ``{"step": 50, "train/loss": 0.31}`` each, readable while
    it grows.

    A line that a crash left half-written is dropped before the next one is written. Reading raises
    JnnError for a line that is no such row, naming it.
    """

    def __init__(self, path: Path):
        self.path = path
        self._stream: IO[bytes] | None = None

    def write(self, step: int, values: Mapping[str, Any]) -> None:
        """Append the values of one step, flushed to the file."""
        line = json.dumps({"step": int(step), **plain(values)}, allow_nan=False)
        with writable(self.path):
            if self._stream is None:
                self._replace(self._lines())
                self._stream = self.path.open("ab")
            self._stream.write(line.encode() + b"\n")
            self._stream.flush()

    def rows(self) -> list[dict[str, Any]]:
        """All rows so far; what was NaN or infinite is NaN."""
        rows = itertools.starmap(self._row, enumerate(self._lines(), start=1))
        return [
            {name: math.nan if value is None else value for name, value in row.items()}
            for row in rows
        ]

    def truncate(self, step: int) -> None:
        """Drop the rows after ``step``, which a resumed run is going to write again."""
        self.close()
        self._replace(
            [
                line
                for number, line in enumerate(self._lines(), start=1)
                if self._row(number, line)["step"] <= step
            ]
        )

    def synchronize(self) -> None:
        """Have what was written reach the disk itself, so that a loss of power does not undo it."""
        if self._stream is not None:
            with writable(self.path):
                os.fsync(self._stream.fileno())

    def close(self) -> None:
        """Close the file; the next `write` opens it again."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _lines(self) -> list[bytes]:
        """The lines that were written whole."""
        try:
            return [
                line
                for line in self.path.read_bytes().splitlines(keepends=True)
                if line.endswith(b"\n")
            ]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise mistake(
                str(self.path),
                got=error.strerror or str(error),
                expected="a file of rows",
                remedy=_COPY,
            ) from None

    def _row(self, number: int, line: bytes) -> dict[str, Any]:
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if isinstance(row, dict) and type(row.get("step")) is int:
            return row
        got = f"{line.decode(errors='backslashreplace').strip()[:60]!r}"
        expected = 'a row such as {"step": 50, "train/loss": 0.31}'
        raise mistake(
            f"{self.path}, line {number}",
            got=got,
            expected=expected,
            remedy="Put a copy of the file back, or delete that line.",
        )

    def _replace(self, lines: list[bytes]) -> None:
        content = b"".join(lines)
        if self.path.exists() and len(content) != self.path.stat().st_size:
            with replacing(self.path) as temporary:
                temporary.write_bytes(content)
