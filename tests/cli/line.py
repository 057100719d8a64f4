"""Fit a line.

More about it.
"""

import signal
from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp

import jnn
from jnn.errors import Diverged, MissingDataError, MissingExtraError, mistake
from jnn.runs.run import About

ABOUT = About(
    task="regression",
    models=("line",),
    data=("made",),
    metric="test/rmse",
    direction="lowest",
    expected="0.1",
    cost="1 s",
)


@dataclass(frozen=True, kw_only=True)
class Config:
    seed: int = 0
    smoke: bool = False
    epochs: int = 3
    learning_rate: float = 0.1
    """How far a step goes."""
    widths: tuple[int, ...] = (3, 4)
    trouble: Literal[
        "", "mistake", "data", "extra", "diverged", "sigterm", "sigint", "bug", "if"
    ] = ""

    def __post_init__(self):
        if self.learning_rate <= 0:
            raise mistake(
                "config", got=f"learning_rate={self.learning_rate}", expected="a number > 0"
            )


def describe(config):
    return jnn.chain(jnn.dense(4), jnn.dense(2)), jnp.ones(3)


def main(config, run):
    trouble = "" if run.resuming else config.trouble
    if trouble in ERRORS:
        raise ERRORS[trouble](f"trouble with {trouble}")
    if trouble.startswith("sig"):
        signal.raise_signal(signal.SIGTERM if trouble == "sigterm" else signal.SIGINT)
    if trouble == "if":
        jax.jit(lambda x: 1 if x > 0 else 0)(1.0)
    run.metrics.write(1, {"train/loss": 0.5})
    return {
        "metrics": {"test/rmse": 0.0123, "test/r2": 0.5},
        "baselines": {"mean": 1.0, "least squares": {"test/rmse": 0.0100, "test/r2": 0.75}},
        "parameters": 1234,
        "steps": config.epochs,
    }


ERRORS = {
    "mistake": lambda text: mistake(text, got="this", expected="that"),
    "data": MissingDataError,
    "extra": MissingExtraError,
    "diverged": Diverged,
    "bug": ZeroDivisionError,
}
