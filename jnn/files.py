"""Files: written atomically, as text or strict JSON, and logs of one JSON object a line."""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import errno
import json
import math
import os
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from jnn.errors import JnnError, mistake

TEMPORARY = ".writing-"
"""The beginning of the names of files that are being written.

A killed process may leave some behind; they can be removed.
"""
_RESTORE = "Put a copy of the file back."
_DEEPEST, _LONGEST = 100, 300  # levels of JSON, and digits of an integer: a float has up to 309
_REMEDIES = {
    errno.ENOSPC: "Free some space, or choose another folder.",
    errno.EDQUOT: "Free some space, or choose another folder.",
    errno.EFBIG: "Raise the limit: ulimit -f unlimited.",
    errno.EROFS: "Make it writable, or choose another folder.",
    errno.EACCES: "Make it writable, or choose another folder.",
    errno.EPERM: "Make it writable, or choose another folder.",
    errno.EIO: "Look after the disk, or choose another folder.",
}
"""What to do about each error of the operating system that is no fault of a program."""


def plain(value: Any) -> Any:
    """``value`` as strict JSON has it: arrays are lists, paths strings, NaN and infinity null.

    Sets are sorted lists, and members of an `enum.Enum` their names.

    >>> plain({"loss": float("nan"), "widths": (32, 64), "out": Path("runs"), "digits": {9, 3}})
    {'loss': None, 'widths': [32, 64], 'out': 'runs', 'digits': [3, 9]}
    """
    if isinstance(value, enum.Enum):
        return value.name
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {field.name: plain(getattr(value, field.name)) for field in fields}
    value = getattr(value, "tolist", lambda: value)()
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case Mapping():
            return {str(plain(key)): plain(item) for key, item in value.items()}
        case set() | frozenset():
            return sorted(map(plain, value), key=_order)
        case list() | tuple():
            return [plain(item) for item in value]
        case _:
            return str(value)


def _order(item: Any) -> tuple[float, str]:
    """By which items of sets are sorted: numbers by value, then all others by their JSON."""
    is_number = isinstance(item, int | float)
    return (item, "") if is_number else (math.inf, json.dumps(item))


def write_text(path: Path, text: str) -> None:
    """Write a file atomically.

    What UTF-8 does not have, half a pair of surrogates, is escaped as in JSON: a name of a file may
    hold it. Raises JnnError where the disk is full or the folder cannot be written to.
    """
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as strict JSON, atomically."""
    write_text(path, _json_text(value))


def overwrite_json(path: Path, value: Any) -> None:
    """Write ``value`` over an existing file, in place: of a few kB, it needs no free space.

    It is not atomic: for a file that cannot be replaced, as on a full disk. Raises OSError.
    """
    with path.open("r+b") as stream:
        stream.write(_json_text(value).encode(errors="backslashreplace"))
        stream.truncate()


def _json_text(value: Any) -> str:
    """A value as it stands in files."""
    return json.dumps(plain(value), indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file of UTF-8; raises JnnError where there is none.

    A byte order mark, which editors may put in front, is no part of it.
    """
    try:
        value = strict_json(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise mistake(str(path), got="no such file", expected="a JSON file") from None
    except UnicodeDecodeError as error:
        got = f"the byte 0x{error.object[error.start]:02x}, which is not UTF-8"
        remedy = "Save it as UTF-8, or put a copy of the file back."
        raise mistake(str(path), got=got, expected="a JSON object", remedy=remedy) from None
    except (OSError, ValueError, RecursionError) as error:
        got = f"no JSON ({error})"
        raise mistake(str(path), got=got, expected="a JSON object", remedy=_RESTORE) from None
    if not isinstance(value, dict):
        got = f"a JSON {type(value).__name__}"
        raise mistake(str(path), got=got, expected="a JSON object", remedy=_RESTORE)
    return value


def strict_json(text: str | bytes) -> Any:
    """The value of a JSON text, whose numbers are all finite floats or fit into one.

    Raises ValueError for anything else, NaN and infinity included, and for more than 100 levels.

    >>> strict_json('{"loss": 1e999}')
    Traceback (most recent call last):
    ...
    ValueError: the number 1e999
    """

    def refuse(number: str) -> Any:
        raise ValueError(f"the number {number[:20]}")

    def integer(digits: str) -> int:
        return int(digits) if len(digits) <= _LONGEST else refuse(digits)

    def real(digits: str) -> float:
        return value if math.isfinite(value := float(digits)) else refuse(digits)

    value = json.loads(text, parse_constant=refuse, parse_int=integer, parse_float=real)
    if _depth(value, _DEEPEST) > _DEEPEST:
        raise ValueError(f"more than {_DEEPEST} levels")
    return value


def _depth(value: Any, most: int) -> int:
    """The levels of a JSON value, counted up to ``most`` + 1."""
    inside = lambda item: item.values() if isinstance(item, dict) else item
    level, levels = [value], 0
    while level and levels <= most:
        nested = [item for item in level if isinstance(item, dict | list)]
        level = [inner for item in nested for inner in inside(item)]
        levels += bool(nested)
    return levels


def check_text(path: Path, caller: str = "folder") -> Path:
    """The path itself; raises JnnError where its bytes are no text.

    Neither Orbax, nor JAX for the source of a function, nor a log in UTF-8 can have such a path.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        remedy = "Rename it, or choose another."
        got = f"the path {str(path)!r}"
        raise mistake(caller, got=got, expected="one in UTF-8", remedy=remedy) from None
    return path


@contextlib.contextmanager
def writable(path: Path, *, remedy: str = "") -> Iterator[None]:
    """Turn a failure to write ``path``, as on a full disk, into a JnnError that says so.

    The remedy is that of the failure, unless it is given.
    """
    try:
        yield
    except OSError as error:
        raise unwritable(str(path), error, remedy=remedy) from error


def can_write(folder: Path) -> bool:
    """Whether files can be written into a folder, which is created where there is none."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)


def unwritable(caller: str, error: OSError, *, remedy: str = "") -> JnnError:
    """The error to raise for what the operating system says of a place to write to.

    >>> print(unwritable("a.csv", OSError(errno.EFBIG, "File too large")))
    a.csv: got File too large, expected a place to write to. Raise the limit: ulimit -f unlimited.
    """
    remedy = remedy or _REMEDIES.get(error.errno or 0, "Choose another folder.")
    got = error.strerror or str(error)
    return mistake(caller, got=got, expected="a place to write to", remedy=remedy)


def of_the_system(error: OSError) -> bool:
    """Whether an error of the operating system is no fault of a program, such as a full disk."""
    return error.errno in _REMEDIES


@contextlib.contextmanager
def replacing(path: Path, *, remedy: str = "") -> Iterator[Path]:
    """A temporary path beside ``path``, which replaces it once it is written and on disk.

    The remedy is that of `writable`. After an error the temporary file is removed, and ``path`` is
    as before.
    """
    with writable(path, remedy=remedy):
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
    """A log of one line ``{"step": 50, "train/loss": 0.31}`` a step, readable while it grows.

    A line that a crash left half-written is dropped before the next one is written. Reading raises
    JnnError, with the number of the line, for a line that is no such row. ``sink(step, values)``,
    if there is one, takes each row too. ``is_written`` says whether `write` was called.
    """

    def __init__(self, path: Path):
        self.path = path
        self.is_written = False
        self.sink: Callable[[int, Mapping[str, Any]], None] | None = None
        self._stream: IO[bytes] | None = None
        self._count = self._size = self._crc32 = 0  # of what was read and written, while open

    def write(self, step: int, values: Mapping[str, Any]) -> None:
        """Append the values of one step, flushed to the file."""
        worded = {name: _word(value) for name, value in values.items()}
        line = json.dumps({"step": int(step), **plain(worded)}, allow_nan=False)
        content = line.encode() + b"\n"
        self.is_written = True
        with writable(self.path):
            stream = self._stream or self._opened(self._lines())
            try:
                stream.write(content)
                stream.flush()
            except OSError:
                self.close()  # the line may be half-written
                raise
        self._count += 1
        self._size, self._crc32 = _checksum(content, self._size, self._crc32)
        if self.sink:
            self.sink(int(step), plain(values))

    def rows(self) -> list[dict[str, Any]]:
        """All rows so far; null is NaN, and "inf" and "-inf" are infinite."""
        rows = [self._row(number, line) for number, line in enumerate(self._lines(), start=1)]
        return [{name: _unword(value) for name, value in row.items()} for row in rows]

    def truncate(self, step: int, most: int | None = None) -> None:
        """Drop the rows after ``step``, which a resumed run is going to write again.

        Of the others the first ``most`` are kept, where that is given.
        """
        self.close()
        kept = self._until(step)[:most]
        if self.path.exists():
            with writable(self.path):
                self._opened(kept)

    def digest(self, step: int | None = None, most: int | None = None) -> dict[str, int]:
        """The size and the CRC-32 of the rows so far, by which a change is detected.

        With a ``step`` they are those of the rows up to it, the first ``most`` where that is given.
        """
        if step is not None:
            size, crc32 = _checksum(b"".join(self._until(step)[:most]))
        elif self._stream is None:
            size, crc32 = _checksum(b"".join(self._lines()))
        else:
            size, crc32 = self._size, self._crc32
        return {"bytes": size, "crc32": crc32}

    def count(self) -> int:
        """The number of rows so far."""
        return len(self._lines()) if self._stream is None else self._count

    def synchronize(self) -> None:
        """Flush to the disk itself, so that a loss of power does not undo it.

        Raises JnnError where the file is no longer the one that was written.
        """
        if self._stream is not None:
            with writable(self.path):
                os.fsync(self._stream.fileno())
        self.check()

    def check(self) -> None:
        """Raise JnnError where the file was removed, replaced or edited since it was opened."""
        if self._stream is None:
            return
        try:
            now = self.path.stat()
        except OSError as error:
            damage = error.strerror or str(error)
        else:
            if not os.path.samestat(now, os.fstat(self._stream.fileno())):
                damage = "another file in its place"
            elif now.st_size != self._size:
                damage = f"{now.st_size:,} of {self._size:,} bytes"
            else:
                return
        raise mistake(str(self.path), got=damage, expected="the log that is being written")

    def close(self) -> None:
        """Close the file; the next `write` opens it again."""
        if self._stream is not None:
            with contextlib.suppress(OSError):  # that of a line whose failure was raised
                self._stream.close()
            self._stream = None

    def _opened(self, lines: list[bytes]) -> IO[bytes]:
        """The file, which has ``lines`` alone, opened to append others."""
        self._replace(lines)
        self._stream = self.path.open("ab")
        self._count = len(lines)
        self._size, self._crc32 = _checksum(b"".join(lines))
        return self._stream

    def _lines(self) -> list[bytes]:
        """The lines that were written whole."""
        try:
            lines = self.path.read_bytes().splitlines(keepends=True)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise mistake(
                str(self.path),
                got=error.strerror or str(error),
                expected="a file of rows",
                remedy=_RESTORE,
            ) from None
        return [line for line in lines if line.endswith(b"\n")]

    def _until(self, step: int) -> list[bytes]:
        """The lines of the rows up to a step."""
        lines = enumerate(self._lines(), start=1)
        return [line for number, line in lines if self._row(number, line)["step"] <= step]

    def _row(self, number: int, line: bytes) -> dict[str, Any]:
        try:
            row = strict_json(line)
        except (ValueError, RecursionError):
            row = None
        if isinstance(row, dict) and type(row.get("step")) is int:
            return row
        raise mistake(
            f"{self.path}, line {number}",
            got=f"{line.decode(errors='backslashreplace').strip()[:60]!r}",
            expected='a row such as {"step": 50, "train/loss": 0.31}',
            remedy="Put a copy of the file back, or delete that line.",
        )

    def _replace(self, lines: list[bytes]) -> None:
        content = b"".join(lines)
        if self.path.exists() and len(content) != self.path.stat().st_size:
            with replacing(self.path) as temporary:
                temporary.write_bytes(content)


def _word(value: Any) -> Any:
    """``value``, or the word for an infinite number, which JSON does not have."""
    value = getattr(value, "tolist", lambda: value)()
    return str(value) if isinstance(value, float) and math.isinf(value) else value


def _unword(value: Any) -> Any:
    """The number that `_word` has written as a word, or as null; else ``value``."""
    special = {None: math.nan, "inf": math.inf, "-inf": -math.inf}
    return special.get(value, value) if isinstance(value, str | None) else value


def _checksum(content: bytes, size: int = 0, crc32: int = 0) -> tuple[int, int]:
    """Size and CRC-32 after ``content``, which follows bytes of ``size`` and ``crc32``."""
    return size + len(content), zlib.crc32(content, crc32)
