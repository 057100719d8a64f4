"""What the report of a classifier of texts shows."""

import numpy as np

from jnn.explain.results.text_classification import classified_texts
from tests.explain.inside.test_words import MASK, TOKENS, bag_of_words


def test_the_words_shown_are_of_texts_that_are_right_and_of_the_worst():
    model, params, state = bag_of_words()
    p = np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6]])
    examples = {"tokens": TOKENS, "mask": MASK, "label": np.array([0, 1, 0])}
    split = [[f"text{n}word{i}" for i in range(int(real.sum()))] for n, real in enumerate(MASK)]
    found = classified_texts(
        model,
        params,
        state,
        examples,
        p,
        split=split,
        classes=("no", "yes"),
        replacement=0,
        called="letters",
    )
    assert [section.title for section in found] == [
        "What is taken for what",
        "Is it as sure as it is right?",
        "The words that moved it",
    ]
    assert "Four test letters that it gets right" in found[2].text
    shown = str(found[2].figure)
    # texts 0 and 1, as right ones and among the three worst
    assert shown.count("which is right") == 4
    assert shown.count("says yes (60 %), but it is no") == 1
    assert [shown.count(f">text{n}word0<") for n in range(3)] == [2, 2, 1]
