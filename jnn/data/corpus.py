"""A text to learn to write, with what makes tokens of it."""

from __future__ import annotations

from typing import NamedTuple

from jnn.data.sets.texts import Texts
from jnn.data.token_files import TokenFiles
from jnn.data.tokenizers import Tokenizer, byte_pair_tokenizer, character_tokenizer


class Corpus(NamedTuple):
    """The three parts of a text, and the tokenizer."""

    texts: Texts
    tokenizer: Tokenizer
    files: TokenFiles | None = None
    """Tokens to train on in place of those of ``texts.train``."""

    @property
    def sizes(self) -> dict[str, int]:
        """The number of characters in each part."""
        return {part: len(text) for part, text in self.texts._asdict().items()}


def tokenized(texts: Texts, vocabulary: int = 0) -> Corpus:
    """The texts with a tokenizer that knows the training part alone.

    It is a byte-pair encoding of at most ``vocabulary`` tokens, or for 0 has a token for each
    character, and one more for all that the training part does not have.

    >>> corpus = tokenized(Texts("banana", "ban", "bag"))
    >>> corpus.tokenizer.tokens, corpus.tokenizer.encode(corpus.texts.test).tolist()
    (('<unknown>', 'a', 'b', 'n'), [2, 1, 0])
    """
    if vocabulary:
        return Corpus(texts, byte_pair_tokenizer(texts.train, vocabulary=vocabulary))
    return Corpus(texts, character_tokenizer(texts.train, special=("unknown",)))
