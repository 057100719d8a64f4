"""Translate short English sentences to Spanish, by an RNN with attention or a transformer.

Source    Attention: Bahdanau et al. 2015, https://arxiv.org/abs/1409.0473; Luong et al. 2015,
          https://arxiv.org/abs/1508.04025. Transformer: Vaswani et al. 2017,
          https://arxiv.org/abs/1706.03762. Byte pairs that both languages share: Sennrich et al.
          2016, https://arxiv.org/abs/1508.07909.
Data      tatoeba_spanish: 85,589 pairs of at most 8 lower-cased words and punctuation marks on each
          side, of 70,521 English sentences, 2,000 of which are the test part, with all their
          Spanish sides as references.
Baselines The first Spanish side of the nearest English sentence that is not test data, by TF-IDF of
          words and pairs of words; and the English sentence as it is.
Command   jnn run translation [--model rnn|transformer]; on a GPU, not measured yet:
          jnn run translation --width 512 --depth 3 --dropout 0.3 --epochs 30 --batch-size 256
          --precision bfloat16
          jnn generate runs/translation/latest --prompt "where is the station ?"
Result    test BLEU, mean and standard deviation over seeds 0, 1, 2, and processor time of a run on
          an Intel Xeon with ``--keep-memory``; the nearest neighbour has 0.258:

          rnn   0.421 +- 0.006   23 min

          More epochs help: with ``--epochs 7``, 0.460 (seed 0 alone).
"""

import dataclasses
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax

import jnn
from jnn.architectures.encoder_decoder import EncoderDecoderConfig, encoder_decoder
from jnn.architectures.seq2seq import Seq2SeqConfig, seq2seq
from jnn.baselines.translations import translation_scores
from jnn.data.sets.synthetic_texts import synthetic_translations
from jnn.data.sets.translations import TranslationSplits, load_tatoeba_spanish
from jnn.data.tokenizers import Tokenizer, read_tokenizer, split_words
from jnn.decoding.generate import Request
from jnn.errors import mistake
from jnn.runs import About, trained
from jnn.tasks.translation_task import translation_task
from jnn.tasks.translator import EXAMPLE, Translator, shared_byte_pairs
from jnn.train import SUITED, Task, TrainingConfig

ABOUT = About(
    task="translation of sentences",
    models=("rnn", "transformer"),
    data=("tatoeba_spanish",),
    metric="test/bleu",
    direction="highest",
    expected="0.421 ± 0.006 (rnn)",
    cost="23 min of processor time",
)
USUAL = {"vocabulary": 5000, "width": 256, "depth": 2, "heads": 4, "longest": 12}
USUAL |= {"epochs": 5, "batch_size": 128}
SMALL = {"vocabulary": 300, "width": 16, "depth": 1, "longest": 16, "epochs": 2, "batch_size": 16}
ALIGNMENT = {"rnn": "decoder/attention", "transformer": "decoder/blocks/cross_attention"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(TrainingConfig):
    """The settings of a run."""

    data: Literal["tatoeba_spanish"] = "tatoeba_spanish"
    """The sentences."""
    model: Literal["rnn", "transformer"] = "rnn"
    """The architecture."""
    vocabulary: int = SUITED
    """Tokens of the byte-pair encoding of both languages."""
    width: int = SUITED
    """Features of each layer."""
    depth: int = SUITED
    """Layers of the encoder, and of the decoder."""
    heads: int = SUITED
    """Heads of attention, of the transformer alone."""
    dropout: float = 0.2
    """Fraction of features that is dropped in training."""
    label_smoothing: float = 0.1
    """Share of the target's probability that is spread over all tokens."""
    beams: int = 5
    """Candidates of the beam search."""
    length_penalty: float = 1.0
    """Exponent of the length by which the beam search divides."""
    longest: int = SUITED
    """Tokens, on both sides, of the longest pair that is trained on."""
    epochs: int = SUITED
    batch_size: int = SUITED
    learning_rate: float = 2e-3
    clip: float = 1.0
    average_decay: float = 0.998

    def suited(self) -> dict[str, Any]:
        """Sizes, and those of a smoke run."""
        return {**USUAL, **(SMALL if self.smoke else {})}

    def __post_init__(self):
        """Fill in what suits, and refuse what the model does not have."""
        super().__post_init__()
        if self.model != "transformer":
            self.refuse(["heads"], f"for model={self.model!r}", expected="--model transformer")


class Sentences(NamedTuple):
    """Sentences with their translations, and the tokenizer of both languages."""

    splits: TranslationSplits
    tokenizer: Tokenizer


def load_data(config: Config, *, offline: bool = False) -> Sentences:
    """Sentences, and the byte pairs of their training part; synthetic in a smoke run."""
    splits = synthetic_translations() if config.smoke else load_tatoeba_spanish(offline=offline)
    return Sentences(splits, shared_byte_pairs(splits.train, config.vocabulary))


def build_model(config: Config, vocabulary: int) -> jnn.Model:
    """``{"tokens", "source", "source_mask"}``, ``(..., T)`` -> logits ``(..., T, vocabulary)``."""
    sizes = {"width": config.width, "depth": config.depth, "dropout": config.dropout}
    if config.model == "rnn":
        return config.cast(seq2seq(Seq2SeqConfig(source_vocabulary=vocabulary, **sizes)))
    settings = EncoderDecoderConfig(
        source_vocabulary=vocabulary,
        **sizes,
        heads=config.heads,
        positions="sinusoidal",
        scale_embeddings=True,
        embedding_deviation=config.width**-0.5,
    )
    return config.cast(encoder_decoder(settings))


def translator(config: Config, tokenizer: Tokenizer) -> Translator:
    """The model and its beam search."""
    search = {"beams": config.beams, "length_penalty": config.length_penalty}
    return Translator(build_model(config, tokenizer.vocabulary), tokenizer, **search)


def describe(config: Config) -> tuple[jnn.Model, dict[str, jax.ShapeDtypeStruct]]:
    """The model, for a vocabulary that is full, and the shape of one example."""
    return build_model(config, config.vocabulary), EXAMPLE


def task(config: Config, sentences: Sentences) -> Task:
    """Cross entropy of each next token; params are kept by the loss on validation sentences."""
    splits, tokenizer = sentences
    of_sentences = translation_task(
        translator(config, tokenizer),
        splits,
        batch_size=config.batch_size,
        longest=config.longest,
        label_smoothing=config.label_smoothing,
        alignment=ALIGNMENT[config.model],
    )
    return of_sentences._replace(baselines=partial(translation_scores, splits))


def generate(config: Config, folder: Path, request: Request) -> Iterator[str]:
    """The translation of a sentence."""
    sentence = " ".join(split_words(request.prompt, lower=True))
    if not sentence:
        got = f"prompt={request.prompt!r}"
        raise mistake("translation", got=got, expected="an English sentence")
    its = translator(config, read_tokenizer(folder / "tokenizer.json"))
    its = its._replace(beams=request.beams or config.beams)
    params, state = trained(its.model, EXAMPLE, folder)
    yield from its.translate(params, state, [sentence])
