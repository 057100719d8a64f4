"""The report of a model of tables: the right matrix, and the feature that matters on top."""

import jax.numpy as jnp
import numpy as np

from jnn.explain.sections import classification, tabular


def test_rows_of_the_confusion_matrix_are_true_classes():
    probabilities = np.array([[0.9, 0.1], [0.4, 0.6], [0.3, 0.7], [0.4, 0.6]])
    matrix, calibration = classification.predicted_classes(
        np.array([0, 0, 1, 0]), probabilities, ["cat", "dog"]
    )
    assert (matrix.title, calibration.title) == ("Confusion matrix", "Calibration")
    assert "cat predicted as dog (2" in matrix.figure.get_suptitle()


def test_the_only_feature_that_is_read_is_on_top():
    x = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    score = lambda z: -jnp.mean((z[:, 1] - x[:, 1]) ** 2)
    (section,) = tabular.feature_importance(score, x, ["age", "weight", "height"], of="accuracy")
    names = [label.get_text() for label in section.figure.axes[0].get_yticklabels()]
    assert names[0] == "weight"
    assert "fall of the accuracy" in section.text


def test_shuffling_a_feature_raises_the_error_of_a_regression():
    x = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
    predict, columns = lambda z: z[:, 1], ["age", "weight"]
    section = tabular.regression(predict, x, x[:, 1], "height", columns=columns)[-1]
    title = " ".join(section.figure.get_suptitle().split())
    assert "shuffling weight raises the RMSE by 1." in title
    assert "rise of the RMSE" in section.text
    assert section.figure.axes[0].get_xlabel().startswith("increase of the RMSE")
