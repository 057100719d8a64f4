"""The files of a run: strict JSON, whole or not there at all, and logs of one JSON object a line."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from jnn.errors import mistake


def plain(value: Any) -> Any:
    """``value`` in the terms of strict JSON: arrays as lists, paths as strings, and NaN and infinity, which JSON lacks, as null.

    >>> plain({"loss": float("nan"), "widths": (32, 64), "out": Path("runs")})
    {'loss': None, 'widths': [32, 64], 'out': 'runs'}
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
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
    """Write a file whole or not at all. Raises JnnError where the disk is full or the folder cannot be written."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as strict JSON, whole or not at all."""
    write_text(path, json.dumps(plain(value), indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file. Raises JnnError for a missing file and for one that holds no JSON object."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise mistake(str(path), got="no such file", expected="a JSON file") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise mistake(str(path), got=f"no JSON ({error})", expected="a JSON object") from None
    if not isinstance(value, dict):
        raise mistake(str(path), got=f"a JSON {type(value).__name__}", expected="a JSON object")
    return value


@contextlib.contextmanager
def writable(path: Path) -> Iterator[None]:
    """Turn a failure to write ``path``, as on a full disk, into a JnnError that says so."""
    try:
        yield
    except OSError as error:
        remedy = "Free some space, or choose another folder."
        raise mistake(str(path), got=error.strerror or str(error), expected="a place to write to", remedy=remedy) from error


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that takes its place once it is written and on disk; after an error nothing of it stays."""
    with writable(path):
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
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
    """A log of values by step, one line ``{"step": 50, "train/loss": 0.31}`` each, readable while it grows.

    A line that a crash left half-written is dropped before the next one is written.
    """

    def __init__(self, path: Path):
        self.path = path
        self._stream: IO[str] | None = None

    def write(self, step: int, values: Mapping[str, Any]) -> None:
        """Append the values of one step, flushed to the file."""
        line = json.dumps({"step": int(step), **plain(values)}, allow_nan=False)
        with writable(self.path):
            if self._stream is None:
                self._keep(lambda row: True)
                self._stream = self.path.open("a", encoding="utf-8")
            self._stream.write(line + "\n")
            self._stream.flush()

    def rows(self) -> list[dict[str, Any]]:
        """All rows so far; what was NaN or infinite is NaN."""
        return [{name: math.nan if value is None else value for name, value in json.loads(line).items()} for line in self._lines()]

    def truncate(self, step: int) -> None:
        """Drop the rows after ``step``, which a resumed run is going to write again."""
        self.close()
        self._keep(lambda row: row["step"] <= step)

    def close(self) -> None:
        """Close the file; the next `write` opens it again."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _lines(self) -> list[str]:
        text = self.path.read_text(encoding="utf-8") if self.path.exists() else ""
        return [line for line in text.splitlines(keepends=True) if line.endswith("\n")]

    def _keep(self, chosen: Callable[[dict], bool]) -> None:
        if self.path.exists():
            text = "".join(line for line in self._lines() if chosen(json.loads(line)))
            if len(text.encode()) != self.path.stat().st_size:
                write_text(self.path, text)
