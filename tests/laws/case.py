"""A line of the registry."""

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
