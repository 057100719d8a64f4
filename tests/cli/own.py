"""An experiment of the user's own: which side of a plane a point is on."""

import dataclasses

import numpy as np

import jnn
from jnn.data.splits import from_arrays
from jnn.tasks import supervised
from jnn.train import TrainingConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(TrainingConfig):
    epochs: int = 2


def load_data(config, *, offline=False):
    x = np.random.default_rng(0).standard_normal((200, 3)).astype(np.float32)
    return from_arrays({"features": x, "label": (x[:, 0] > 0).astype(np.int32)})


def task(config, splits):
    return supervised(jnn.dense(2), splits, batch_size=16)
