"""The task of classifying texts by a pretrained encoder with a new head."""

from typing import Any

import jax
import numpy as np

from jnn.compose import chain, parallel
from jnn.data.sets.labelled_texts import LabelledSplits, WordSplits
from jnn.data.sets.word_vectors import GLOVE_FEATURES
from jnn.interop.pretrained import Pretrained, encoder_settings, pretrained_encoder
from jnn.layers.dense import dense
from jnn.layers.dropout import dropout
from jnn.layers.pooling import global_average_pool
from jnn.model import Model
from jnn.train.fine_tuning import FineTuningConfig
from jnn.train.task import Task
from jnn.train.text_classification_task import class_probabilities, text_classification


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


def pretrained_text_classification(
    config: FineTuningConfig,
    texts: WordSplits,
    *,
    rate: float,
    longest: int | None = None,
    word_dropout: float = 0.0,
    balanced: bool = False,
    name: str = "texts",
) -> Task:
    """Cross entropy of a pretrained encoder with a new head, and the report of what it does.

    The arguments are those of `text_classification`; ``rate`` is as for `text_classifier`, and
    ``name`` the plural of what the texts are. At most as many tokens of a text are read as the
    encoder has positions for. Add baselines with ``task._replace(baselines=...)``.
    """
    splits, tokenizer = texts.splits, texts.tokenizer
    pretrained = text_classifier(config, len(splits.classes), rate)
    answer = log_probabilities(pretrained.model)
    most = encoder_settings(config.pretrained).length
    longest = min(most, longest or most)

    def sections(fitted) -> list:
        from jnn.explain.sections.text_classification import classified_texts

        kept, test = (
            (fitted.params, fitted.state),
            splits.test.to_arrays(tokenizer, longest=longest),
        )
        p = class_probabilities(answer, *kept, test)
        rows = zip(test["tokens"], test["mask"], strict=True)
        words = [[tokenizer.tokens[token] for token in row[mask]] for row, mask in rows]
        settings = {"classes": splits.classes, "replacement": tokenizer.unknown, "name": name}
        return classified_texts(answer, *kept, test, p, words=words, **settings)

    task = text_classification(
        pretrained.model,
        answer,
        texts,
        trained=["networks"],
        batch_size=config.batch_size,
        longest=longest,
        word_dropout=word_dropout,
        balanced=balanced,
    )
    return task._replace(pretrained=pretrained, sections=sections)
