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
    """A token for each character of ``texts``, in the order of their code points, after the
    ``special`` ones.

    The round trip is exact for these characters. Any other is encoded as ``unknown`` where
    ``special`` has it, decoded as U+FFFD, and else refused with JnnError naming the character and
    its position.

    >>> tokenizer = character_tokenizer("hello", special=("end",))
    >>> tokenizer.tokens, tokenizer.encode("hole").tolist(), tokenizer.decode([2, 4, 3, 1, 0])
    (('<end>', 'e', 'h', 'l', 'o'), [2, 4, 3, 1], 'hole')
    """
    found = sorted(set().union(*check_texts(texts, "character_tokenizer")))
    return from_characters("".join(found), number_special(special))


def from_characters(characters: str, special: dict[str, int]) -> Tokenizer:
    """The tokenizer whose special tokens are followed by those of ``characters``, which are
    different and in order.
    """
    tokens = (*written(special), *characters)
    codes, first = _codes(characters), len(special)

    def encode(text: str) -> np.ndarray:
        check_text(text)
        wanted = _codes(text)
        place = np.minimum(np.searchsorted(codes, wanted), len(codes) - 1)
        known = codes[place] == wanted
        if not known.all() and "unknown" not in special:
            raise _unknown(text, int(np.argmin(known)), len(codes))
        return np.where(known, first + place, special.get("unknown", 0)).astype(np.int32)

    shown = [
        "\ufffd" if i == special.get("unknown") else "" if i < first else token
        for i, token in enumerate(tokens)
    ]

    def decode(tokens_of_text: ArrayLike) -> str:
        return "".join(shown[i] for i in check_tokens(tokens_of_text, tokens))

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


def _unknown(text: str, position: int, known: int) -> Exception:
    character = text[position]
    got = f"the character {character!r} (U+{ord(character):04X}) at position {position}"
    remedy = "Leave it out, or make the tokenizer with special=('unknown',)."
    return mistake(
        "encode",
        got=got,
        expected=f"the {known} characters that the tokenizer knows",
        remedy=remedy,
    )
