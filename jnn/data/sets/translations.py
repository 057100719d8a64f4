"""Sentences with their translations."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jnn.data.fetch.sources import SOURCES, fetch
from jnn.data.tokenizers.words import split_words
from jnn.errors import mistake
from jnn.integers import check_fraction

MOST_WORDS = 8
TEST_SENTENCES = 2000


class Translation(NamedTuple):
    """A sentence and all its translations; words and punctuation marks are separated by a space."""

    source: str
    targets: tuple[str, ...]


class TranslationSplits(NamedTuple):
    """Three sets of translations; no source sentence of one is in another."""

    train: tuple[Translation, ...]
    validation: tuple[Translation, ...]
    test: tuple[Translation, ...]


def load_tatoeba_spanish(
    *, validation: float = 0.02, seed: int = 0, offline: bool = False
) -> TranslationSplits:
    """English sentences with their Spanish translations, in lower case.

    Sentences have at most ``MOST_WORDS`` words and punctuation marks on each side: 85,589 pairs of
    70,521 English sentences. The English sentences are split. Test: the first ``TEST_SENTENCES`` of
    them, sorted word by word, under ``numpy.random.default_rng(0).permutation``. Validation: the
    fraction ``validation`` of the rest, drawn with ``seed``. Both other parts together have 83,160
    pairs. A Spanish sentence may translate several English ones, in different parts too.
    """
    path = fetch(SOURCES["tatoeba_spanish"], offline=offline) / "spa.tsv"
    with path.open(encoding="utf-8") as stream:
        pairs = [tuple(line.rstrip("\n").split("\t")[:2]) for line in stream if line.strip()]
    return split_translations(pairs, validation=validation, seed=seed)


def split_translations(
    pairs: Sequence[tuple[str, ...]],
    *,
    test: int = TEST_SENTENCES,
    validation: float = 0.02,
    seed: int = 0,
) -> TranslationSplits:
    """The splits of `load_tatoeba_spanish` from (source, target) pairs as they are written."""
    check_fraction("split_translations", "validation", validation)
    targets = defaultdict(list)
    for pair in pairs:
        source, target = (split_words(side, lower=True) for side in pair)
        if len(source) <= MOST_WORDS and len(target) <= MOST_WORDS:
            targets[tuple(source)].append(" ".join(target))
    sentences = [Translation(" ".join(words), tuple(targets[words])) for words in sorted(targets)]
    order = np.random.default_rng(0).permutation(len(sentences))
    rest = order[test:]
    held = int(validation * len(rest))
    if not 0 < held < len(rest):
        got = f"{len(sentences)} sentences, {test} of them for the test"
        raise mistake("split_translations", got=got, expected="enough of them for three parts")
    rest = rest[np.random.default_rng(seed).permutation(len(rest))]
    pick = lambda part: tuple(sentences[i] for i in part)
    return TranslationSplits(pick(rest[held:]), pick(rest[:held]), pick(order[:test]))


def pairs_of(translations: Sequence[Translation]) -> list[tuple[str, str]]:
    """Each translation as a pair (source, target): what a model is trained on.

    >>> pairs_of([Translation("go .", ("ve .", "vete ."))])
    [('go .', 've .'), ('go .', 'vete .')]
    """
    return [(source, target) for source, targets in translations for target in targets]
