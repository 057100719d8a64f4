from pathlib import Path

import py_mini_racer
import pytest

import jnn.explain
from jnn.explain.scripts.bundle import bundle

NUMBERS = Path(jnn.explain.__file__).parent / "scripts" / "numbers.js"


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ("short(0.0001)", "1e−4"),
        ("short(-2e36)", "−2e+36"),
        ("short(1.264e-5)", "1.26e−5"),
        ("short(253412.3, 4)", "253400"),
        ("short(1234567, 4)", "1.235e+6"),
        ("fixed(-1234.567)", "−1234.57"),
        ("fixed(1.3889858373612997e36, 3)", "1.39e+36"),
        ("fixed(-1.5e21)", "−1.5e+21"),
        ("fixed(-0.001)", "0.00"),
        ("fixed(NaN)", "not a number"),
    ],
)
def test_numbers_are_short_of_any_size(call, text):
    assert py_mini_racer.MiniRacer().eval(f"{bundle(NUMBERS)}; {call}") == text
