"""The settings of experiments that train a model of the next token."""

import dataclasses
from collections.abc import Callable
from typing import Any, Literal

from jnn.architectures.presets import DECODERS, PEAK_LEARNING_RATES, resized
from jnn.architectures.rnn import RNNConfig
from jnn.architectures.transformer import TransformerConfig
from jnn.data.corpus import Corpus, corpus_of_files, tokenized
from jnn.data.sets.texts import Texts
from jnn.data.token_files import token_files
from jnn.errors import mistake
from jnn.interop.pretrained import Pretrained, decoder_settings, pretrained_decoder
from jnn.tasks.language_model import (
    LanguageModel,
    language_model,
    pretrained_language_model,
)
from jnn.train.config import SUITED
from jnn.train.fine_tuning import FineTuningConfig

TILE = 128
"""A table of embeddings has a multiple of so many rows, which a mesh divides."""
_SAVING = {"batch_size": 64, "remat": "full", "loss_rows": 8192}
_SMALL = {
    "vocabulary": 300,
    "length": 16,
    "width": 24,
    "depth": 1,
    "heads": 4,
    "batch_size": 16,
    "loss_rows": 64,
    "learning_rate": 3e-3,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class LanguageModelConfig(FineTuningConfig):
    """A `FineTuningConfig` whose model may be recurrent, or a transformer, published or not.

    An experiment's config inherits it. Its ``suited`` says what suits its text, and adds that of
    this class, which is what follows from a preset or a pretrained model, last. An epoch has as
    many windows as it takes to see the text once.

    >>> sizes = {"length": 64, "width": 128, "depth": 1, "heads": 4, "epochs": 5, "batch_size": 32}
    >>> usual = {"model": "gru", "vocabulary": 0, "dropout": 0.0, "learning_rate": 3e-3, **sizes}
    >>> @dataclasses.dataclass(frozen=True, kw_only=True)
    ... class Config(LanguageModelConfig):
    ...     def suited(self):
    ...         return {**usual, **super().suited()}
    >>> [config.width for config in (Config(), Config(width=9), Config(preset="gpt2"))]
    [128, 9, 768]
    """

    tokens: str = ""
    """A folder of tokens in files, with their tokenizer, as `jnn tokens` writes them: the text to
    train, validate and test on.
    """
    model: Literal["rnn", "lstm", "gru", "transformer"] = SUITED
    """The architecture: an lstm, or that of the pretrained model."""
    preset: Literal["none", "gpt2", "gpt2_xl", "llama2_7b"] = "none"
    """A published transformer, to be trained from scratch: its sizes, positions and norms, byte
    pairs, and what saves memory. --smoke makes it small.
    """
    vocabulary: int = SUITED
    """Most tokens of a byte-pair encoding; 0 for a token for each character."""
    length: int = SUITED
    """Tokens in a window: how far gradients, and the attention of a transformer, reach back."""
    width: int = SUITED
    """Features of each layer."""
    depth: int = SUITED
    """Layers, or blocks."""
    heads: int = SUITED
    """Heads of attention, of the transformer alone."""
    remat: Literal["none", "products", "projections", "full"] = SUITED
    """What a transformer recomputes in the backward pass, to save memory: see `jnn.remat`."""
    loss_rows: int = SUITED
    """Tokens for which a transformer makes logits at a time on each device, to save memory; 0 for
    all.
    """
    fused: bool = False
    """Attention of a transformer by a fused kernel, where a GPU has one; without dropout."""
    dropout: float = SUITED
    """Fraction of features that is dropped in training."""
    epochs: int = SUITED
    batch_size: int = SUITED
    learning_rate: float = SUITED

    def suited(self) -> dict[str, Any]:
        """What follows from a preset or from a pretrained model, if there is one."""
        usual = {"remat": "none", "loss_rows": 0}
        if self.preset != "none":
            return {**usual, **self._of_preset()}
        return {**usual, **self._of_pretrained()} if self.pretrained else usual

    def _of_preset(self) -> dict[str, Any]:
        """The sizes of the published model, but for a smoke run, and what saves memory."""
        its, rate = DECODERS[self.preset], PEAK_LEARNING_RATES[self.preset]
        names = ("vocabulary", "length", "width", "depth", "heads")
        sizes = {name: getattr(its, name) for name in names}
        small = _SMALL if self.smoke else {}
        settings = {"model": "transformer", "dropout": 0.0, "learning_rate": rate}
        return {**settings, **_SAVING, **sizes, **small}

    def _of_pretrained(self) -> dict[str, Any]:
        """The sizes of the pretrained model, and steps that change it slowly."""
        its, rate = decoder_settings(self.pretrained), 2e-4 if self.lora else 5e-5
        sizes = {"width": its.width, "depth": its.depth, "heads": its.heads, "vocabulary": 0}
        length = min(its.length, 16 if self.smoke else 128)
        steps = {"learning_rate": rate, "dropout": 0.0, "batch_size": 8, "epochs": 1}
        return {"model": "transformer", "length": length, **sizes, **steps}

    def __post_init__(self):
        """Fill in what suits, and refuse what does not go together."""
        preset = self.preset if self.preset != "none" else ""
        for name, value in {"tokens": self.tokens, "preset": preset}.items():
            if value and self.pretrained:
                got = f"{name}={value!r} and a pretrained model"
                raise mistake("config", got=got, expected="one of them")
        super().__post_init__()
        self.require("vocabulary", "loss_rows", least=0)
        if self.pretrained:
            of_its_own = ["model", "vocabulary", "width", "depth", "heads", "remat", "loss_rows"]
            self.refuse(of_its_own, "for a pretrained model", expected="what that has")
        if self.tokens:
            self.refuse(["vocabulary"], "for tokens in files", expected="that of their tokenizer")
        if self.preset != "none":
            self.refuse(["model"], f"for preset={self.preset!r}", expected="--model transformer")
        if self.model != "transformer":
            only = ["heads", "remat", "loss_rows"]
            self.refuse(only, f"for model={self.model!r}", expected="--model transformer")
        if self.fused and (self.model != "transformer" or self.pretrained or self.dropout):
            got = f"fused=True, model={self.model!r}, dropout={self.dropout}"
            expected = "a transformer that is trained from scratch, with --dropout 0"
            raise mistake("config", got=got, expected=expected)

    def corpus(self, load: Callable[[], Texts]) -> Corpus:
        """The tokens of files, of which --smoke takes a few; without any, `tokenized` texts."""
        if not self.tokens:
            return self.tokenized(load())
        files = token_files(self.tokens)
        few = self.batch_size * self.length + 1
        most = {"train": 16 * few, "validation": few, "test": few} if self.smoke else {}
        return corpus_of_files(files.shortened(most))

    def tokenized(self, texts: Texts) -> Corpus:
        """The texts with the tokenizer that these settings ask for."""
        if self.pretrained:
            tokenizer = self.pretrained_decoder().tokenizer
            assert tokenizer, "a decoder has one"
            return Corpus(texts, tokenizer)
        return tokenized(texts, self.vocabulary)

    def tokens_of(self, characters: int) -> int:
        """How many tokens there are, without the text, which has so many different characters.

        Characters have one more token, for all that the training part does not have.
        """
        if self.tokens:
            return token_files(self.tokens, contents=False).vocabulary
        return self.vocabulary or characters + 1

    def transformer_settings(self, vocabulary: int, **others: Any) -> TransformerConfig:
        """Those of the preset in these sizes; without one, these sizes and ``others``."""
        names = ("length", "width", "depth", "heads", "dropout", "remat", "fused")
        sizes: dict[str, Any] = {name: getattr(self, name) for name in names}
        sizes["vocabulary"] = vocabulary
        if self.preset == "none":
            return TransformerConfig(**sizes, **others)
        rows = -(-vocabulary // TILE) * TILE
        return resized(DECODERS[self.preset], embedding_rows=rows, **sizes)

    def pretrained_decoder(self) -> Pretrained:
        """The pretrained model, with what these settings add to it."""
        return self.adapted(pretrained_decoder(self.pretrained, dropout=self.dropout))

    def language_model(self, settings: RNNConfig | TransformerConfig) -> LanguageModel:
        """The model of an architecture's settings, in this precision and with this loss."""
        sizes: dict[str, Any] = {"length": self.length, "loss_rows": self.loss_rows}
        return language_model(settings, cast=self.cast, **sizes)

    def pretrained_language_model(self) -> LanguageModel:
        """The pretrained model, in this precision."""
        pretrained = self.pretrained_decoder()
        return pretrained_language_model(pretrained, length=self.length, cast=self.cast)
