import gzip

import pytest

from jnn.data.sets import texts
from jnn.errors import JnnError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(texts, "fetch", lambda source, offline: tmp_path)
    return tmp_path


@pytest.mark.parametrize("length", [3, 10, 99, 1000])
def test_the_parts_are_the_text_once_and_the_test_part_its_end(length):
    text = "".join(chr(0x4E00 + i) for i in range(length))
    parts = texts.split_text(text, test=0.3, validation=0.5)
    assert parts.validation + parts.train + parts.test == text
    assert len(parts.validation + parts.train) == int(0.7 * length)
    assert not set(parts.train) & set(parts.validation)
    assert not set(parts.train) & set(parts.test)
    assert not set(parts.validation) & set(parts.test)


@pytest.mark.parametrize("text", ["", "a", "ab"])
def test_a_text_too_short_for_three_parts_is_refused(text):
    with pytest.raises(
        JnnError,
        match=rf"a text of {len(text)} characters, expected enough of them for three parts",
    ):
        texts.split_text(text)


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5])
def test_impossible_shares_are_refused(share):
    for shares in ({"test": share}, {"validation": share}):
        with pytest.raises(JnnError, match=r"expected a fraction"):
            texts.split_text("a" * 100, **shares)


def test_the_last_tenth_of_tiny_shakespeare_is_its_test(folder):
    (folder / "tinyshakespeare.txt").write_text("First Citizen:\n" * 100)
    parts = texts.load_tiny_shakespeare(validation=0.2)
    assert parts.validation + parts.train + parts.test == "First Citizen:\n" * 100
    assert [len(part) for part in parts] == [1080, 270, 150]


def test_the_works_of_shakespeare_are_read_as_latin_1_without_carriage_returns(folder):
    (folder / "shakespeare_gutenberg.txt").write_bytes(b"\xc6neas\r\n" * 100)
    parts = texts.load_shakespeare()
    assert parts.validation + parts.train + parts.test == "Æneas\n" * 100
    first = texts.load_shakespeare(length=60)
    assert first.validation + first.train + first.test == "Æneas\n" * 10


def test_wikitext_has_its_published_parts(folder):
    for part in ("train", "valid", "test"):
        (folder / f"{part}.raw.gz").write_bytes(gzip.compress(f" = {part} = \n é".encode()))
    assert texts.load_wikitext2() == tuple(
        f" = {part} = \n é" for part in ("train", "valid", "test")
    )
