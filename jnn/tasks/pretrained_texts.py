"""Classifiers of texts that begin with a pretrained encoder, or with a classifier."""

from typing import Any

import jax
import numpy as np

from jnn.compose import parallel
from jnn.data.sets.labelled_texts import LabelledSplits, WordSplits
from jnn.data.sets.word_vectors import GLOVE_FEATURES
from jnn.interop.pretrained import Pretrained, pretrained_encoder, pretrained_text_classifier
from jnn.model import Model
from jnn.train.fine_tuning import FineTuningConfig


def suited_to_encoder(config: FineTuningConfig) -> dict[str, Any]:
    """Settings of an experiment that suit an encoder: steps that change it slowly."""
    rate = 5e-4 if config.lora else 5e-5
    sizes = {"epochs": 2, "batch_size": 8} if config.smoke else {"epochs": 3, "batch_size": 32}
    return {"learning_rate": rate, "dropout": 0.1, "word_dropout": 0.0, **sizes}


def pretrained_words(config: FineTuningConfig, splits: LabelledSplits) -> WordSplits:
    """The texts with the tokenizer of the pretrained model, whose vectors are its own."""
    tokenizer = pretrained_encoder(config.pretrained).tokenizer
    assert tokenizer, "an encoder has one"
    return WordSplits(splits, tokenizer, np.zeros((0, GLOVE_FEATURES), np.float32))


def text_classifier(config: FineTuningConfig, classes: int, rate: float) -> Pretrained:
    """Tokens ``(..., T)`` -> ``{"networks": logits (..., classes)}``, read out as in the family.

    ``rate`` is the fraction of features that is dropped in training.
    """
    its = config.adapted(pretrained_text_classifier(config.pretrained, classes, dropout=rate))
    return its.within("networks", parallel(networks=config.cast(its.model)))


def log_probabilities(model: Model) -> Model:
    """Tokens ``(..., T)`` -> logarithms of the classes' probabilities ``(..., classes)``."""

    def apply(params, state, x, **options):
        logits, state = model.apply(params, state, x, **options)
        return jax.nn.log_softmax(logits["networks"], axis=-1), state

    return Model(model.init, apply)
