"""An experiment of a second or two, for runs in several processes."""

import dataclasses
import time

import jax
import numpy as np

import jnn
from jnn.data.splits import from_arrays
from jnn.tasks import supervised
from jnn.train import TrainingConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(TrainingConfig):
    epochs: int = 3
    batch_size: int = 8
    rows: int = 40
    slow: float = 0.0
    """Seconds that each evaluation takes longer."""
    elsewhere: int = 0
    """So many rows more are on another process than the first."""


def load_data(config, *, offline=False):
    rows = config.rows + (config.elsewhere if jax.process_index() else 0)
    x = np.random.default_rng(0).standard_normal((rows, 3)).astype(np.float32)
    return from_arrays({"features": x, "label": (x[:, 0] > 0).astype(np.int32)})


def task(config, splits):
    model = jnn.chain(jnn.dense(8), jnn.dropout(0.2), jnn.dense(2))
    task = supervised(model, splits, batch_size=config.batch_size)

    def on_evaluate(step, params, state):
        time.sleep(config.slow)

    return task._replace(on_evaluate=on_evaluate)
