"""What a report shows of a classifier of texts."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from jnn import metrics
from jnn.explain.inside import words
from jnn.explain.page.report import Section
from jnn.explain.results import classification
from jnn.model import Model


def classified_texts(
    model: Model,
    params: Any,
    state: Any,
    examples: Mapping[str, np.ndarray],
    p: ArrayLike,
    *,
    split: Sequence[Sequence[str]],
    classes: Sequence[str],
    replacement: int,
    called: str = "texts",
) -> list[Section]:
    """What it takes for what, whether it is as sure as it is right, and which words moved it in
    texts it got right and in its worst.

    ``examples`` are ``tokens`` and ``mask`` ``(N, T)`` and ``label`` ``(N,)``, and ``p`` ``(N, K)``
    the probabilities that ``model``, which makes logits of tokens, gives them; ``split`` has the
    words of each text, one a token; ``replacement`` is a token that says nothing, and ``called``
    the plural of what the texts are.
    """
    p, label = np.asarray(p), examples["label"]
    matrix = np.asarray(metrics.confusion_matrix(len(classes)).measure(p, label))
    shown = words.right_and_worst(p, label)
    chosen, own = (
        {name: array[shown] for name, array in examples.items()},
        [split[int(i)] for i in shown],
    )
    decisions = words.decisions(
        model, params, state, chosen, p[shown], words=own, classes=classes, replacement=replacement
    )
    text = "How much the log-odds of the answer fall where one word is taken for an unknown one."
    return [
        Section(
            "What is taken for what",
            "Each row is a true class.",
            classification.confusion(matrix, classes),
        ),
        Section(
            "Is it as sure as it is right?",
            "A calibrated model lies on the line.",
            classification.calibration(p, label),
        ),
        Section(
            "The words that moved it",
            f"{text} Four test {called} that it gets right, then those four whose true class got the least probability.",
            words.coloured_decisions(decisions),
        ),
    ]
