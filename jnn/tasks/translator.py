"""A model of translations between its tokenizer's ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jnn.data.sequence_pairs import sequence_pairs
from jnn.data.sets.translations import Translation, pairs_of
from jnn.data.tokenizers import Tokenizer, byte_pair_tokenizer
from jnn.decoding.text import translate
from jnn.losses import cross_entropy
from jnn.model import Model, Params, State

SPECIAL = ("padding", "start", "end")
"""The special tokens of its tokenizer."""
_TOKENS = jax.ShapeDtypeStruct((8,), jnp.int32)
_MASK = jax.ShapeDtypeStruct((8,), jnp.bool_)
EXAMPLE = {"tokens": _TOKENS, "source": _TOKENS, "source_mask": _MASK}
"""The shape of one example of its model."""


def spaced(sentence: str) -> str:
    """A space before the first word too, so that a word is the same tokens wherever it stands."""
    return f" {sentence}"


def shared_byte_pairs(sentences: Sequence[Translation], vocabulary: int) -> Tokenizer:
    """A byte-pair encoding of both languages of at most ``vocabulary`` tokens."""
    sides = (spaced(side) for pair in pairs_of(sentences) for side in pair)
    return byte_pair_tokenizer(sides, vocabulary=vocabulary, special=SPECIAL)


class Translator(NamedTuple):
    """A model that translates sentences, and how.

    ``model``           ``{"tokens", "source", "source_mask"}``, ``(..., T)`` -> logits of the next
                        tokens ``(..., T, vocabulary)``, as `jnn.architectures.seq2seq.seq2seq`
    ``tokenizer``       of both languages, with the special tokens ``SPECIAL``
    ``beams``           candidates of the beam search
    ``length_penalty``  exponent of the length by which it divides
    ``most``            tokens of a translation

    >>> from jnn.architectures.seq2seq import Seq2SeqConfig, seq2seq
    >>> from jnn.data.tokenizers import word_tokenizer
    >>> tokenizer = word_tokenizer("good day buen día", special=SPECIAL)
    >>> model = seq2seq(Seq2SeqConfig(source_vocabulary=tokenizer.vocabulary, width=8, depth=1))
    >>> translator = Translator(model, tokenizer, beams=2)
    >>> arrays = translator.encode([("good day", "buen día"), ("good", "buen")])
    >>> arrays["target_mask"].sum(axis=-1).tolist()  # words, and the end
    [3, 2]
    """

    model: Model
    tokenizer: Tokenizer
    beams: int = 5
    length_penalty: float = 1.0
    most: int = 32

    def tokens(self, sentence: str) -> np.ndarray:
        """Those of a sentence, ``(T,)``, without special ones."""
        return self.tokenizer.encode(spaced(sentence))

    def encode(
        self, pairs: Sequence[tuple[str, str]], longest: int | None = None
    ) -> dict[str, np.ndarray]:
        """Pairs of sentences as the arrays of `jnn.data.sequence_pairs.sequence_pairs`."""
        both = zip(*pairs, strict=True)
        sources, targets = ([self.tokens(side) for side in sides] for sides in both)
        its = self.tokenizer
        special = {"start": its.start, "end": its.end, "padding": its.padding}
        return sequence_pairs(sources, targets, **special, longest=longest)

    def losses(
        self,
        params: Params,
        state: State,
        batch: Mapping[str, Any],
        *,
        label_smoothing: float = 0.0,
        **options: Any,
    ) -> tuple[jax.Array, State]:
        """The cross entropy of the tokens of translations, in nats, ``(..., T)``, and the state.

        ``batch`` is as `encode` makes it; where ``target_mask`` is False, losses mean nothing.
        """
        x = {name: batch[name] for name in EXAMPLE}
        logits, state = self.model.apply(params, state, x, mask=batch["target_mask"], **options)
        return cross_entropy(logits, batch["targets"], label_smoothing=label_smoothing), state

    def translate(self, params: Params, state: State, sentences: Sequence[str]) -> list[str]:
        """The best translation of each sentence that the beam search finds."""
        texts = [spaced(sentence) for sentence in sentences]
        search = {"beams": self.beams, "length_penalty": self.length_penalty, "length": self.most}
        return translate(self.model, params, state, self.tokenizer, texts, **search)
