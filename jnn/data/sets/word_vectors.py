"""Pretrained word vectors."""

from __future__ import annotations

import bz2
from collections.abc import Iterable, Sequence

import numpy as np

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

    Lines are in UTF-8. Raises JnnError for the line of a requested word with another number of
    features.

    >>> read_vectors([b"the 1 2", b"cat 3 4"], ["cat", "dog"], 2)
    (array([[3., 4.], [0., 0.]], dtype=float32), array([ True, False]))
    """
    rows: dict[bytes, list[int]] = {}
    for row, word in enumerate(words):
        rows.setdefault(word.encode(), []).append(row)
    vectors, has_vector = np.zeros((len(words), features), np.float32), np.zeros(len(words), bool)
    for number, line in enumerate(lines, start=1):
        if not rows:
            break
        word, _, numbers = line.partition(b" ")
        if (place := rows.pop(word, None)) is not None:
            vector = np.array(numbers.split(), np.float32)
            if len(vector) != features:
                raise mistake(
                    "word vectors",
                    got=f"{len(vector)} numbers for {word.decode()!r} in line {number}",
                    expected=f"{features}",
                )
            vectors[place], has_vector[place] = vector, True
    return vectors, has_vector
