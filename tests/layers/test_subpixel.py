"""Space into channels and back: PyTorch's, each the other's inverse."""

import jax.numpy as jnp
import numpy as np
import pytest

from jnn.errors import JnnError
from jnn.layers.subpixel import depth_to_space, space_to_depth


def run(layer, x):
    return layer.apply({}, {}, x)[0]


def test_they_are_pytorchs_in_another_order_of_channels(reference, float64):
    case = reference("generation", "pixel_shuffle")
    last = lambda x: np.moveaxis(x, 1, -1)
    deep, unshuffled = (
        (x := last(case[name])).reshape(*x.shape[:-1], -1, 4).swapaxes(-1, -2).reshape(x.shape)
        for name in ("deep", "unshuffled")
    )
    np.testing.assert_array_equal(run(depth_to_space(2), jnp.asarray(deep)), last(case["shuffled"]))
    np.testing.assert_array_equal(
        run(space_to_depth(2), jnp.asarray(last(case["wide"]))), unshuffled
    )


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_each_is_the_others_inverse(factor):
    x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 5, 6, 12, 9)))
    np.testing.assert_array_equal(run(depth_to_space(factor), run(space_to_depth(factor), x)), x)


def test_mistakes_are_named():
    with pytest.raises(
        JnnError, match="space_to_depth: got images of 5x4, expected sides divisible by 2"
    ):
        run(space_to_depth(2), jnp.ones((5, 4, 1)))
    with pytest.raises(JnnError, match="depth_to_space: got 6 channels, expected a multiple of 4"):
        run(depth_to_space(2), jnp.ones((5, 4, 6)))
    with pytest.raises(JnnError, match="depth_to_space: got factor=0, expected an integer >= 1"):
        depth_to_space(0)
