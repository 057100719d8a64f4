"""The report of a classifier of texts."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from jnn.explain.inside import words as inside_words
from jnn.explain.page.report import Section
from jnn.explain.sections.classification import predicted_classes
from jnn.model import Model, Params, State


def classified_texts(
    model: Model,
    params: Params,
    state: State,
    examples: Mapping[str, np.ndarray],
    p: ArrayLike,
    *,
    words: Sequence[Sequence[str]],
    classes: Sequence[str],
    replacement: int,
    name: str = "texts",
) -> list[Section]:
    """Confusion matrix, calibration, and the words that moved right decisions and the worst ones.

    ``examples`` are ``tokens`` and ``mask`` ``(N, T)`` and ``label`` ``(N,)``, and ``p`` ``(N, K)``
    the probabilities that ``model``, which gives logits of tokens, assigns to the classes.
    ``words`` are those of each text, one a token. ``replacement`` is the token that a word is
    replaced by to see what it does, such as the unknown one. ``name`` is the plural of what the
    texts are.
    """
    p, label = np.asarray(p), examples["label"]
    chosen = inside_words.right_and_worst(p, label)
    decisions = inside_words.decisions(
        model,
        params,
        state,
        {name: array[chosen] for name, array in examples.items()},
        p[chosen],
        words=[words[int(i)] for i in chosen],
        classes=classes,
        replacement=replacement,
    )
    return [
        *predicted_classes(label, p, classes),
        Section(
            "Word importance",
            "The decrease of the log-odds of the prediction where a word is replaced by an unknown "
            f"one. Four test {name} that are classified right, then the four others whose true "
            "class got the lowest probability.",
            inside_words.coloured_decisions(decisions),
        ),
    ]
