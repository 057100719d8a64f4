"""The encoding of columns in pieces, and settings that suit the data, in the experiment that has
them.
"""

import jax.numpy as jnp
import numpy as np

from experiments import tabular_regression as experiment
from jnn.data.scaling import Scaling

SINGLE = 1e-5  # float32: a division by the width of a piece, and a sum over the pieces


def test_the_pieces_sum_to_the_interpolated_quantile():
    rng = np.random.default_rng(0)
    ends = np.sort(rng.normal(size=(6, 2)), axis=0).astype(np.float32)
    x = rng.normal(size=(50, 2)).astype(np.float32)
    scales = experiment.Scales(ends, Scaling(np.zeros(()), np.ones(())))
    encoded = experiment.encode(scales, jnp.asarray(x)).reshape(50, 5, 2)
    expected = np.stack([np.interp(x[:, i], ends[:, i], np.arange(6)) for i in range(2)], axis=-1)
    np.testing.assert_allclose(encoded.sum(axis=1), expected, rtol=SINGLE, atol=SINGLE)


def test_a_setting_of_zero_is_not_taken_for_none():
    config = experiment.Config(data="diabetes", dropout=0.0, weight_decay=0.0)
    assert (config.dropout, config.weight_decay) == (0, 0)
    assert (config.hidden, config.epochs) == (
        experiment.SUITED["diabetes"]["hidden"],
        experiment.SUITED["diabetes"]["epochs"],
    )
