"""Rows over seeds, against values worked out by hand and by the standard library."""

import csv
import io
import math
import statistics

import pytest

from jnn.runs.comparison import Result, compare, differing, direction_of, shared_metrics, spread
from jnn.runs.comparison_text import as_json, caption, cells, csv_text, markdown

KEPT = {"metric": "validation/accuracy", "direction": "highest", "value": 0.5}
ACCURACIES = {0.1: [0.50, 0.54, 0.46], 0.01: [0.980, 0.990, 0.985]}


def results(**more):
    return [
        Result(
            experiment="digits",
            config={"seed": seed, "model": "cnn", "learning_rate": rate, "options": {"b1": 0.9}},
            metrics={"test/loss": 1.0 - accuracy, "test/accuracy": accuracy},
            kept={**KEPT, "step": 10 * (seed + 1)},
            seconds=10.0 + seed,
            **more,
        )
        for rate, accuracies in ACCURACIES.items()
        for seed, accuracy in enumerate(accuracies)
    ]


def test_runs_that_differ_in_the_seed_alone_are_one_row_and_the_best_comes_first():
    found = compare(results(), metric="test/accuracy", lowest=False)
    assert (found.settings, found.metrics) == (["learning_rate"], ["test/accuracy", "test/loss"])
    assert [row.settings for row in found.rows] == [{"learning_rate": 0.01}, {"learning_rate": 0.1}]
    for row in found.rows:
        accuracies = ACCURACIES[row.settings["learning_rate"]]
        assert row.metrics["test/accuracy"].mean == pytest.approx(sum(accuracies) / 3)
        assert row.metrics["test/accuracy"].deviation == statistics.stdev(accuracies)
        assert (row.kept_step, row.seconds, len(row.results), row.unfinished) == (20.0, 11.0, 3, 0)
    assert [
        row.settings["learning_rate"]
        for row in compare(results(), metric="test/loss", lowest=True).rows
    ] == [0.01, 0.1]
    assert [
        row.settings["learning_rate"]
        for row in compare(results(), metric="test/loss", lowest=False).rows
    ] == [0.1, 0.01]


def test_a_deviation_has_n_minus_1_and_needs_two_seeds():
    assert spread([2.0, 4.0]) == (3.0, math.sqrt(2), (2.0, 4.0))
    assert spread([0.7]) == (0.7, None, (0.7,))


def test_a_seed_whose_metric_is_nan_is_not_left_out_of_the_mean():
    found = compare(
        [
            Result(config={"seed": 0}, metrics={"a": None}),
            Result(config={"seed": 1}, metrics={"a": 1.0}),
        ],
        metric="a",
        lowest=True,
    )
    assert math.isnan(found.rows[0].metrics["a"].mean)
    assert cells(found, ["a"])[1] == ["all", "not a number", "2"]


def test_what_diverges_is_a_row_of_its_own_at_the_end():
    lost = [
        Result(
            experiment="digits",
            config={"seed": s, "learning_rate": 1.0},
            metrics={},
            state="diverged",
        )
        for s in (0, 1)
    ]
    half = Result(
        experiment="digits", config={**results()[0].config, "seed": 7}, metrics={}, state="failed"
    )
    found = compare([*lost, *results(), half], metric="test/loss", lowest=True)
    assert [
        (row.settings["learning_rate"], len(row.results), row.unfinished) for row in found.rows
    ] == [
        (0.01, 3, 0),
        (0.1, 3, 1),
        (1.0, 0, 2),
    ]
    assert [line[-1] for line in cells(found, ["test/loss"])] == ["runs", "3", "3 of 4", "0 of 2"]


def test_a_repeated_seed_counts_once_and_the_last_wins():
    runs = [
        Result(config={"seed": 0}, metrics={"a": 1.0}),
        Result(config={"seed": 0}, metrics={}),
        Result(config={"seed": 0}, metrics={"a": 3.0}),
    ]
    found = compare(runs, metric="a", lowest=True)
    assert (found.repeated, found.rows[0].metrics["a"], found.rows[0].unfinished) == (
        1,
        (3.0, None, (3.0,)),
        0,
    )


def test_runs_without_a_seed_all_count():
    found = compare(
        [Result(config={}, metrics={"a": value}) for value in (1.0, 2.0)], metric="a", lowest=True
    )
    assert (found.repeated, found.rows[0].metrics["a"].values) == (0, (1.0, 2.0))


def test_nested_settings_and_those_of_an_older_version_differ_too():
    older = Result(experiment="digits", config={"seed": 0, "options": {"b1": 0.8}}, metrics={})
    newer = Result(
        experiment="digits", config={"seed": 1, "options": {"b1": 0.9}, "depth": 3}, metrics={}
    )
    assert differing([older, newer]) == ["options.b1", "depth"]


def test_a_setting_of_one_experiment_alone_makes_no_difference_to_another():
    one = Result(experiment="a", config={"data": "x", "width": 3}, metrics={})
    other = Result(experiment="b", config={"data": "y", "depth": 3}, metrics={})
    assert differing([one, other]) == ["experiment", "data"]
    deeper = Result(experiment="b", config={"data": "y", "depth": 4}, metrics={})
    assert differing([one, other, deeper]) == ["experiment", "data", "depth"]


def test_metrics_that_not_all_have_or_that_are_no_numbers_are_no_columns():
    runs = [
        Result(config={}, metrics=metrics)
        for metrics in ({"a": 1.0, "b": 2, "c": 1}, {}, {"b": None, "a": "much", "d": 2})
    ]
    assert shared_metrics(runs) == ["b"]


def test_baselines_stand_below_only_where_they_are_equal_in_all_runs():
    same = {"svm": {"test/accuracy": 0.95}}
    runs = [
        Result(
            config={"seed": s},
            metrics={"test/accuracy": 0.9},
            baselines={**same, "guess": {"test/accuracy": s / 10}},
        )
        for s in (0, 1)
    ]
    found = compare(runs, metric="test/accuracy", lowest=False)
    assert found.baselines == same
    assert cells(found, ["test/accuracy"])[-1] == ["baseline svm", "0.9500", ""]


def test_the_kept_step_is_what_the_runs_say_whatever_the_metric():
    kept = [
        {"metric": "validation/loss", "direction": "lowest", "step": n, "value": 0.1}
        for n in (10, 30)
    ]
    runs = [
        Result(config={"seed": seed}, metrics={"test/accuracy": 0.9}, kept=each)
        for seed, each in enumerate(kept)
    ]
    assert compare(runs, metric="test/accuracy", lowest=False).rows[0].kept_step == 20.0
    last = [Result(config={"seed": 0}, metrics={"test/accuracy": 0.9})]
    assert compare(last, metric="test/accuracy", lowest=False).rows[0].kept_step is None


def test_the_direction_of_a_metric_is_what_the_runs_say():
    metric = {"name": "test/box", "direction": "lowest"}
    kept = {"metric": "validation/nll", "direction": "lowest", "step": 1, "value": 0.1}
    runs = [Result(config={}, metrics={"test/box": 1.0, "test/r2": 0.5}, metric=metric, kept=kept)]
    assert direction_of(runs, "test/box") == direction_of(runs, "validation/nll") == "lowest"
    assert direction_of(runs, "test/r2") == ""


def test_rows_keep_their_order_where_the_direction_is_unknown():
    values = (0.5, 0.9, 0.1)
    runs = [Result(config={"rate": i}, metrics={"a": value}) for i, value in enumerate(values)]
    found = compare(runs, metric="a", lowest=None)
    assert [row.metrics["a"].mean for row in found.rows] == list(values)
    assert "not known (--direction)" in caption(found)


def test_cells_have_as_many_decimals_as_the_smallest_deviation_needs():
    found = compare(results(), metric="test/accuracy", lowest=False)
    # deviations 0.005 and 0.04: two digits of the smaller need four decimals
    assert cells(found, ["test/accuracy"]) == [
        ["learning_rate", "test/accuracy", "kept step", "time", "runs"],
        ["0.01", "0.9850 ± 0.0050", "20", "11 s", "3"],
        ["0.1", "0.5000 ± 0.0400", "20", "11 s", "3"],
    ]


@pytest.mark.parametrize(
    ("values", "cell"),
    [
        ([12345.6], "12,346"),
        ([0.0], "0.0000"),
        ([1e-5, 3e-5], "2.000e-05 ± 1.414e-05"),
        ([-1.5, -1.5], "-1.5000 ± 0.0000"),
    ],
)
def test_numbers_of_every_size_are_legible(values, cell):
    runs = [Result(config={"seed": i}, metrics={"a": value}) for i, value in enumerate(values)]
    assert cells(compare(runs, metric="a", lowest=True), ["a"])[1][1] == cell


def test_csv_has_all_digits_and_quotes_what_it_must():
    runs = [
        Result(config={"seed": s, "widths": [w, 8]}, metrics={"a": 0.1 + s / 3})
        for w in (4, 6)
        for s in (0, 1)
    ]
    rows = list(csv.DictReader(io.StringIO(csv_text(compare(runs, metric="a", lowest=True)))))
    assert [row["widths"] for row in rows] == ["[4, 8]", "[6, 8]"]
    values = [0.1, 0.1 + 1 / 3]
    assert float(rows[0]["a"]) == statistics.fmean(values)
    assert float(rows[0]["a deviation"]) == statistics.stdev(values)
    assert (rows[0]["runs"], rows[0]["unfinished"], rows[0]["kept_step"]) == ("2", "0", "")


def test_markdown_is_a_table_of_all_metrics():
    found = compare(results(), metric="test/accuracy", lowest=False)
    lines = markdown(found).splitlines()
    assert lines[0] == "| learning_rate | test/accuracy | test/loss | kept step | time | runs |"
    assert lines[1] == "| --- | --- | --- | --- | --- | --- |"
    assert lines[2].startswith("| 0.01 | 0.9850 ± 0.0050 | 0.0150 ± 0.0050 |")
    assert (
        lines[-1]
        == caption(found)
        == "Mean ± standard deviation over seeds; higher test/accuracy is better."
    )


def test_json_has_the_values_of_every_seed_and_the_folders():
    found = as_json(compare(results(folder="here"), metric="test/accuracy", lowest=False))
    assert found["rows"][0]["metrics"]["test/accuracy"]["values"] == tuple(ACCURACIES[0.01])
    assert found["rows"][0]["runs"] == ["here"] * 3
