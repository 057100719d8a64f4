"""The benchmarks: their arithmetic, and that the page shows the results as committed."""

import json
import time
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
RESULTS = sorted((BENCHMARKS / "results").glob("*.json"))


@pytest.fixture
def measure(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import measure

    return measure


def test_a_ratio_is_the_time_of_a_way_over_that_of_the_first(measure):
    waits = {"short": lambda: time.sleep(0.01), "long": lambda: time.sleep(0.05)}
    found = measure.measure(measure.Comparison("waiting", waits, tolerance=None), seconds=0.3)[
        "ways"
    ]
    assert found["short"]["ratio"] == 1
    assert 2 < found["long"]["ratio"] < 8  # 5 on an idle machine; sleeps are longer on a busy one
    assert found["long"]["least_microseconds"] >= 50_000


def test_ways_that_do_different_things_are_not_compared(measure):
    with pytest.raises(AssertionError, match="b and a differ"):
        measure.measure(measure.Comparison("sums", {"a": lambda: 1.0, "b": lambda: 1.1}))


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_the_page_shows_the_results(path, measure):
    assert measure.table(json.loads(path.read_text())) in (BENCHMARKS / "README.md").read_text()
