"""The map of positions shows the vectors and their cosines."""

import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from jnn.errors import JnnError
from jnn.explain.inside.position_map import position_map
from jnn.layers.position_vectors import sinusoidal_positions

ROUNDING = 1e-5  # float32 sines


def test_sines_are_alike_by_distance_alone():
    """``p_s · p_t = Σ_i cos((s - t) f_i)``: the same along each diagonal."""
    vectors = sinusoidal_positions().apply({}, {}, jnp.zeros((20, 8)))[0]
    left, right = position_map(vectors).axes[:2]
    assert_allclose(left.images[0].get_array(), vectors)
    alike, distance = right.images[0].get_array(), np.arange(20)[:, None] - np.arange(20)
    expected = np.mean([np.cos(distance * 10000.0 ** (-i / 4)) for i in range(4)], axis=0)
    assert_allclose(alike, expected, atol=ROUNDING)


def test_the_first_are_shown_and_the_title_says_so():
    figure = position_map(np.ones((300, 4)), most=50)
    assert figure.get_suptitle() == "Position encoding: the first 50 of 300 positions"
    assert figure.axes[0].images[0].get_array().shape == (50, 4)


def test_mistakes():
    with pytest.raises(
        JnnError, match=r"position_map: got vectors of shape \(3,\), expected \(length, features\)"
    ):
        position_map(np.ones(3))
