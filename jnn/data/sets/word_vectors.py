"""Pretrained word vectors."""

from __future__ import annotations

import bz2
import codecs
from collections.abc import Iterable, Sequence

import numpy as np

from jnn.data.array_files import parse_number
from jnn.data.checks import FLOAT32_MAX
from jnn.data.fetch.sources import SOURCES, fetch
from jnn.errors import mistake

GLOVE_FEATURES = 50


def load_glove50(words: Sequence[str], *, offline: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """GloVe's vectors of ``words``, (N, 50) float32, and which of them it has, (N,) bool.

    Words that GloVe does not have get zeros. Its 400,000 words are in lower case and include
    punctuation marks. Reading stops when all are found, and takes some 15 s otherwise.
    """
    path = fetch(SOURCES["glove50"], offline=offline) / "glove.6B.50d.txt.bz2"
    with bz2.open(path) as lines:
        return read_vectors(lines, words, GLOVE_FEATURES)


def read_vectors(
    lines: Iterable[bytes], words: Sequence[str], features: int
) -> tuple[np.ndarray, np.ndarray]:
    """As `load_glove50`, from lines of a word and its ``features`` numbers, separated by spaces.

    Lines are in UTF-8, and blank ones are skipped. A word may have spaces in it, as some in the
    larger files of GloVe. Raises JnnError for the line of a requested word with another number of
    features, or with anything but finite numbers.

    >>> read_vectors([b"the 1 2", b"cat 3 4"], ["cat", "dog"], 2)
    (array([[3., 4.], [0., 0.]], dtype=float32), array([ True, False]))
    """
    rows: dict[bytes, list[int]] = {}
    for row, word in enumerate(words):
        rows.setdefault(word.encode(), []).append(row)
    vectors, has_vector = np.zeros((len(words), features), np.float32), np.zeros(len(words), bool)
    beginnings = {word.partition(b" ")[0] for word in rows}
    for number, line in enumerate(lines, start=1):
        if not rows:
            break
        line = line.removeprefix(codecs.BOM_UTF8)
        first = next(iter(line.split(None, 1)), b"")
        if first not in beginnings:  # as almost none is: splitting the whole line takes long
            continue
        word, fields = _parts(line, features)
        if (place := rows.pop(word, None)) is not None:
            vectors[place], has_vector[place] = _vector(word, fields, features, number), True
    return vectors, has_vector


def _parts(line: bytes, features: int) -> tuple[bytes, list[str]]:
    """The word of a line, which may have spaces in it, and its numbers as they are written."""
    parts = line.split()
    size = max(1, len(parts) - features)
    if all(map(_is_number, parts[1:size])):  # too many numbers, and not a longer word
        size = 1
    return b" ".join(parts[:size]), [part.decode(errors="replace") for part in parts[size:]]


def _is_number(part: bytes) -> bool:
    try:
        parse_number(part.decode(errors="replace"))
    except ValueError:
        return False
    return True


def _vector(word: bytes, fields: list[str], features: int, line: int) -> list[float]:
    of = f"for {word.decode()!r} in line {line}"
    if len(fields) != features:
        got = f"{len(fields)} numbers {of}"
        raise mistake("word vectors", got=got, expected=f"{features}")
    try:
        vector = [parse_number(field) for field in fields]
        if all(abs(number) <= FLOAT32_MAX for number in vector):
            return vector
        got = f"a number that is not finite, or not in float32's range, {of}"
    except ValueError as error:
        got = f"{error} {of}"
    raise mistake("word vectors", got=got, expected=f"{features} finite numbers")
