"""One token for each character."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from jnn.data.tokenizers.record import (
    Tokenizer,
    check_text,
    check_texts,
    check_tokens,
    number_special,
    written,
)
from jnn.errors import mistake


def character_tokenizer(texts: str | Iterable[str], *, special: Sequence[str] = ()) -> Tokenizer:
    """A token for each character of ``texts``, by code point, after the ``special`` ones.

    The round trip is exact for these characters. Any other is encoded as ``unknown`` where
    ``special`` has it, and decoded as U+FFFD; else it is refused by a JnnError with the character
    and its position.

    >>> tokenizer = character_tokenizer("hello", special=("end",))
    >>> tokenizer.tokens, tokenizer.encode("hole").tolist(), tokenizer.decode([2, 4, 3, 1, 0])
    (('<end>', 'e', 'h', 'l', 'o'), [2, 4, 3, 1], 'hole')
    """
    characters = sorted(set().union(*check_texts(texts, "character_tokenizer")))
    return from_characters("".join(characters), number_special(special))


def from_characters(characters: str, special: dict[str, int]) -> Tokenizer:
    """The tokenizer of the special tokens, followed by ``characters``, different and in order."""
    tokens = (*written(special), *characters)
    codes, first = _codes(characters), len(special)

    def encode(text: str) -> np.ndarray:
        check_text(text)
        text_codes = _codes(text)
        index = np.minimum(np.searchsorted(codes, text_codes), len(codes) - 1)
        has_token = codes[index] == text_codes
        if not has_token.all() and "unknown" not in special:
            raise _unknown(text, int(np.argmin(has_token)), len(codes))
        return np.where(has_token, first + index, special.get("unknown", 0)).astype(np.int32)

    decoded = [*["\ufffd" if name == "unknown" else "" for name in special], *characters]

    def decode(tokens_of_text: ArrayLike) -> str:
        return "".join(decoded[i] for i in check_tokens(tokens_of_text, tokens))

    definition = {"characters": characters, "special": special}
    return Tokenizer(
        kind="characters",
        tokens=tokens,
        special=special,
        definition=definition,
        encode=encode,
        decode=decode,
    )


def _codes(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")


def _unknown(text: str, position: int, vocabulary: int) -> Exception:
    character = text[position]
    return mistake(
        "encode",
        got=f"the character {character!r} (U+{ord(character):04X}) at position {position}",
        expected=f"the {vocabulary} characters of the tokenizer",
        remedy="Omit it, or make the tokenizer with special=('unknown',).",
    )
