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
from jnn.integers import check_integer
from jnn.paths import check_expression

PATTERN = r"\w+|[^\w\s]"
"""A run of letters, digits and underscores, or one other character that is not white space."""


def split_words(text: str, *, lower: bool = False, pattern: str = PATTERN) -> list[str]:
    """The words of ``text``: the matches of the regular expression ``pattern``.

    >>> split_words("It's 3 o'clock.", lower=True)
    ['it', "'", 's', '3', 'o', "'", 'clock', '.']
    """
    # not findall, which gives the groups of a pattern in place of its matches
    return [match[0] for match in re.finditer(pattern, text.lower() if lower else text)]


def word_tokenizer(
    texts: str | Iterable[str],
    *,
    vocabulary: int | None = None,
    minimum: int = 1,
    lower: bool = False,
    pattern: str = PATTERN,
    special: Sequence[str] = ("padding", "unknown"),
) -> Tokenizer:
    """A token for each word that occurs at least ``minimum`` times in ``texts``.

    The ``special`` tokens come first, then words by decreasing frequency; words of one frequency
    are in alphabetical order. ``vocabulary`` is the largest number of tokens, the special ones
    included. Any other word is encoded as ``unknown`` where ``special`` has it, and else refused
    with JnnError.

    ``decode`` puts spaces between words, so that the round trip keeps the words and not the white
    space. ``pattern=r"\\S+|\\n"`` is the splitting of WikiText-2's word-level task, in which the
    end of a line is a word.

    >>> tokenizer = word_tokenizer("the cat and the dog.", vocabulary=5)
    >>> tokenizer.tokens, tokenizer.encode("the dog and the bird").tolist()
    (('<padding>', '<unknown>', 'the', '.', 'and'), [2, 1, 4, 2, 1])
    >>> tokenizer.decode([2, 1, 3])
    'the <unknown> .'
    """
    numbered = number_special(special)
    minimum = check_integer("word_tokenizer", "minimum", minimum)
    if vocabulary is not None:
        vocabulary = check_integer("word_tokenizer", "vocabulary", vocabulary)
    if vocabulary is not None and vocabulary <= len(special):
        got = f"vocabulary={vocabulary}"
        expected = f"a vocabulary larger than the {len(special)} special tokens"
        raise mistake("word_tokenizer", got=got, expected=expected)
    check_expression("word_tokenizer", pattern)
    counts: Counter[str] = Counter()
    for text in check_texts(texts, "word_tokenizer"):
        counts.update(split_words(text, lower=lower, pattern=pattern))
    frequent = [word for word, count in counts.items() if count >= minimum]
    frequent.sort(key=lambda word: (-counts[word], word))
    if not frequent:
        raise mistake(
            "word_tokenizer",
            got=f"no word at least {minimum} times in texts of {len(counts)} words",
            expected="words to take the vocabulary from",
            remedy="Lower the minimum.",
        )
    most = None if vocabulary is None else vocabulary - len(special)
    return from_words(frequent[:most], numbered, lower, pattern)


def from_words(
    words: Sequence[str], special: dict[str, int], lower: bool, pattern: str
) -> Tokenizer:
    """The tokenizer of the special tokens, followed by those of ``words``, all different."""
    tokens = (*written(special), *words)
    index = {word: len(special) + i for i, word in enumerate(words)}
    unknown = special.get("unknown")

    def encode(text: str) -> np.ndarray:
        check_text(text)
        text_words = split_words(text, lower=lower, pattern=pattern)
        encoded = [index.get(word, unknown) for word in text_words]
        if None in encoded:
            number = encoded.index(None)
            raise _unknown(text.lower() if lower else text, pattern, number, len(words))
        return np.array(encoded, np.int32)

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


def _unknown(text: str, pattern: str, number: int, vocabulary: int) -> Exception:
    word = list(re.finditer(pattern, text))[number]
    return mistake(
        "encode",
        got=f"the word {word.group()!r} at position {word.start()}",
        expected=f"the {vocabulary} words of the tokenizer",
        remedy="Omit it, or make the tokenizer with special=('unknown',).",
    )
