"""One token for each word and each punctuation mark."""

from __future__ import annotations

import re
from collections import Counter
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

PATTERN = r"\w+|[^\w\s]"
"""A run of letters, digits and underscores, or one other character that is no white space."""


def split_words(text: str, *, lower: bool = False, pattern: str = PATTERN) -> list[str]:
    """The words of ``text``: what the regular expression ``pattern`` finds in it.

    >>> split_words("It's 3 o'clock.", lower=True)
    ['it', "'", 's', '3', 'o', "'", 'clock', '.']
    """
    return re.findall(pattern, text.lower() if lower else text)


def word_tokenizer(
    texts: str | Iterable[str],
    *,
    vocabulary: int | None = None,
    minimum: int = 1,
    lower: bool = False,
    pattern: str = PATTERN,
    special: Sequence[str] = ("padding", "unknown"),
) -> Tokenizer:
    """A token for each word that is found at least ``minimum`` times in ``texts``: the most
    frequent first, after the ``special`` ones.

    ``vocabulary`` is the largest number of tokens, the special ones included; words of one
    frequency are in alphabetical order. Any other word is encoded as ``unknown`` where ``special``
    has it, and else refused with JnnError. ``decode`` puts spaces between words, so that the round
    trip keeps the words and not the white space. ``pattern=r"\\S+|\\n"`` is the splitting of
    WikiText-2's word-level task, in which the end of a line is a word.

    >>> tokenizer = word_tokenizer("the cat and the dog.", vocabulary=5)
    >>> tokenizer.tokens, tokenizer.encode("the dog and the bird").tolist()
    (('<padding>', '<unknown>', 'the', '.', 'and'), [2, 1, 4, 2, 1])
    >>> tokenizer.decode([2, 1, 3])
    'the <unknown> .'
    """
    numbered = number_special(special)
    if minimum < 1 or (vocabulary is not None and vocabulary <= len(special)):
        got = f"minimum={minimum}, vocabulary={vocabulary}"
        raise mistake(
            "word_tokenizer",
            got=got,
            expected=f"minimum >= 1, and a vocabulary of more than the {len(special)} special tokens",
        )
    listed = check_texts(texts, "word_tokenizer")
    counts = Counter(
        word for text in listed for word in split_words(text, lower=lower, pattern=pattern)
    )
    frequent = sorted(
        (word for word, count in counts.items() if count >= minimum),
        key=lambda word: (-counts[word], word),
    )
    if not frequent:
        got = f"no word at least {minimum} times in texts of {len(counts)} words"
        raise mistake(
            "word_tokenizer",
            got=got,
            expected="words to take the vocabulary from",
            remedy="Lower the minimum.",
        )
    return from_words(
        frequent[: None if vocabulary is None else vocabulary - len(special)],
        numbered,
        lower,
        pattern,
    )


def from_words(
    words: Sequence[str], special: dict[str, int], lower: bool, pattern: str
) -> Tokenizer:
    """The tokenizer whose special tokens are followed by those of ``words``, which are
    different.
    """
    tokens = (*written(special), *words)
    index = {word: len(special) + i for i, word in enumerate(words)}
    unknown = special.get("unknown")

    def encode(text: str) -> np.ndarray:
        check_text(text)
        found = [
            index.get(word, unknown) for word in split_words(text, lower=lower, pattern=pattern)
        ]
        if None in found:
            raise _unknown(text.lower() if lower else text, pattern, found.index(None), len(words))
        return np.array(found, np.int32)

    hidden = set(special.values()) - {unknown}

    def decode(tokens_of_text: ArrayLike) -> str:
        return " ".join(tokens[i] for i in check_tokens(tokens_of_text, tokens) if i not in hidden)

    definition = {"words": list(words), "special": special, "lower": lower, "pattern": pattern}
    return Tokenizer(
        kind="words",
        tokens=tokens,
        special=special,
        definition=definition,
        encode=encode,
        decode=decode,
    )


def _unknown(text: str, pattern: str, number: int, known: int) -> Exception:
    word = list(re.finditer(pattern, text))[number]
    got = f"the word {word.group()!r} at position {word.start()}"
    remedy = "Leave it out, or make the tokenizer with special=('unknown',)."
    return mistake(
        "encode", got=got, expected=f"the {known} words that the tokenizer knows", remedy=remedy
    )
