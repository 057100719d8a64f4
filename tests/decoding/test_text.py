"""Text that is written token by token is the text of all tokens."""

import pytest

from jnn.data.tokenizers import byte_pair_tokenizer, word_tokenizer
from jnn.decoding.text import pieces

BYTES = byte_pair_tokenizer("a", vocabulary=256)


@pytest.mark.parametrize("text", ["caf\u00e9 \u20ac", "\U0001f600x", "", "a", "\ufffdb\ufffd"])
@pytest.mark.parametrize("prompt", ["", "ol\u00e9"])
def test_characters_of_several_bytes_are_written_whole(prompt, text):
    written = list(pieces(BYTES, BYTES.encode(prompt), BYTES.encode(text)))
    assert "".join(written) == text
    assert "\ufffd" in text or written == list(text)


def test_a_character_that_is_not_finished_is_replaced_at_the_end():
    tokens = BYTES.encode("b\u00e9")
    assert "".join(pieces(BYTES, [], tokens[:-1])) == "b\ufffd"
    assert "".join(pieces(BYTES, [], [*tokens[:2], *tokens[:1]])) == "b\ufffdb"


def test_words_are_apart():
    tokenizer = word_tokenizer("good day sir", special=("start",))
    tokens = [tokenizer.start, *tokenizer.encode("day sir")]
    assert list(pieces(tokenizer, tokenizer.encode("good"), tokens)) == [" day", " sir"]
