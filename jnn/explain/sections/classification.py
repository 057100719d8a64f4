"""The report of a classifier, whatever it classifies."""

from collections.abc import Sequence

import numpy as np

from jnn import metrics
from jnn.explain.page.report import Section
from jnn.explain.results import classification


def predicted_classes(
    label: np.ndarray, probabilities: np.ndarray, classes: Sequence[str]
) -> list[Section]:
    """Confusion matrix and calibration.

    ``label`` (N,), ``probabilities`` (N, K), and the names of the K classes.
    """
    matrix = np.asarray(metrics.confusion_matrix(len(classes)).measure(probabilities, label))
    return [
        Section(
            "Confusion matrix", "Rows are true classes.", classification.confusion(matrix, classes)
        ),
        Section(
            "Calibration",
            "How often predictions of a given confidence are right; a calibrated model lies on the "
            "line.",
            classification.calibration(probabilities, label),
        ),
    ]
