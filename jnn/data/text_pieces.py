"""Texts larger than memory, a piece at a time, and the documents of a corpus in files.

A document is an iterable of pieces, strings that are its text one after the other. Only one piece
is in memory.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from jnn.data.text_files import existing_file, read_mark, undecodable, zero_byte
from jnn.errors import mistake

PIECE = 2**20
"""Characters of a piece, at most."""
OBJECTS = ".jsonl"
"""The end of the names of files with a document on each line, a JSON object with its text."""


def documents(paths: Iterable[str | Path], *, field: str = "text") -> Iterator[Iterator[str]]:
    r"""The documents of text files, each of which is to be read before the next one is taken.

    A file of the name ``*.jsonl`` has a document on each line, in the ``field`` of a JSON object;
    any other file is one document. Raises JnnError for a file that is missing or no text, with the
    line, for a line that is no such object, and for objects that are not in UTF-8.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "a.jsonl")
    ...     _ = path.write_text('{"text": "one"}\n{"text": "two"}\n')
    ...     [list(document) for document in documents([path])]
    [['one'], ['two']]
    """
    for path in map(Path, paths):
        if path.suffix == OBJECTS:
            yield from _of_objects(path, field)
        else:
            yield file_pieces(path)


def file_pieces(path: str | Path, *, most: int = PIECE) -> Iterator[str]:
    """The text that `jnn.data.text_files.read_text` reads whole, in `pieces`."""
    with existing_file(path).open("rb") as stream:
        yield from pieces(stream, str(path), most=most)


def pieces(stream: IO[bytes], caller: str, *, most: int = PIECE) -> Iterator[str]:
    r"""The text in a stream of bytes, in pieces of at most ``most`` characters.

    A piece ends before an end of line that text follows at once, or else between two words, or else
    anywhere. So the byte pairs of the pieces, one after the other, are those of the whole text for
    jnn's tokenizers and GPT-2's, unless a word is longer than a piece; tokenizers that add a space
    in front of a text do so for each piece.

    Raises JnnError, with the line, for what is no text; ``caller`` is its source.

    >>> list(pieces(io.BytesIO(b"one two\r\nthree four"), "standard input", most=12))
    ['one two', '\nthree four']
    """
    rest = ""
    for block in _decoded(stream, caller, most):
        rest += block
        while len(rest) > most:
            cut = _cut(rest[: most + 1])
            yield rest[:cut]
            rest = rest[cut:]
    if rest:
        yield rest


def _cut(text: str) -> int:
    """Where to divide a text that has one character more than a piece, not at its beginning."""
    for end in ("\n", " "):
        at = text.rfind(end, 1, len(text) - 1)
        while at > 0 and text[at + 1].isspace():
            at = text.rfind(end, 1, at)
        if at > 0:
            return at
    return len(text) - 1


def _decoded(stream: IO[bytes], caller: str, most: int) -> Iterator[str]:
    r"""The text in a stream, in blocks of ``most`` bytes, in which lines end with ``\n``."""
    content = stream.read(max(most, 8))
    encoding, mark = read_mark(content, caller)
    content = content[mark:]
    decoder = codecs.getincrementaldecoder(encoding)()
    lines = io.IncrementalNewlineDecoder(None, translate=True)
    line, characters, is_start = 1, 0, True
    while True:
        try:
            text = decoder.decode(content, final=not content)
        except UnicodeDecodeError as error:
            raise undecodable(caller, error, encoding, line) from error
        if "\0" in text:
            raise zero_byte(caller, characters + text.index("\0"))
        line, characters = line + text.count("\n"), characters + len(text)
        if is_start:
            text = text.lstrip("\ufeff")  # of other marks, as in `jnn.data.text_files.text_of`
            is_start = not text
        if text := lines.decode(text, final=not content):
            yield text
        if not content:
            return
        content = stream.read(most)


def _of_objects(path: Path, field: str) -> Iterator[Iterator[str]]:
    """The documents of a file of JSON objects, one a line."""
    with existing_file(path).open("rb") as stream:
        encoding, _ = read_mark(stream.read(8), str(path))
        if encoding != "utf-8":
            got, remedy = f"{encoding.upper()}, by its mark", "Save it as UTF-8."
            raise mistake(str(path), got=got, expected="lines in UTF-8", remedy=remedy)
        stream.seek(0)
        for number, line in enumerate(stream, start=1):
            if not line.strip():
                continue
            text = None
            with contextlib.suppress(ValueError, RecursionError):
                value = json.loads(line.decode().lstrip("\ufeff"))
                text = value.get(field) if isinstance(value, dict) else None
            if not isinstance(text, str):
                raise mistake(
                    f"{path}, line {number}",
                    got=f"{line.decode(errors='backslashreplace').strip()[:60]!r}",
                    expected=f'a JSON object with a text, as {{"{field}": "..."}}',
                    remedy="Name the field that has the text: --field NAME.",
                )
            yield iter([text])
