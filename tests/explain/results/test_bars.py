"""Bars of a model and its baselines."""

import pytest
from matplotlib.colors import same_color

from jnn.errors import JnnError
from jnn.explain import style
from jnn.explain.results.bars import against_baselines


def test_bars_are_as_long_as_the_values_the_best_on_top_and_the_model_in_colour():
    figure = against_baselines(
        "test/accuracy",
        0.9,
        {"svm": 0.95, "guess": 0.1, "broken": float("nan")},
        lowest=False,
        name="cnn",
    )
    ax = figure.axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["svm", "cnn", "guess", "broken"]
    assert [bar.get_width() for bar in ax.patches] == [0.95, 0.9, 0.1, 0.0]
    assert [same_color(bar.get_facecolor(), style.ORANGE) for bar in ax.patches] == [
        False,
        True,
        False,
        False,
    ]
    assert [text.get_text() for text in ax.texts] == ["0.95", "0.9", "0.1", "not a number"]
    assert ax.yaxis_inverted()


@pytest.mark.parametrize("metric", ["test/rmse", "test/nll", "box"])
def test_where_the_lowest_is_best_it_is_on_top_whatever_the_name(metric):
    figure = against_baselines(metric, 0.2, {"mean": 1.0, "linear": 0.1}, lowest=True)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == [
        "linear",
        "model",
        "mean",
    ]
    assert figure.get_suptitle().endswith(" (lower is better)")


def test_without_a_direction_bars_keep_their_order():
    figure = against_baselines("test/rmse", 0.2, {"mean": 1.0, "linear": 0.1}, lowest=None)
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["model", "mean", "linear"]
    assert figure.get_suptitle() == "Test RMSE"


def test_two_bars_of_one_name_are_refused():
    with pytest.raises(JnnError, match="a baseline called 'svm' as the model is"):
        against_baselines("test/accuracy", 0.9, {"svm": 0.95}, lowest=False, name="svm")
