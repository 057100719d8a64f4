"""Generate text by predicting the next character, or the next token of a byte-pair encoding.

Source    Recurrent networks: Karpathy 2015, http://karpathy.github.io/2015/05/21/rnn-effectiveness.
          The transformer is a small GPT-2 (Radford et al. 2019).
Data      tiny_shakespeare: 1,115,394 characters of his plays, test part the last tenth. wikitext2:
          articles of Wikipedia, 10.9 million characters, with the published parts (Merity et al.
          2016, https://arxiv.org/abs/1609.07843).
Baselines Interpolated n-grams of characters, learned from all that is not test data.
Command   jnn run text_generation [--data tiny_shakespeare|wikitext2]
          [--model rnn|lstm|gru|transformer]; on a GPU, not measured yet:
          jnn run text_generation --model transformer --width 384 --depth 6 --heads 6 --length 256
          --epochs 80 --learning-rate 1e-3 --precision bfloat16
          jnn run text_generation --preset gpt2 --data wikitext2 --precision bfloat16 --fused
          jnn run text_generation --preset gpt2 --tokens FOLDER, that `jnn tokens` wrote
          jnn run text_generation --start FOLDER [--lora 8], of a pretrained GPT-2 or Llama, say
          jnn generate runs/text_generation/latest --prompt "ROMEO:"
Result    test nats per character of tiny_shakespeare after 880 steps, mean and standard deviation
          over seeds 0, 1, 2, and processor time of a run on an Intel Xeon; a 5-gram has 1.669, a
          3-gram 2.049, a 1-gram 3.347:

          lstm         1.582 +- 0.009   13 min
          gru          1.544 (seed 0)   10 min
          transformer  1.637 (seed 0)   23 min
          rnn          1.697 (seed 0)    4 min

          More epochs help: seed 0 of the lstm had 1.419 on validation text at step 1,210 of
          ``--epochs 20``, where these 8 epochs end at 1.507. wikitext2, lstm, one epoch: 1.610
          (seed 0), 19 min; its 5-gram, which remembers all of the ten times longer text, has 1.484.
"""

import dataclasses
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal

import jax

import jnn
from jnn.architectures.rnn import RNNConfig
from jnn.baselines.ngram import character_ngrams
from jnn.data.corpus import Corpus
from jnn.data.sets.texts import load_tiny_shakespeare, load_wikitext2, split_text
from jnn.data.tokenizers import read_tokenizer
from jnn.decoding.generate import Request
from jnn.runs import About
from jnn.tasks.language_model import LanguageModel
from jnn.tasks.language_model_config import LanguageModelConfig
from jnn.tasks.language_model_task import language_model_outline, language_model_task
from jnn.train import SUITED, Preparation, Task

ABOUT = About(
    task="text generation",
    models=("rnn", "lstm", "gru", "transformer"),
    data=("tiny_shakespeare", "wikitext2"),
    metric="test/nats_per_character",
    direction="lowest",
    expected="1.582 ± 0.009 (tiny_shakespeare, lstm)",
    cost="13 min of processor time",
)
LOAD = {"tiny_shakespeare": load_tiny_shakespeare, "wikitext2": load_wikitext2}
CHARACTERS = {"tiny_shakespeare": 65, "wikitext2": 1013}  # of the training parts
PANGRAMS = {
    "tiny_shakespeare": "the quick brown fox jumps over the lazy dog. ",
    "wikitext2": "pack my box with five dozen liquor jugs. ",
}
USUAL_DATA = "tiny_shakespeare"
EPOCHS = {"tiny_shakespeare": 8, "wikitext2": 1}
USUAL = {"model": "lstm", "vocabulary": 0, "dropout": 0.2, "learning_rate": 3e-3}
SIZES = {"length": 128, "width": 256, "depth": 2, "heads": 4, "batch_size": 64}
SMALL = {"length": 16, "width": 24, "depth": 1, "epochs": 1, "batch_size": 16}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(LanguageModelConfig):
    """The settings of a run. An epoch has as many windows as it takes to see the text once."""

    data: Literal["tiny_shakespeare", "wikitext2"] = SUITED
    """The text: tiny_shakespeare, or none where --tokens has it."""
    weight_decay: float = 0.1
    clip: float = 1.0

    def suited(self) -> dict[str, Any]:
        """What suits a text of some million characters, a smoke run, or a published model."""
        if self.tokens:
            of_text = {"data": None, "epochs": 1}
        else:
            of_text = {"data": USUAL_DATA, "epochs": EPOCHS[self.data or USUAL_DATA]}
        small = SMALL if self.smoke else {}
        return {**USUAL, **SIZES, **of_text, **small, **super().suited()}

    def __post_init__(self):
        """Refuse two texts."""
        super().__post_init__()
        if self.tokens:
            self.refuse(["data"], "for tokens in files", expected="one of them")


def load_data(config: Config, *, offline: bool = False) -> Corpus:
    """The text and its tokenizer; in a smoke run a sentence a hundred times."""
    if config.smoke:
        return config.corpus(lambda: split_text(100 * PANGRAMS[config.data]))
    return config.corpus(lambda: LOAD[config.data](offline=offline))


def build(config: Config, vocabulary: int) -> LanguageModel:
    """Tokens ``(..., T)`` -> logits of the next ones ``(..., T, vocabulary)``."""
    if config.pretrained:
        return config.pretrained_language_model()
    if config.model == "transformer":
        # without a preset a small GPT-2, but that also in a longer text no token attends further
        # back than in training
        options = {"positions": "rotary", "window": config.length, "kernel_deviation": 0.02}
        return config.language_model(config.transformer_settings(vocabulary, **options))
    settings = RNNConfig(
        outputs=vocabulary,
        vocabulary=vocabulary,
        embedding=config.width // 2,
        cell=config.model,
        width=config.width,
        depth=config.depth,
        dropout=config.dropout,
    )
    return config.language_model(settings)


def outlined(config: Config) -> LanguageModel:
    """The model, for as many tokens as the training part has."""
    return build(config, config.tokens_of(CHARACTERS.get(config.data, 0)))


def describe(config: Config) -> tuple[jnn.Model, jax.ShapeDtypeStruct]:
    """The model and the shape of one example."""
    lm = outlined(config)
    return lm.model, lm.example


def predictor(config: Config, preparation: Preparation) -> jnn.Model:
    """The model, for as many tokens as the tokenizer of the run has."""
    assert preparation.tokenizer, "a language model has a tokenizer"
    return build(config, preparation.tokenizer.vocabulary).model


def outline(config: Config) -> Task:
    """The task of any text that is long enough, for `jnn plan`."""
    return language_model_outline(outlined(config), batch_size=config.batch_size)


def task(config: Config, corpus: Corpus) -> Task:
    """Cross entropy of each next token; params are kept by the loss on validation text."""
    lm, texts = build(config, corpus.tokenizer.vocabulary), corpus.texts
    of_text = language_model_task(lm, corpus, batch_size=config.batch_size)
    learned = texts.validation + texts.train
    return of_text._replace(baselines=partial(character_ngrams, learned, texts.test))


def generate(config: Config, folder: Path, request: Request) -> Iterator[str]:
    """What a trained model writes after a prompt, piece by piece."""
    tokenizer = read_tokenizer(folder / "tokenizer.json")
    yield from build(config, tokenizer.vocabulary).write_trained(folder, tokenizer, request)
