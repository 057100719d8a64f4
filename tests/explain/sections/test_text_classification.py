"""What the report of a classifier of texts shows."""

import numpy as np

from jnn.explain.sections.text_classification import classified_texts
from tests.explain.inside.test_words import MASK, TOKENS, bag_of_words


def test_the_words_shown_are_of_texts_that_are_right_and_of_the_worst():
    model, params, state = bag_of_words()
    p = np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6]])
    examples = {"tokens": TOKENS, "mask": MASK, "label": np.array([0, 1, 0])}
    words = [[f"text{n}word{i}" for i in range(int(real.sum()))] for n, real in enumerate(MASK)]
    settings = {"words": words, "classes": ("no", "yes"), "replacement": 0, "name": "letters"}
    sections = classified_texts(model, params, state, examples, p, **settings)
    assert [section.title for section in sections] == [
        "Confusion matrix",
        "Calibration",
        "Word importance",
    ]
    assert "Four test letters that are classified right" in sections[2].text
    html = str(sections[2].figure)
    assert html.count("%), correct") == 2
    assert html.count("predicted yes (60 %), true class no") == 1
    assert [html.count(f">text{n}word0<") for n in range(3)] == [1, 1, 1]
