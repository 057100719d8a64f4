"""A text to learn to write, with what makes tokens of it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from jnn.data.sets.texts import Texts
from jnn.data.token_files import TokenFiles, text_of_tokens
from jnn.data.token_windows import predicted_characters
from jnn.data.tokenizers import Tokenizer, byte_pair_tokenizer, character_tokenizer
from jnn.errors import mistake

READ = 2**20
"""Tokens of the training part in files that are read as text."""


class Corpus(NamedTuple):
    """The three parts of a text, and the tokenizer."""

    texts: Texts
    """With ``files``, their text: of the training part the end, since it may be long."""
    tokenizer: Tokenizer
    files: TokenFiles | None = None
    """The tokens, where they are not those of ``texts``."""

    @property
    def sizes(self) -> dict[str, Any]:
        """The number of characters in each part, or of tokens in files."""
        if self.files is None:
            return {part: len(text) for part, text in self.texts._asdict().items()}
        return {"tokens": {part: len(self.files.part(part)) for part in self.files.parts}}

    def tokens(self, part: str, *, least: int = 0) -> np.ndarray:
        """The tokens of ``train``, ``validation`` or ``test``, (T,) int32.

        Raises JnnError where files have fewer than ``least``.
        """
        if self.files is None:
            return self.tokenizer.encode(getattr(self.texts, part))
        tokens = self.files.part(part)
        if len(tokens) < least:
            raise mistake(
                f"{part} of tokens {tokens.folder}",
                got=f"{len(tokens):,} tokens",
                expected=f"at least {least:,}, a window and its last target",
                remedy="Write the set with more text, or texts for validation and test; or choose "
                "a smaller --length.",
            )
        return tokens.read(0, len(tokens))

    def predicted(self, part: str) -> int:
        """The characters of a part but those of its first token, for nats per character."""
        text = getattr(self.texts, part)
        if self.files is None:
            return predicted_characters(text, self.tokenizer)
        first = self.files.part(part).read(0, 1)
        return len(text) - len(text_of_tokens(first, self.tokenizer))


def corpus_of_files(files: TokenFiles) -> Corpus:
    """Tokens in files, with their tokenizer and the texts of their parts."""
    tokenizer = files.read_tokenizer()
    train, validation, test = map(files.part, Texts._fields)
    ranges = (train, max(len(train) - READ, 0)), (validation, 0), (test, 0)
    read = (part.read(start, len(part)) for part, start in ranges)
    return Corpus(Texts(*(text_of_tokens(tokens, tokenizer) for tokens in read)), tokenizer, files)


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
