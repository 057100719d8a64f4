"""Bars beside baselines, and the words and numbers of metrics."""

import pytest
from matplotlib.colors import same_color

from jnn.errors import JnnError
from jnn.explain import style
from jnn.explain.results.bars import against_baselines
from jnn.wording import lower_is_better, number, ranked


def test_bars_are_as_long_as_the_values_the_best_on_top_and_the_model_in_colour():
    figure = against_baselines(
        "test/accuracy", 0.9, {"svm": 0.95, "guess": 0.1, "broken": float("nan")}, name="cnn"
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


def test_less_error_is_on_top():
    figure = against_baselines("test/rmse", 0.2, {"mean": 1.0, "linear": 0.1})
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == [
        "linear",
        "model",
        "mean",
    ]
    assert figure.get_suptitle() == "Test RMSE (less is better)"


def test_two_bars_of_one_name_are_refused():
    with pytest.raises(JnnError, match="a baseline called 'svm' as the model is"):
        against_baselines("test/accuracy", 0.9, {"svm": 0.95}, name="svm")


@pytest.mark.parametrize(
    "metric",
    [
        "test/accuracy",
        "test/r2",
        "test/bleu",
        "test/auc",
        "test/average_precision",
        "test/map50",
        "test/f1",
    ],
)
def test_more_is_better(metric):
    assert not lower_is_better(metric)


@pytest.mark.parametrize(
    "metric",
    [
        "validation/loss",
        "test/rmse",
        "test/rmse_24h",
        "validation/nats_per_character",
        "test/eer",
        "test/frechet",
        "test/mean_absolute_error",
    ],
)
def test_less_is_better(metric):
    assert lower_is_better(metric)


def test_values_from_json_that_are_no_numbers_come_last():
    assert ranked({"a": None, "b": 0.1, "c": "NaN", "d": 0.3}, lowest=True) == ["b", "d", "a", "c"]
    assert [number(value) for value in (None, "NaN", float("inf"), 12345.6, 1e-5)] == [
        "not a number"
    ] * 3 + ["12,346", "1e-05"]
