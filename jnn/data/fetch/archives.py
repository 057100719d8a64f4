"""Single members of a wheel, a source distribution or another zip or tar file, as bytes.

Nothing is unpacked to disk, so that an archive can neither write outside of a folder nor leave
files behind. Paths that leave the archive, links, and members larger than declared are refused.
"""

from __future__ import annotations

import io
import lzma
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

from jnn.errors import mistake

ARCHIVE_LIMIT = 256 * 2**20
"""Largest total size, in bytes, of a tar file's contents or of an archive inside an archive.

It is ten times the largest in use.
"""

_DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    NotImplementedError,
    RuntimeError,
)


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
    try:
        for member in _members(archive):
            _check_name(member.name)
            if fnmatchcase(member.name, pattern):
                used = sum(map(len, contents.values()))
                contents[member.name] = _content(member, limit - used)
    except _DAMAGE as error:
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
    with zipfile.ZipFile(archive) as opened:
        for info in opened.infolist():
            plain = not info.is_dir() and not stat.S_ISLNK(info.external_attr >> 16)
            read = lambda n, info=info: opened.open(info).read(n)
            yield _Member(info.filename, info.file_size, plain, read)


def _tar_members(archive: BinaryIO) -> Iterator[_Member]:
    total = 0
    with tarfile.open(fileobj=archive, mode="r:*") as opened:
        for info in opened:
            total += info.size
            if total > ARCHIVE_LIMIT:
                raise mistake(
                    "archive",
                    got=f"more than {ARCHIVE_LIMIT} bytes in it",
                    expected="a data package",
                    remedy="It may be a bomb.",
                )
            read = lambda n, info=info: _extract(opened, info).read(n)
            yield _Member(info.name, info.size, info.isfile(), read)


def _extract(opened: tarfile.TarFile, info: tarfile.TarInfo) -> BinaryIO:
    stream = opened.extractfile(info)
    assert stream is not None, "only plain files are read"
    return stream  # pyright: ignore[reportReturnType]


def _content(member: _Member, limit: int) -> bytes:
    if not member.plain:
        raise mistake(
            f"archive member {member.name!r}",
            got="a link, a folder or a device",
            expected="a plain file",
        )
    # The size in the header may lie: never read more than one byte past the limit.
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
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def _label(archive: Path | BinaryIO) -> str:
    return repr(archive.name) if isinstance(archive, Path) else "inside the archive"
