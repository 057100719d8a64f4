"""Classifiers of texts that begin with a pretrained encoder, and have a new head."""

from typing import Any

import jax
import numpy as np

from jnn.compose import chain, parallel
from jnn.data.sets.labelled_texts import LabelledSplits, WordSplits
from jnn.data.sets.word_vectors import GLOVE_FEATURES
from jnn.interop.pretrained import Pretrained, pretrained_encoder
from jnn.layers.dense import dense
from jnn.layers.dropout import dropout
from jnn.layers.pooling import global_average_pool
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
    """Tokens ``(..., T)`` -> ``{"networks": logits (..., classes)}``, of the mean of features.

    ``rate`` is the fraction of features that is dropped in training.
    """
    encoder = config.adapted(pretrained_encoder(config.pretrained, dropout=rate))
    head = {"pool": global_average_pool(1), "dropout": dropout(rate), "out": dense(classes)}
    network = config.cast(chain(encoder=encoder.model, **head))
    model = parallel(networks=network)
    return encoder.within("encoder", network).within("networks", model)


def log_probabilities(model: Model) -> Model:
    """Tokens ``(..., T)`` -> logarithms of the classes' probabilities ``(..., classes)``."""

    def apply(params, state, x, **options):
        logits, state = model.apply(params, state, x, **options)
        return jax.nn.log_softmax(logits["networks"], axis=-1), state

    return Model(model.init, apply)
