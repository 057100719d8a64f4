"""Translation without a network: a translation memory."""

import numpy as np

from jnn.data.sets.translations import TranslationSplits
from jnn.scores.translation import bleu


def nearest_translations(splits: TranslationSplits) -> list[str]:
    """For each test sentence the first translation of the most similar one that is not test data.

    Similarity is the cosine of TF-IDF weights of words and pairs of words.

    >>> from jnn.data.sets.translations import Translation
    >>> train = Translation("good day .", ("buen día .",)), Translation("go .", ("ve .",))
    >>> splits = TranslationSplits(train, (), (Translation("a good day .", ("?",)),))
    >>> nearest_translations(splits)
    ['buen día .']
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    memory = splits.train + splits.validation
    words_and_pairs = TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"\S+", lowercase=False)
    a = words_and_pairs.fit_transform([sentence.source for sentence in memory])
    b = words_and_pairs.transform([sentence.source for sentence in splits.test])
    parts = [b[i : i + 100] for i in range(0, len(splits.test), 100)]  # the products are dense
    best = np.concatenate([np.asarray((part @ a.T).argmax(axis=1)).ravel() for part in parts])
    return [memory[i].targets[0] for i in best]


def translation_scores(splits: TranslationSplits) -> dict[str, float]:
    """The BLEU on the test part of the nearest sentence's translation, and of the source itself."""
    sources = [sentence.source for sentence in splits.test]
    references = [sentence.targets for sentence in splits.test]
    translations = {"nearest neighbour": nearest_translations(splits), "copy": sources}
    return {name: bleu(texts, references) for name, texts in translations.items()}
