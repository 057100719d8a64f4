"""Classifying texts by a committee of networks and a model of their words, or by a pretrained
encoder: what experiments that do so share.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal

import numpy as np

from jnn.baselines.text_classifiers import linear_classifiers
from jnn.data.sets.labelled_texts import LabelledSplits, WordSplits, with_vectors
from jnn.data.tokenizers import split_words
from jnn.interop.pretrained import encoder_settings
from jnn.model import Model
from jnn.tasks.pretrained_texts import (
    log_probabilities,
    pretrained_words,
    suited_to_encoder,
    text_classifier,
)
from jnn.tasks.text_classification_task import class_probabilities, text_classification
from jnn.train.config import SUITED
from jnn.train.fine_tuning import FineTuningConfig
from jnn.train.loop import Fitted
from jnn.train.task import Task

WordsOf = Callable[[Mapping[str, np.ndarray]], Sequence[Sequence[str]]]
"""The words of each of the texts that are given as arrays, one a token."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextCommitteeConfig(FineTuningConfig):
    """A `FineTuningConfig` for an experiment that classifies texts by a committee.

    An experiment's config inherits it. Its ``suited`` says what suits its texts, and adds that of
    this class, which is what follows from a pretrained encoder, last.
    """

    members: int = SUITED
    """Networks whose probabilities are averaged."""
    epochs: int = SUITED
    batch_size: int = SUITED
    learning_rate: float = SUITED
    dropout: float = SUITED
    """Fraction of a text's features that is dropped in training."""
    word_dropout: float = SUITED
    """Fraction of words that are replaced by the unknown token in training."""
    class_weights: Literal["none", "balanced"] = "none"
    """Whether each class has the same total weight in the loss, however rare it is."""
    validation: bool = False
    """Whether a tenth of what is not test data is held out, and the params are kept whose loss on
    it is lowest; otherwise all of it is trained on, and the last params are kept.
    """

    def suited(self) -> dict[str, Any]:
        """What follows from a pretrained encoder, if there is one."""
        return {**suited_to_encoder(self), "members": 1} if self.pretrained else {}

    def words(self, splits: LabelledSplits, *, offline: bool = False) -> WordSplits:
        """The texts with a tokenizer, and a vector of each token to begin with.

        The vectors are GloVe's, in a smoke run random ones, of a pretrained encoder none.
        """
        splits = splits if self.validation else splits.without_validation()
        if self.pretrained:
            return pretrained_words(self, splits)
        return with_vectors(splits, glove=not self.smoke, offline=offline)


def committee_task(
    config: TextCommitteeConfig,
    texts: WordSplits,
    model: Model,
    answer: Model,
    *,
    trained: Sequence[str],
    longest: int | None = None,
    name: str = "texts",
) -> Task:
    """`jnn.tasks.text_classification` as ``config`` says, with linear classifiers as baselines.

    The report shows what the committee gets right and wrong in the test part, and the words that
    moved it; ``name`` is the plural of what the texts are there.
    """
    words = lambda arrays: [split_words(text)[:longest] for text in texts.splits.test.texts]
    settings = {"trained": trained, "longest": longest, "name": name}
    return _task(config, texts, model, answer, words=words, **settings)


def fine_tuning_task(
    config: TextCommitteeConfig,
    texts: WordSplits,
    *,
    longest: int | None = None,
    name: str = "texts",
) -> Task:
    """`committee_task` of a pretrained encoder with a new head, which is the whole committee.

    At most as many tokens of a text are read as the encoder has positions for.
    """
    pretrained = text_classifier(config, len(texts.splits.classes), config.dropout)
    most, tokens = encoder_settings(config.pretrained).length, texts.tokenizer.tokens

    def words(arrays):
        rows = zip(arrays["tokens"], arrays["mask"], strict=True)
        return [[tokens[token] for token in row[mask]] for row, mask in rows]

    model, settings = pretrained.model, {"longest": min(most, longest or most), "name": name}
    answer = log_probabilities(model)
    task = _task(config, texts, model, answer, words=words, trained=["networks"], **settings)
    return task._replace(pretrained=pretrained)


def _task(
    config: TextCommitteeConfig,
    texts: WordSplits,
    model: Model,
    answer: Model,
    *,
    words: WordsOf,
    trained: Sequence[str],
    longest: int | None,
    name: str,
) -> Task:
    splits, tokenizer = texts.splits, texts.tokenizer

    def sections(fitted: Fitted) -> list[Any]:
        from jnn.explain.sections.text_classification import classified_texts

        kept, test = (
            (fitted.params, fitted.state),
            splits.test.to_arrays(tokenizer, longest=longest),
        )
        p = class_probabilities(answer, *kept, test)
        settings = {"classes": splits.classes, "replacement": tokenizer.unknown, "name": name}
        return classified_texts(answer, *kept, test, p, words=words(test), **settings)

    task = text_classification(
        model,
        answer,
        texts,
        trained=trained,
        batch_size=config.batch_size,
        longest=longest,
        word_dropout=config.word_dropout,
        balanced=config.class_weights == "balanced",
    )
    return task._replace(baselines=partial(linear_classifiers, splits), sections=sections)
