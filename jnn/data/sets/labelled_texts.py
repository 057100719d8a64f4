"""Labelled sentences, in three parts; no sentence of one part is in another."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jnn.data.fetch.sources import SOURCES, fetch
from jnn.data.sequences import pad
from jnn.data.sets.word_vectors import GLOVE_FEATURES, load_glove50
from jnn.data.splits import hold_out
from jnn.data.tokenizers import Tokenizer, word_tokenizer

TREC_TRAINING = 5452
"""The first questions of the file are the published training part, the other 500 the test part."""

TREC_CLASSES = ("description", "entity", "abbreviation", "human", "number", "location")

_FINE_NAMES = (
    "manner creation animal expansion individual group title definition date reason event state "
    "description count other letter religion food country colour equivalent-term city body disease "
    "mountain money product period substance sport plant technique size instrument abbreviation "
    "speed word language percentage code distance temperature symbol order vehicle weight currency"
)
TREC_FINE_CLASSES = tuple(_FINE_NAMES.split())
"""By their numbers in the file.

"other" of three coarse classes is one number there, and so is "description" of two.
"""

SENTIMENT_MARGIN = 0.5
"""Sentences whose mean rating is closer to 0 are neutral, and omitted."""


WORD_DEVIATION = 0.25
"""Of the vectors of words that GloVe does not have; that of GloVe's own features is about 0.5."""


class LabelledTexts(NamedTuple):
    """Texts and their class numbers, (N,) int32."""

    texts: tuple[str, ...]
    labels: np.ndarray

    def to_arrays(
        self, tokenizer: Tokenizer, *, longest: int | None = None
    ) -> dict[str, np.ndarray]:
        """``tokens`` and ``mask`` ``(N, T)``, and ``label`` ``(N,)``, to train and test with.

        The texts are padded to the longest of them; of each, the first ``longest`` tokens are kept.

        >>> from jnn.data.tokenizers import word_tokenizer
        >>> texts = LabelledTexts(("so good", "bad"), np.array([1, 0], np.int32))
        >>> texts.to_arrays(word_tokenizer(texts.texts))["mask"].tolist()
        [[True, True], [True, False]]
        """
        tokens = [tokenizer.encode(text)[:longest] for text in self.texts]
        padded = pad(tokens, value=tokenizer.padding)
        return {"tokens": padded.tokens, "mask": padded.mask, "label": self.labels}


class LabelledSplits(NamedTuple):
    """Three sets of labelled texts, and the names of the classes."""

    train: LabelledTexts
    validation: LabelledTexts
    test: LabelledTexts
    classes: tuple[str, ...]

    @property
    def sizes(self) -> dict[str, int]:
        """The number of texts in each part."""
        parts = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: len(part.texts) for name, part in parts.items()}

    def without_validation(self) -> LabelledSplits:
        """The splits with validation moved to the training part; the validation part is empty.

        >>> texts = lambda *texts: LabelledTexts(texts, np.zeros(len(texts), np.int32))
        >>> splits = LabelledSplits(texts("a"), texts("b"), texts("c"), ("letter",))
        >>> splits.without_validation().train.texts
        ('a', 'b')
        """
        train, held = self.train, self.validation
        everything = LabelledTexts(
            train.texts + held.texts, np.concatenate([train.labels, held.labels])
        )
        return self._replace(train=everything, validation=LabelledTexts((), held.labels[:0]))


class WordSplits(NamedTuple):
    """Labelled texts, a tokenizer of the words of the training part, and their initial vectors."""

    splits: LabelledSplits
    tokenizer: Tokenizer
    vectors: np.ndarray
    """``(tokens, 50)`` float32."""


def with_vectors(
    splits: LabelledSplits, *, glove: bool = True, offline: bool = False
) -> WordSplits:
    """A token for each word of the training part, in lower case, and a vector for each token.

    The vectors are GloVe's, and for the words that GloVe does not have, or without ``glove`` for
    all, drawn from a normal distribution.
    """
    tokenizer = word_tokenizer(splits.train.texts, lower=True)
    rng, shape = np.random.default_rng(0), (tokenizer.vocabulary, GLOVE_FEATURES)
    vectors = rng.normal(0, WORD_DEVIATION, shape).astype(np.float32)
    if glove:
        learned, is_known = load_glove50(tokenizer.tokens, offline=offline)
        vectors = np.where(is_known[:, None], learned, vectors)
    return WordSplits(splits, tokenizer, vectors)


def load_trec(
    *,
    fine: bool = False,
    as_published: bool = False,
    validation: float = 0.1,
    seed: int = 0,
    offline: bool = False,
) -> LabelledSplits:
    """Questions by the type of their answer: 6 classes, or with ``fine`` 47.

    Test: the published 500. Of the published 5,452 for training, 10 are questions of the test part
    too; they are omitted, or kept ``as_published`` (a linear SVM has 90.8 % either way).
    Validation: the fraction ``validation`` of the remaining ones, drawn with ``seed``, stratified
    by the 6 classes, with all copies of a question in one part.
    """
    rows = _rows(fetch(SOURCES["trec"], offline=offline) / "trec.csv")
    texts = [row["text"] for row in rows]
    coarse = np.array([row["label-coarse"] for row in rows], np.int32)
    labels = np.array([row["label-fine"] for row in rows], np.int32) if fine else coarse
    test_texts = set(texts[TREC_TRAINING:])
    kept = [i for i in range(TREC_TRAINING) if as_published or texts[i] not in test_texts]
    held = _held_out([texts[i] for i in kept], coarse[kept], validation, seed)
    parts = np.array(kept)[~held], np.array(kept)[held], np.arange(TREC_TRAINING, len(texts))
    train, held, test = (_pick(texts, labels, part) for part in parts)
    return LabelledSplits(train, held, test, TREC_FINE_CLASSES if fine else TREC_CLASSES)


def load_sms_spam(
    *, validation: float = 0.1, seed: int = 0, offline: bool = False
) -> LabelledSplits:
    """4,522 different text messages, spam or not.

    Test: 20 %, stratified, random_state 0. Validation: the fraction ``validation`` of the rest,
    stratified, drawn with ``seed``.
    """
    spam = {}
    for row in _rows(fetch(SOURCES["sms_spam"], offline=offline) / "sms-spam.csv"):
        spam.setdefault(row["text"], int(row["spam"]))
    labels = np.array(list(spam.values()), np.int32)
    return _split(list(spam), labels, validation, seed, ("no spam", "spam"))


def load_movie_sentences(
    *, validation: float = 0.1, seed: int = 0, offline: bool = False
) -> LabelledSplits:
    """10,070 different sentences of film reviews; the class is the sign of their mean rating.

    Ratings are at least ``SENTIMENT_MARGIN`` from 0. Test: 20 %, stratified, random_state 0.
    Validation: the fraction ``validation`` of the rest, stratified, drawn with ``seed``.
    """
    folder = fetch(SOURCES["movie_sentences"], offline=offline)
    path = folder / "movieReviewSnippets_GroundTruth.txt"
    # Not splitlines, which also splits lines at characters within a sentence.
    with path.open(encoding="utf-8") as stream:
        lines = [line.rstrip("\n").split("\t", 2) for line in stream if line.strip()]
    ratings = {text: float(rating) for _, rating, text in lines}
    kept = {text: rating > 0 for text, rating in ratings.items() if abs(rating) >= SENTIMENT_MARGIN}
    labels = np.array(list(kept.values()), np.int32)
    return _split(list(kept), labels, validation, seed, ("negative", "positive"))


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def _split(
    texts: list[str], labels: np.ndarray, validation: float, seed: int, classes: tuple[str, ...]
) -> LabelledSplits:
    arrays = {"row": np.arange(len(texts)), "label": labels}
    rest, test = hold_out(arrays, 0.2, seed=0, stratify="label")
    train, held = hold_out(rest, validation, seed=seed, stratify="label")
    train, held, test = (_pick(texts, labels, part["row"]) for part in (train, held, test))
    return LabelledSplits(train, held, test, classes)


def _held_out(texts: list[str], labels: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """(N,) bool: the examples of a random, stratified ``fraction`` of the different texts."""
    _, first, text = np.unique(np.array(texts), return_index=True, return_inverse=True)
    arrays = {"text": np.arange(len(first)), "label": labels[first]}
    _, held = hold_out(arrays, fraction, seed=seed, stratify="label")
    return np.isin(text, held["text"])


def _pick(texts: list[str], labels: np.ndarray, rows: np.ndarray) -> LabelledTexts:
    return LabelledTexts(tuple(texts[i] for i in rows), labels[rows])
