"""The task of predicting one array from another."""

import numpy as np
import pytest

import jnn
from jnn.architectures.mlp import MLPConfig, mlp
from jnn.data.splits import from_arrays
from jnn.errors import JnnError
from jnn.train import supervised

IMAGES = np.random.default_rng(0).standard_normal((40, 8, 8, 3)).astype(np.float32)
SPLITS = from_arrays({"features": IMAGES, "label": np.arange(40) % 2})


def test_images_into_a_network_of_vectors_are_told_from_vectors():
    with pytest.raises(JnnError, match=r"got predictions \(8, 8, 2\) of an example.*input_rank=3"):
        supervised(mlp(MLPConfig(outputs=2)), SPLITS)
    assert (
        supervised(mlp(MLPConfig(outputs=2, input_rank=3)), SPLITS, batch_size=8).best
        == "validation/loss"
    )


def test_a_label_for_each_element_is_predicted_at_each():
    labels = np.zeros((40, 8), np.int32)
    splits = from_arrays({"features": IMAGES[:, :, 0], "label": labels})
    assert supervised(jnn.chain(jnn.gru(4), jnn.dense(2)), splits, batch_size=8).lowest
