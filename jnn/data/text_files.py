"""Text files of a user: decoded by their byte order mark, and refused where they are no text."""

from __future__ import annotations

import codecs
from pathlib import Path

from jnn.errors import mistake

_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",  # before UTF-16, whose mark is its beginning
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_PACKED = {
    b"\x1f\x8b": "a gzip file",
    b"PK\x03\x04": "a zip file, such as a spreadsheet",
    b"BZh": "a bzip2 file",
    b"\xfd7zXZ\0": "an xz file",
    b"\x28\xb5\x2f\xfd": "a Zstandard file",
}


def read_text(path: str | Path) -> str:
    r"""The text of a file in UTF-8, or in UTF-16 or UTF-32 with a byte order mark.

    The mark is not part of the text, and every end of a line is ``\n``. Raises JnnError, with the
    line, for bytes that are no text in that encoding, such as those of Latin-1, and for a missing
    or compressed file.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "a.txt")
    ...     _ = path.write_text("née", encoding="utf-16")
    ...     read_text(path)
    'née'
    """
    return text_of(read_bytes(path), str(path))


def read_bytes(path: str | Path) -> bytes:
    """The bytes of a file; raises JnnError for one that is missing, or cannot be read."""
    path = existing_file(path)
    try:
        return path.read_bytes()
    except OSError as error:  # such as of a damaged disk
        got = error.strerror or str(error)
        raise mistake(str(path), got=got, expected="a file that can be read") from error


def text_of(content: bytes, caller: str) -> str:
    r"""The text that bytes of a user are, decoded as `read_text` does; ``caller`` is their source.

    >>> text_of(b"\xef\xbb\xbfone\r\ntwo", "standard input")
    'one\ntwo'
    """
    encoding, mark = read_mark(content, caller)
    content = content[mark:]
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise undecodable(caller, error, encoding) from error
    if "\0" in text:
        raise zero_byte(caller, text.index("\0"))
    text = text.lstrip("\ufeff")  # a program may have put its own before that of another
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_mark(content: bytes, caller: str) -> tuple[str, int]:
    r"""The encoding that the byte order mark in front of ``content`` says, and its length.

    Raises JnnError for the beginning of a compressed file.

    >>> read_mark(b"\xef\xbb\xbfone", "a.txt"), read_mark(b"one", "a.txt")
    (('utf-8', 3), ('utf-8', 0))
    """
    for start, kind in _PACKED.items():
        if content.startswith(start):
            raise mistake(caller, got=kind, expected="text", remedy="Unpack it first.")
    mark = next((mark for mark in _MARKS if content.startswith(mark)), b"")
    return _MARKS.get(mark, "utf-8"), len(mark)


def undecodable(caller: str, error: UnicodeDecodeError, encoding: str, line: int = 1) -> Exception:
    """The refusal of bytes, the first of which are on the line of that number."""
    return mistake(
        f"{caller}, line {line + error.object.count(10, 0, error.start)}",
        got=f"the byte 0x{error.object[error.start]:02x}, which is not {encoding.upper()}",
        expected="text in UTF-8",
        remedy="Is it Latin-1? Save it as UTF-8.",
    )


def zero_byte(caller: str, position: int) -> Exception:
    """The refusal of a text with a zero byte, at the character of that position."""
    return mistake(
        caller,
        got=f"a zero byte, at character {position}",
        expected="text in UTF-8",
        remedy="Is it a binary file, or UTF-16 without a byte order mark?",
    )


def existing_file(path: str | Path) -> Path:
    """The path of a file that exists and can be read; raises JnnError where there is none."""
    path = Path(path)
    try:
        if path.is_file():
            with path.open("rb"):
                return path
    except (OSError, ValueError) as error:  # such as of a zero in the path
        got = getattr(error, "strerror", None) or str(error)
        raise mistake(str(path), got=got, expected="a file that can be read") from error
    got = "no such file"
    if path.exists():
        got = "a folder" if path.is_dir() else "a device or a pipe"
    elif path.is_symlink():
        got = "a link that leads nowhere"
    remedy = f"Looked in {path.resolve().parent}."
    raise mistake(str(path), got=got, expected="an existing file", remedy=remedy)
