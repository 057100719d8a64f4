"""Texts in pieces: the same text and byte pairs as whole, and what is no text."""

import io
import tracemalloc

import numpy as np
import pytest

from jnn.data.text_files import text_of
from jnn.data.text_pieces import documents, file_pieces, pieces
from jnn.data.tokenizers import byte_pair_tokenizer
from jnn.errors import JnnError

WORDS = [
    "To",
    "be,",
    "or",
    "not\n",
    "\n\n",
    "  ",
    "l'été",
    "🙂",
    "\t",
    "\r\n",
    "\r",
    "漢字",
    "12,345",
]


def text(seed, words=60):
    chosen = np.random.default_rng(seed).integers(len(WORDS), size=words)
    return " ".join(WORDS[i] for i in chosen)


def split(content, most):
    return list(pieces(io.BytesIO(content), "a.txt", most=most))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("most", [1, 2, 5, 17, 1000])
def test_pieces_are_the_text_that_is_read_whole(most, encoding):
    for seed in range(5):
        content = ("\ufeff" * (seed % 3) + text(seed)).encode(encoding)
        found = split(content, most)
        assert "".join(found) == text_of(content, "a.txt")
        assert all(0 < len(piece) <= most for piece in found)


def test_byte_pairs_of_pieces_are_those_of_the_whole_text():
    tokenizer = byte_pair_tokenizer([text(seed) for seed in range(9)], vocabulary=320)
    for seed in range(20):
        whole = text_of(text(seed, 200).encode(), "a.txt")
        parts = [tokenizer.encode(piece) for piece in split(whole.encode(), 60)]
        assert len(parts) > 8
        np.testing.assert_array_equal(np.concatenate(parts), tokenizer.encode(whole))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"one\ntwo\n" * 9 + b"caf\xe9 x", "a.txt, line 19: got the byte 0xe9, which is not UTF-8"),
        ("one\ntwé".encode()[:-1], "a.txt, line 2: got the byte 0xc3"),
        (b"x" * 20 + b"\0", "a.txt: got a zero byte, at character 20"),
        (b"\x1f\x8b" + bytes(9), "a.txt: got a gzip file, expected text. Unpack it first."),
        (b"PK\x03\x04" + bytes(9), "a.txt: got a zip file"),
    ],
)
@pytest.mark.parametrize("most", [2, 1000])
def test_what_is_no_text_is_refused_as_it_is_whole(content, message, most):
    for read in (lambda: split(content, most), lambda: text_of(content, "a.txt")):
        with pytest.raises(JnnError) as raised:
            read()
        assert str(raised.value).startswith(message)


def test_a_file_larger_than_memory_is_read_in_pieces(tmp_path):
    path = tmp_path / "large.txt"
    path.write_bytes(b"a line of a text\n" * 500_000)
    tracemalloc.start()
    try:
        lines = sum(piece.count("\n") for piece in file_pieces(path, most=2**16))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert lines == 500_000
    assert peak < 2**20, "of 8 MB"


def test_documents_are_files_or_lines_of_objects(tmp_path):
    (tmp_path / "a.txt").write_text("one\ntwo")
    (tmp_path / "b.jsonl").write_bytes(
        b'\xef\xbb\xbf\xef\xbb\xbf{"body": "three"}\n\n{"body": ""}\n'
    )
    paths = [tmp_path / "a.txt", tmp_path / "b.jsonl"]
    found = [list(document) for document in documents(paths, field="body")]
    assert found == [["one\ntwo"], ["three"], [""]]


@pytest.mark.parametrize("line", ['{"body": "x"}', '{"text": 3}', "[1]", "{", "\xff", "1" * 5000])
def test_lines_that_have_no_text_are_named(tmp_path, line):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"text": "one"}\n' + line.encode("latin-1") + b"\n")
    with pytest.raises(JnnError, match=r'a.jsonl, line 2: got .* {"text": "\.\.\."}. Name the'):
        list(documents([path]))


def test_objects_in_another_encoding_are_refused_by_its_name(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "one"}\n', encoding="utf-16")
    with pytest.raises(JnnError, match=r"a.jsonl: got UTF-16-LE, by its mark, .* as UTF-8"):
        list(documents([path]))


def test_a_file_that_is_missing_is_named(tmp_path):
    with pytest.raises(JnnError, match="got no such file"):
        list(next(documents([tmp_path / "none.txt"])))
