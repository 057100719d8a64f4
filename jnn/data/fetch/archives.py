"""Single members of a wheel, a source distribution or another zip or tar file, as bytes.

Nothing is unpacked to disk, so that an archive can neither write outside of a folder nor leave
files behind. Paths that leave the archive, links, and members larger than declared are refused;
and whatever an archive holds, it is read or refused in bounded time and memory.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import re
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

from jnn.errors import JnnError, mistake

ARCHIVE_LIMIT = 256 * 2**20
"""Largest total size, in bytes, of an unpacked tar file or of an archive inside an archive.

It is ten times the largest in use.
"""

MEMBER_LIMIT = 20_000
"""Largest number of members of an archive: some ten times that of the largest package in use."""

_ENTRY_LIMIT = 200
"""Bytes in the directory of a zip file for each member, on average: 46, its name and a comment."""

_OPENERS = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
_END, _LARGE_END = b"PK\x05\x06", b"PK\x06\x07"


class _Member(NamedTuple):
    name: str
    size: int
    plain: bool
    read: Callable[[int], bytes]


def read_member(archive: Path | BinaryIO, path: str, size: int, separator: bytes = b"") -> bytes:
    """The bytes of the member ``path`` of an archive.

    ``path`` may enter an archive inside the archive (``"resources.tar.gz!/a/b.csv"``) and may match
    several members (``"texts/*.txt"``), which are joined in natural order with ``separator``
    between them. ``size`` is the largest result that is accepted, in bytes.

    Raises JnnError for a missing member, a member that is a link or larger than ``size``, a name
    with ``..`` or an absolute one, and a truncated or otherwise damaged archive.
    """
    outer, _, inner = path.partition("!/")
    if inner:
        nested = _read(archive, outer, ARCHIVE_LIMIT, b"")
        return read_member(io.BytesIO(nested), inner, size, separator)
    return _read(archive, path, size, separator)


def _read(archive: Path | BinaryIO, pattern: str, limit: int, separator: bytes) -> bytes:
    contents: dict[str, bytes] = {}
    room = limit
    try:
        for member in _members(archive):
            _check_name(member.name)
            if fnmatchcase(member.name, pattern):
                room += len(contents.get(member.name, b""))
                contents[member.name] = _content(member, room)
                room -= len(contents[member.name])
    except JnnError:
        raise
    except Exception as error:  # a damaged archive makes the decoders raise many classes
        raise mistake(
            f"archive {_label(archive)}",
            got=f"{type(error).__name__}: {error}",
            expected="a whole zip or tar file",
            remedy="It is truncated or altered: fetch it again.",
        ) from error
    if not contents:
        expected = f"{pattern!r} in it"
        raise mistake(f"archive {_label(archive)}", got="no such member", expected=expected)
    return separator.join(contents[name] for name in sorted(contents, key=_natural))


def _members(archive: Path | BinaryIO) -> Iterator[_Member]:
    if isinstance(archive, Path):
        with archive.open("rb") as stream:
            yield from _members(stream)
        return
    archive.seek(0)
    # Not zipfile.is_zipfile, which accepts a tar file that ends in a zip file.
    is_zip = archive.read(2) == b"PK"
    archive.seek(0)
    yield from _zip_members(archive) if is_zip else _tar_members(archive)


def _zip_members(archive: BinaryIO) -> Iterator[_Member]:
    _check_directory(archive)
    with zipfile.ZipFile(archive) as opened:
        for number, info in enumerate(opened.infolist(), 1):
            _check_number(number)
            plain = not info.is_dir() and not stat.S_ISLNK(info.external_attr >> 16)
            read = lambda n, info=info: opened.open(info).read(n)
            yield _Member(info.filename, info.file_size, plain, read)


def _check_directory(archive: BinaryIO) -> None:
    """Refuse a directory for too many members before all of it is read."""
    size = archive.seek(0, io.SEEK_END)
    archive.seek(max(0, size - 2**16 - 64))  # a zip file may end in a comment of up to 2^16
    end = archive.read()
    place = end.rfind(_END)
    record = end[place : place + 22]
    if place < 0 or len(record) < 22:
        raise zipfile.BadZipFile("no end of the directory")
    is_large = end[max(0, place - 20) : place].startswith(_LARGE_END)  # for 2^16 members or more
    if is_large or int.from_bytes(record[12:16], "little") > MEMBER_LIMIT * _ENTRY_LIMIT:
        raise _too_much(f"more than {MEMBER_LIMIT} members")


def _tar_members(archive: BinaryIO) -> Iterator[_Member]:
    start = archive.read(6)
    archive.seek(0)
    unpack = next((unpack for magic, unpack in _OPENERS.items() if start.startswith(magic)), None)
    with unpack(archive) if unpack else contextlib.nullcontext(archive) as stream:
        content = stream.read(ARCHIVE_LIMIT + 1)
    if len(content) > ARCHIVE_LIMIT:
        raise _too_much(f"more than {ARCHIVE_LIMIT} bytes")
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as opened:
        for number, info in enumerate(opened, 1):
            _check_number(number)
            declared = info.pax_headers.get("size", str(info.size))
            if not re.fullmatch("[0-9]+", declared):
                raise tarfile.ReadError(f"a member of {declared} bytes")
            read = lambda n, info=info: _extract(opened, info).read(n)
            yield _Member(info.name, info.size, info.isfile() and not info.issparse(), read)
        # tarfile takes a damaged header for the end
        if content[opened.offset : opened.offset + tarfile.BLOCKSIZE].strip(b"\0"):
            raise tarfile.ReadError("a damaged header")


def _check_number(number: int) -> None:
    if number > MEMBER_LIMIT:
        raise _too_much(f"more than {MEMBER_LIMIT} members")


def _too_much(excess: str) -> JnnError:
    expected = "a data package"
    return mistake("archive", got=f"{excess} in it", expected=expected, remedy="It may be a bomb.")


def _extract(opened: tarfile.TarFile, info: tarfile.TarInfo) -> BinaryIO:
    stream = opened.extractfile(info)
    assert stream is not None, "only plain files are read"
    return stream  # pyright: ignore[reportReturnType]


def _content(member: _Member, limit: int) -> bytes:
    if not member.plain:
        raise mistake(
            f"archive member {member.name!r}",
            got="a link, a folder, a device or a file with holes",
            expected="a plain file",
        )
    # The size in the header may be false: never read more than one byte past the limit.
    content = member.read(limit + 1) if member.size <= limit else b""
    if member.size > limit or len(content) > limit:
        raise mistake(
            f"archive member {member.name!r}",
            got=f"{max(member.size, len(content))} bytes",
            expected=f"at most {limit}",
            remedy="The archive may be a bomb; it was not unpacked.",
        )
    return content


def _check_name(name: str) -> None:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or re.match(r"[A-Za-z]:", name):
        raise mistake(
            "archive",
            got=f"a member named {name!r}",
            expected="names inside the archive",
            remedy="The archive is not to be trusted.",
        )


def _natural(name: str) -> list[tuple[int, str]]:
    return [
        (int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)
    ]


def _label(archive: Path | BinaryIO) -> str:
    return repr(archive.name) if isinstance(archive, Path) else "inside the archive"
