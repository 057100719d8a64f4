import bz2

import numpy as np
import pytest

from jnn.data.sets import word_vectors
from jnn.errors import JnnError


def test_each_word_gets_its_vector_and_the_others_none(tmp_path, monkeypatch):
    vectors = np.random.default_rng(0).normal(size=(3, 50)).astype(np.float32)
    lines = [
        " ".join([word, *map(str, vector)])
        for word, vector in zip(["the", "ñu", "."], vectors.tolist(), strict=True)
    ]
    (tmp_path / "glove.6B.50d.txt.bz2").write_bytes(bz2.compress("\n".join(lines).encode()))
    monkeypatch.setattr(word_vectors, "fetch", lambda source, offline: tmp_path)
    matrix, has_vector = word_vectors.load_glove50([".", "The", "ñu", "ñu"])
    assert has_vector.tolist() == [True, False, True, True]
    np.testing.assert_array_equal(
        matrix, np.stack([vectors[2], np.zeros(50), vectors[1], vectors[1]]).astype(np.float32)
    )


def test_reading_stops_when_all_are_found():
    def lines():
        yield b"a 1"
        yield b"b 2"
        raise AssertionError("read on")

    assert word_vectors.read_vectors(lines(), ["a"], 1)[0].tolist() == [[1.0]]


def test_a_line_of_another_length_is_refused():
    with pytest.raises(JnnError, match=r"got 3 numbers for 'cat' in line 2, expected 2"):
        word_vectors.read_vectors([b"dog 1", b"cat 1 2 3"], ["cat"], 2)
    with pytest.raises(JnnError, match=r"got 1 numbers for 'cat' in line 1, expected 2"):
        word_vectors.read_vectors([b"cat 1"], ["cat"], 2)


def test_words_may_have_spaces():
    lines = [b". . . 1 2", b". 3 4", b"at a@b.c 5 6"]
    vectors, has_vector = word_vectors.read_vectors(lines, [".", "at a@b.c", ". . .", "at"], 2)
    assert has_vector.tolist() == [True, True, True, False]
    assert vectors.tolist() == [[3, 4], [5, 6], [1, 2], [0, 0]]


def test_a_byte_order_mark_and_blank_lines_hide_no_word():
    lines = [b"\xef\xbb\xbfcat 1 2\r\n", b"\n", b"dog\t3\t4\r\n", b" owl  5 6"]
    vectors, has_vector = word_vectors.read_vectors(lines, ["cat", "dog", "owl"], 2)
    assert has_vector.all()
    assert vectors.tolist() == [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]


@pytest.mark.parametrize("field", [b"red", b"1_0", b"nan", b"inf", b"1e39", b"\xff"])
def test_what_is_no_number_is_refused_by_word_and_line(field):
    with pytest.raises(JnnError, match=r"for 'cat' in line 2, expected 2 finite numbers"):
        word_vectors.read_vectors([b"dog 1 2", b"cat 1 " + field], ["cat"], 2)
