"""Every layer and architecture, one line each: its model and one example of its input. ``test_laws.py`` checks all laws on all of them."""

import importlib
import pathlib
from typing import NamedTuple

import numpy as np

import jnn


class Case(NamedTuple):
    """A model, one example, and whether the first axis of the example is time."""

    model: jnn.Model
    x: object
    sequence: bool = False


def example(*shape: int) -> np.ndarray:
    """Values of the order of one."""
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


FAMILIES = sorted(path.stem for path in pathlib.Path(__file__).parent.glob("cases_*.py"))
CASES = {name: case for family in FAMILIES for name, case in importlib.import_module(f"tests.laws.{family}").CASES.items()}
