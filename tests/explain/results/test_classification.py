"""The figures of a classifier against scikit-learn and brute force."""

import jax
import numpy as np
import pytest
import sklearn.calibration
import sklearn.metrics
from numpy.testing import assert_allclose

from jnn import metrics
from jnn.errors import JnnError
from jnn.explain.results.classification import calibration, confusion, most_wrong, reliability

SINGLE = 1e-5  # jnn.metrics works in float32

RNG = np.random.default_rng(0)
N, K = 300, 4
LABELS = RNG.integers(0, K, N)
SCORES = np.exp(1.5 * RNG.normal(size=(N, K)) + 2 * np.eye(K)[LABELS])
PROBABILITIES = SCORES / SCORES.sum(axis=1, keepdims=True)
PREDICTED = PROBABILITIES.argmax(axis=1)
NAMES = ["ant", "bee", "cat", "dog"]


def test_confusion_shows_each_count_in_its_cell_and_the_recalls():
    matrix = sklearn.metrics.confusion_matrix(LABELS, PREDICTED)
    ax = confusion(matrix, NAMES).axes[0]
    cells = {text.get_position(): text.get_text() for text in ax.texts}
    assert all(cells[j, i] == str(matrix[i, j]) for i in range(K) for j in range(K) if matrix[i, j])
    recalls = sklearn.metrics.recall_score(LABELS, PREDICTED, average=None)
    assert [cells[K - 0.3, i] for i in range(K)] == [f"{100 * recall:.1f} %" for recall in recalls]
    assert (
        [label.get_text() for label in ax.get_yticklabels()]
        == NAMES
        == [label.get_text() for label in ax.get_xticklabels()]
    )


def test_confusion_is_blue_where_right_and_orange_where_wrong_in_proportion():
    matrix = np.array([[8, 2, 0], [1, 9, 0], [0, 0, 0]])
    colours = np.asarray(confusion(matrix).axes[0].images[0].get_array())
    assert_allclose(colours, [[-0.8, 1, 0], [0.5, -0.9, 0], [0, 0, 0]])


def test_weighted_counts_are_divided_by_their_sum():
    ax = confusion(np.array([[0.25, 0.25], [0.0, 0.0]])).axes[0]
    texts = [text.get_text() for text in ax.texts]
    assert texts == ["0.25", "0.25", "50.0 %", "none", "recall"]


def test_large_counts_have_all_digits_within_their_cells():
    matrix = np.full((10, 10), 1_234_567) + 11_000_000 * np.eye(10, dtype=int)
    figure = confusion(matrix)
    figure.draw_without_rendering()
    ax = figure.axes[0]
    texts = {text.get_text(): text for text in ax.texts}
    cell = ax.transData.transform([(0, 0), (1, 0)])[:, 0]
    for count in ("1234567", "12234567"):
        assert texts[count].get_window_extent().width < cell[1] - cell[0]


def test_without_an_example_there_is_no_calibration_error():
    nothing = np.zeros((0, K)), np.zeros(0, int)
    assert np.isnan(reliability(*nothing).error)
    assert calibration(*nothing).get_suptitle() == "Calibration: no example"


@pytest.mark.parametrize(
    ("matrix", "title"),
    [
        (
            [[9, 1], [4, 8]],
            "5 of 22 wrong; the most frequent confusion is 1 predicted as 0 (4 times)",
        ),
        ([[9, 1], [1, 8]], "2 of 19 wrong; no confusion is repeated"),
        ([[3, 0], [0, 4]], "all 7 right"),
        (
            [[9, 4], [4, 8]],
            "8 of 25 wrong; 2 confusions are the most frequent (4 times each)",
        ),
        (
            [[0, 1_234_567], [0, 2_000_000]],
            "1,234,567 of 3,234,567 wrong; "
            "the most frequent confusion is 0 predicted as 1 (1,234,567 times)",
        ),
    ],
)
def test_the_title_has_the_most_frequent_confusion(matrix, title):
    drawn = confusion(matrix).get_suptitle().replace("\n", " ")
    assert drawn == f"Confusion matrix: {title}"


def test_most_wrong_are_the_mistakes_with_the_greatest_loss():
    images = np.arange(N)[:, None, None] / N * np.ones((1, 2, 2))
    figure = most_wrong(images, LABELS, PROBABILITIES, NAMES, count=5)
    loss = np.where(PREDICTED == LABELS, -1, -np.log(PROBABILITIES[np.arange(N), LABELS]))
    worst = sorted(range(N), key=lambda i: -loss[i])[:5]
    for ax, i in zip(figure.axes, worst, strict=True):
        assert_allclose(ax.images[0].get_array(), images[i])
        assert ax.get_title() == f"{NAMES[PREDICTED[i]]} ({100 * PROBABILITIES[i].max():.0f} %)"
        p = 100 * PROBABILITIES[i, LABELS[i]]
        assert ax.get_xlabel() == f"true: {NAMES[LABELS[i]]} ({p:.0f} %)"
    title = figure.get_suptitle().replace("\n", " ")
    assert title.startswith(f"Misclassified: {np.sum(PREDICTED != LABELS)} of 300; the 5 with ")


def test_without_a_mistake_there_is_only_a_title():
    figure = most_wrong(np.zeros((2, 3, 3, 3)), np.array([1, 0]), np.array([[0, 1], [1, 0]]))
    assert not figure.axes
    assert figure.get_suptitle() == "Misclassified: 0 of 2"


def test_reliability_agrees_with_scikit_learn():
    right = LABELS == PREDICTED
    accuracy, confidence = sklearn.calibration.calibration_curve(
        right, PROBABILITIES.max(axis=1), n_bins=10
    )
    by_bin = reliability(PROBABILITIES, LABELS, bins=10)
    filled = by_bin.count > 0
    assert_allclose(by_bin.accuracy[filled], accuracy)
    assert_allclose(by_bin.confidence[filled], confidence)
    assert by_bin.count.sum() == N


def test_the_calibration_error_is_that_of_the_metrics():
    metric = metrics.expected_calibration_error(12)
    measured = jax.jit(lambda z, label: metric.compute(metric.measure(z, label)))
    expected = measured(np.log(PROBABILITIES), LABELS)
    assert_allclose(reliability(PROBABILITIES, LABELS, bins=12).error, expected, atol=SINGLE)


def test_the_reliability_diagram_draws_accuracy_against_confidence():
    by_bin = reliability(PROBABILITIES, LABELS, bins=10)
    figure = calibration(PROBABILITIES, LABELS, bins=10)
    points = next(
        line for line in figure.axes[0].lines if line.get_label() == "accuracy of the bin"
    )
    assert_allclose(points.get_xydata(), np.stack([by_bin.confidence, by_bin.accuracy], axis=1))
    assert [bar.get_height() for bar in figure.axes[1].patches] == by_bin.count.tolist()
    assert f"{by_bin.error:.3f}" in figure.get_suptitle()


@pytest.mark.parametrize(
    ("confidence", "accuracy", "verdict"),
    [(0.9, 0.5, ": overconfident"), (0.6, 1.0, ": underconfident"), (0.75, 0.75, ": calibrated")],
)
def test_the_verdict_is_about_the_direction(confidence, accuracy, verdict):
    labels = (np.arange(100) >= 100 * accuracy).astype(int)
    figure = calibration(np.tile([confidence, 1 - confidence], (100, 1)), labels)
    assert verdict in figure.get_suptitle().replace("\n", " ")


def test_a_model_is_not_called_calibrated_where_errors_of_both_directions_cancel():
    confidence = np.repeat([0.6, 0.9], 50)  # of which 80 % and 70 % are right
    labels = np.repeat([0, 1, 0, 1], [40, 10, 35, 15])
    figure = calibration(np.stack([confidence, 1 - confidence], axis=1), labels)
    title = figure.get_suptitle().replace("\n", " ")
    assert "confidence equals accuracy on average, expected calibration error 0.200" in title


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: confusion(np.zeros((2, 3))), "got shape (2, 3), expected a square matrix"),
        (lambda: confusion(np.eye(2), ["one"]), "got 1 names of classes, expected 2"),
        (lambda: calibration(np.array([[1.0, 2.0]]), np.array([0])), "Apply jax.nn.softmax"),
        (lambda: calibration(np.array([[0.5, 0.5]]), np.array([2])), "expected integers in [0, 2)"),
        (
            lambda: calibration(np.array([[0.5, 0.5]]), np.array([[0, 1]])),
            "expected (N, classes) and (N,)",
        ),
        (
            lambda: most_wrong(np.zeros((2, 4, 4)), np.array([0]), np.array([[0.5, 0.5]])),
            "got 2 images and 1 labels",
        ),
    ],
)
def test_mistakes(call, text):
    with pytest.raises(JnnError) as error:
        call()
    assert text in str(error.value)
