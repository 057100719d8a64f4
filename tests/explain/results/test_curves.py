"""What the learning curves draw is what was logged."""

import numpy as np
import pytest

from jnn.errors import JnnError
from jnn.explain.results.curves import learning_curves

ROWS = [
    {"step": 10, "train/loss": 2.0, "train/learning_rate": 0.1, "train/gradient_norm": 900.0},
    {"step": 10, "validation/loss": 1.9, "validation/accuracy": 0.4},
    {"step": 20, "train/loss": 1.0, "train/learning_rate": 0.05, "train/gradient_norm": 1.0},
    {"step": 20, "validation/loss": 0.8, "validation/accuracy": 0.9},
    {"step": 30, "train/loss": 0.5, "train/learning_rate": 0.0, "train/gradient_norm": None},
    {"step": 30, "validation/loss": 1.1, "validation/accuracy": 0.7},
]


def panel(figure, title):
    return next(ax for ax in figure.axes if ax.get_title(loc="left") == title)


def line(figure, title, split):
    found = next(line for line in panel(figure, title).lines if line.get_label() == split)
    return found.get_xdata().tolist(), found.get_ydata().tolist()


def test_every_panel_has_the_values_of_its_rows():
    figure = learning_curves(ROWS)
    assert [ax.get_title(loc="left") for ax in figure.axes] == [
        "loss",
        "accuracy",
        "learning rate",
        "gradient norm",
    ]
    assert line(figure, "loss", "train") == ([10, 20, 30], [2.0, 1.0, 0.5])
    assert line(figure, "loss", "validation") == ([10, 20, 30], [1.9, 0.8, 1.1])
    assert line(figure, "accuracy", "validation") == ([10, 20, 30], [0.4, 0.9, 0.7])
    assert line(figure, "learning rate", "train") == ([10, 20, 30], [0.1, 0.05, 0.0])


def test_what_is_no_number_leaves_a_gap():
    _, norms = line(learning_curves(ROWS), "gradient norm", "train")
    assert norms[:2] == [900.0, 1.0]
    assert np.isnan(norms[2])


def test_only_wide_ranges_are_logarithmic():
    figure = learning_curves(ROWS)
    assert panel(figure, "gradient norm").get_yscale() == "log"
    assert panel(figure, "loss").get_yscale() == "linear"


@pytest.mark.parametrize(
    ("best", "lowest", "step", "value", "title"),
    [
        (None, None, 20, 0.9, "Best validation accuracy: 0.9, at step 20"),
        ("validation/loss", None, 20, 0.8, "Best validation loss: 0.8, at step 20"),
        ("validation/accuracy", True, 10, 0.4, "Best validation accuracy: 0.4, at step 10"),
    ],
)
def test_the_best_step_is_marked(best, lowest, step, value, title):
    figure = learning_curves(ROWS, best=best, lowest=lowest)
    marks = [
        line
        for ax in figure.axes
        for line in ax.lines
        if line.get_marker() == "o" and len(line.get_xdata()) == 1
    ]
    assert [(mark.get_xdata()[0], mark.get_ydata()[0]) for mark in marks] == [(step, value)]
    assert all(
        any(list(line.get_xdata()) == [step, step] for line in ax.lines) for ax in figure.axes
    )
    assert figure.get_suptitle() == title


def test_without_any_finite_value_nothing_is_called_best():
    assert learning_curves([{"step": 1, "validation/loss": None}]).get_suptitle() == "Training"


@pytest.mark.parametrize(
    ("rows", "best", "text"),
    [
        (ROWS, "validation/f1", "got best='validation/f1', expected one of train/loss, "),
        ([], None, "got 0 rows without a metric"),
    ],
)
def test_mistakes(rows, best, text):
    with pytest.raises(JnnError) as error:
        learning_curves(rows, best=best)
    assert text in str(error.value)
