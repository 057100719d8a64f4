"""Synthetic texts in the form of the real ones, for smoke runs and tests: nothing to download."""

from collections.abc import Callable, Sequence

import numpy as np

from jnn.data.sets.labelled_texts import LabelledSplits, LabelledTexts
from jnn.data.sets.translations import TranslationSplits, split_translations


def synthetic_labelled_texts(
    write: Callable[[int, int], str], size: int, classes: Sequence[str]
) -> LabelledSplits:
    """``size`` texts, of each class in turn: text i of class c is ``write(i, c)``.

    A sixth is for validation, and a sixth for the test.

    >>> splits = synthetic_labelled_texts(lambda i, c: f"text {i} of {c}", 12, ["a", "b"])
    >>> splits.sizes, splits.test.texts
    ({'train': 8, 'validation': 2, 'test': 2}, ('text 10 of 0', 'text 11 of 1'))
    """
    label = np.arange(size, dtype=np.int32) % len(classes)
    texts = [write(i, int(c)) for i, c in enumerate(label)]
    ends = 4 * size // 6, 5 * size // 6
    part = lambda rows: LabelledTexts(tuple(texts[i] for i in rows), label[rows])
    train, validation, test = map(part, np.split(np.arange(size), ends))
    return LabelledSplits(train, validation, test, tuple(classes))


def synthetic_translations() -> TranslationSplits:
    """English sentences of a subject, a verb and an adverb, with their Spanish translations.

    >>> sentence = synthetic_translations().test[0]
    >>> len(sentence.source.split()), len(sentence.targets)
    (4, 1)
    """
    subjects = {"tom": "tom", "mary": "mary", "he": "él", "she": "ella"}
    verbs = {"eats": "come", "reads": "lee", "sings": "canta"}
    adverbs = {"now": "ahora", "here": "aquí", "today": "hoy"}
    adverbs |= {"again": "otra vez", "alone": "solo", "well": "bien"}
    pairs = [
        (f"{a} {b} {c} .", f"{subjects[a]} {verbs[b]} {adverbs[c]} .")
        for a in subjects
        for b in verbs
        for c in adverbs
    ]
    return split_translations(pairs, test=16, validation=0.2)
