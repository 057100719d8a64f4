"""Learning curves have the logged values, and mark the step that was kept."""

import numpy as np
import pytest

from jnn.errors import JnnError
from jnn.explain.results.curves import Kept, learning_curves

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
    drawn = next(line for line in panel(figure, title).lines if line.get_label() == split)
    return drawn.get_xdata().tolist(), drawn.get_ydata().tolist()


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


def test_nan_leaves_a_gap():
    _, norms = line(learning_curves(ROWS), "gradient norm", "train")
    assert norms[:2] == [900.0, 1.0]
    assert np.isnan(norms[2])


def test_only_wide_ranges_are_logarithmic():
    figure = learning_curves(ROWS)
    assert panel(figure, "gradient norm").get_yscale() == "log"
    assert panel(figure, "loss").get_yscale() == "linear"


def marks(figure):
    """The values that have a ring around them."""
    return [
        (float(line.get_xdata()[0]), float(line.get_ydata()[0]))
        for ax in figure.axes
        for line in ax.lines
        if line.get_marker() == "o" and len(line.get_xdata()) == 1
    ]


@pytest.mark.parametrize(
    ("kept", "title"),
    [
        # the accuracy peaks at step 20, the learning rate at step 10
        (Kept("validation/loss", 30, 1.1, lowest=True), "lowest validation loss 1.1, at step 30"),
        (Kept("validation/accuracy", 10, 0.4), "validation accuracy 0.4, at step 10"),
    ],
)
def test_the_step_that_was_kept_is_marked_and_no_other(kept, title):
    figure = learning_curves(ROWS, metric="test/accuracy", kept=kept)
    assert marks(figure) == [(kept.step, kept.value)]
    for ax in figure.axes:
        assert [list(line.get_xdata()) for line in ax.lines].count([kept.step, kept.step]) == 1
    assert figure.get_suptitle() == f"Learning curves: {title}"
    assert [ax.get_title(loc="left") for ax in figure.axes[:2]] == ["loss", "accuracy"]


def test_without_a_kept_step_nothing_is_marked_or_called_best():
    figure = learning_curves(ROWS)
    assert marks(figure) == []
    assert figure.get_suptitle() == "Learning curves"


def test_the_main_metric_has_a_panel_beside_the_one_that_was_kept_by():
    rows = [*ROWS, {"step": 30, "validation/f1": 0.5, "validation/auc": 0.6}]
    figure = learning_curves(rows, metric="test/f1", kept=Kept("validation/auc", 30, 0.6, False))
    assert [ax.get_title(loc="left") for ax in figure.axes[:3]] == ["loss", "AUC", "F1"]


def test_steps_are_whole_in_a_short_run():
    rows = [{"step": step, "train/loss": 1 / step} for step in (1, 2)]
    ticks = learning_curves(rows).axes[0].get_xticks()
    np.testing.assert_array_equal(ticks, np.round(ticks))


def test_one_step_has_one_tick():
    ax = learning_curves([{"step": 7, "train/loss": 1.0}]).axes[0]
    low, high = ax.get_xlim()
    assert [tick for tick in ax.get_xticks() if low <= tick <= high] == [7]


def test_a_panel_without_a_finite_value_says_so():
    rows = [{"step": step, "train/loss": 1.0, "gradient_norm": np.inf} for step in (1, 2)]
    loss, norm = learning_curves(rows).axes
    assert [text.get_text() for text in norm.texts] == ["no finite value"]
    assert not loss.texts


def test_where_each_split_has_metrics_of_its_own_their_lines_have_names():
    rows = [{"step": 1, "train/loss": 1.0, "train/learning_rate": 0.1}]
    rows.append({"step": 1, "validation/rmse": 9.0})
    legends = [ax.get_legend() for ax in learning_curves(rows).axes]
    texts = [legend and legend.get_texts()[0].get_text() for legend in legends]
    assert texts == ["train", "validation", None]
    assert learning_curves(rows[:1]).axes[0].get_legend() is None


def test_mistakes():
    with pytest.raises(JnnError, match="got 0 rows without a metric"):
        learning_curves([])
