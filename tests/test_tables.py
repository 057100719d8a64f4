"""Tables of plain text."""

import unicodedata

import pytest

from jnn.tables import metric_table, table


def test_the_table_of_metrics_has_a_row_for_each_method():
    measured = {
        "LSTM": {"test/auc": 0.91234, "test/f1": 0.5},
        "|z|": {"test/auc": 0.7, "test/f1": 0.25},
    }
    lines = metric_table(measured).splitlines()
    assert [line.split() for line in lines] == [
        ["AUC", "F1"],
        ["LSTM", "0.912", "0.500"],
        ["|z|", "0.700", "0.250"],
    ]
    assert len({len(line) for line in lines}) == 1


def test_a_metric_that_a_method_lacks_is_blank():
    lines = metric_table(
        {"network": {"frechet": 1.0, "accuracy": 0.5}, "pixels": {"accuracy": 0.25}}
    ).splitlines()
    assert lines[2].split() == ["pixels", "0.250"]
    assert lines[1].index("0.500") == lines[2].index("0.250")


def test_columns_are_as_wide_as_their_widest_cell():
    assert table([["a", "b"], ["long", "100"], ["x", "5"]], numbers=[1]) == [
        "a       b",
        "long  100",
        "x       5",
    ]


def test_wide_letters_count_as_two_and_accents_of_their_own_as_none():
    rows = [["層", "5"], ["abc", "10"], ["e\u0301", "7"]]
    assert table(rows, numbers=[1]) == ["層    5", "abc  10", "e\u0301     7"]


@pytest.mark.parametrize(
    ("text", "columns"),
    [("กิน", 2), ("हुआ", 2), ("ガゼ", 4), ("각도", 4), ("é", 1)],
    ids=["Thai", "Hindi", "Japanese", "Korean", "French"],
)
@pytest.mark.parametrize("form", ["NFC", "NFD"])  # macOS names files in NFD
def test_marks_and_parts_of_letters_take_no_columns(text, columns, form):
    letters = unicodedata.normalize(form, text)
    lines = table([[letters, "5"], ["abcdef", "10"]], numbers=[1])
    assert lines == [letters + " " * (6 - columns) + "   5", "abcdef  10"]
