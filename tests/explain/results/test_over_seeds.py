"""The picture of a comparison has every seed at its place."""

import numpy as np
import pytest

from jnn.errors import JnnError
from jnn.explain.results.over_seeds import MOST, over_seeds


def points(line):
    return list(zip(line.get_xdata(), line.get_ydata(), strict=True))


def test_one_number_that_differs_is_the_axis_with_means_and_seeds():
    rows = [({"learning_rate": 0.1}, [0.5, 0.7]), ({"learning_rate": 0.01}, [0.8, 1.0, None])]
    figure = over_seeds("test/accuracy", rows, lowest=False, baselines={"svm": 0.75})
    means, seeds, baseline = figure.axes[0].lines
    assert np.allclose(points(means), [(0.01, 0.9), (0.1, 0.6)])
    assert points(seeds) == [(0.01, 0.8), (0.01, 1.0), (0.1, 0.5), (0.1, 0.7)]
    assert list(baseline.get_ydata()) == [0.75, 0.75]
    assert figure.axes[0].get_xscale() == "log"
    title = figure.get_suptitle().replace("\n", " ")
    assert title.endswith("single seeds; without 1 of 5 runs, which have no finite value")


def test_other_settings_make_a_line_each():
    rows = [
        ({"model": model, "width": width}, [width / 10])
        for model in ("mlp", "cnn")
        for width in (4, 8)
    ]
    ax = over_seeds("test/loss", rows, lowest=True).axes[0]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "model mlp",
        "model cnn",
    ]
    assert ax.get_xscale() == "linear"


@pytest.mark.parametrize(
    ("rows", "labels"),
    [
        (
            [({"model": "mlp"}, [0.3, 0.5]), ({"model": "cnn"}, [0.1])],
            ["model cnn", "baseline svm", "model mlp"],
        ),
        (
            [({"width": 4, "rate": 0.1}, [0.3]), ({"width": 8, "rate": 0.2}, [0.1])],
            ["width 8, rate 0.2", "baseline svm", "width 4, rate 0.1"],
        ),
        ([({}, [0.1, 0.1])], ["all", "baseline svm"]),
    ],
)
@pytest.mark.parametrize("metric", ["test/loss", "test/nll", "box"])
def test_otherwise_each_config_is_a_row_of_dots_the_best_on_top(rows, labels, metric):
    ax = over_seeds(metric, rows, lowest=True, baselines={"svm": 0.2}).axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == labels
    assert ax.yaxis_inverted()
    drawn = sorted(x for line in ax.lines if line.get_marker() == "o" for x in line.get_xdata())
    assert drawn == sorted([value for _, values in rows for value in values] + [0.2])


@pytest.mark.parametrize(("lowest", "which"), [(True, "best"), (None, "first")])
def test_of_many_configs_the_best_are_drawn_with_all_baselines(lowest, which):
    values = np.random.default_rng(0).permutation(300) / 300
    rows = [({"a": i, "b": -i}, [value]) for i, value in enumerate(values)]
    figure = over_seeds("test/loss", rows, lowest=lowest, baselines={"svm": 2.0})
    assert f"the {which} {MOST} of 300 configs" in figure.get_suptitle().replace("\n", " ")
    drawn = [
        x for line in figure.axes[0].lines if line.get_marker() == "o" for x in line.get_xdata()
    ]
    assert drawn == [*(np.sort(values) if lowest else values)[:MOST], 2.0]
    assert figure.get_figheight() < 20


def test_without_a_direction_configs_keep_their_order():
    rows = [({"model": name}, [value]) for name, value in (("a", 0.3), ("b", 0.1), ("c", 0.2))]
    figure = over_seeds("test/loss", rows, lowest=None)
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["model a", "model b", "model c"]
    assert "better" not in figure.get_suptitle()


def test_a_config_without_a_finite_value_is_told_of():
    rows = [({"rate": 0.1}, [0.3, 0.5]), ({"rate": 9.0}, [float("nan"), None])]
    figure = over_seeds("test/loss", rows, lowest=True)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["rate 0.1"]
    assert figure.get_suptitle().replace("\n", " ") == (
        "Test loss (lower is better): mean and single seeds; "
        "without 2 of 4 runs, which have no finite value"
    )


def test_nothing_finite_is_refused():
    with pytest.raises(JnnError, match="over_seeds: got 1 configs without a finite test/loss"):
        over_seeds("test/loss", [({}, [float("nan"), None])], lowest=True)


def test_names_of_near_baselines_are_one_text():
    rows = [({"learning_rate": rate}, [0.5]) for rate in (0.1, 0.2)]
    baselines = {"svm": 0.951, "most frequent class": 0.1, "trees": 0.95}
    ax = over_seeds("test/accuracy", rows, lowest=False, baselines=baselines).axes[0]
    assert [(text.get_text(), text.xy[1]) for text in ax.texts] == [
        ("most frequent class", 0.1),
        ("trees, svm", 0.951),
    ]


def test_whole_settings_have_ticks_at_whole_numbers():
    rows = [({"depth": depth}, [0.5]) for depth in (1, 2)]
    ticks = over_seeds("test/accuracy", rows, lowest=False).axes[0].get_xticks()
    np.testing.assert_array_equal(ticks, np.round(ticks))
