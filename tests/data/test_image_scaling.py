"""Bytes as numbers, smaller images, and ones freed of brightness and contrast, against NumPy."""

import jax
import numpy as np
import pytest

from jnn.data.image_scaling import block_means, standardize_images, to_float
from jnn.errors import JnnError


def test_bytes_become_floats_alike_in_numpy_and_jax():
    x = np.arange(256, dtype=np.uint8)
    assert np.array_equal(to_float(x), np.arange(256, dtype=np.float32) / np.float32(255))
    on_device = jax.jit(to_float)(x)
    # XLA may multiply by the reciprocal
    np.testing.assert_array_max_ulp(np.asarray(on_device), to_float(x), 1)
    y = np.ones(3, np.float16)
    assert to_float(y) is y


@pytest.mark.parametrize("dtype", ["int32", "int8", "bool"])
def test_other_integers_have_no_known_range(dtype):
    with pytest.raises(JnnError, match=rf"to_float: got dtype {dtype}"):
        to_float(np.zeros(3, dtype))


def test_means_are_of_blocks_of_each_channel():
    image = np.random.default_rng(0).integers(0, 256, (2, 4, 6, 3), np.uint8)
    blocks = [
        [image[:, i : i + 2, j : j + 2].mean(axis=(1, 2)) / 255 for j in (0, 2, 4)] for i in (0, 2)
    ]
    expected = np.moveaxis(np.array(blocks), 2, 0)
    np.testing.assert_allclose(block_means(image, 2), expected, rtol=1e-6)  # float32
    np.testing.assert_array_equal(block_means(image[0], 2), block_means(image, 2)[0])


def test_a_size_that_does_not_divide_is_refused():
    with pytest.raises(JnnError, match="size=4 for images 4 x 6, expected a size that divides"):
        block_means(np.zeros((4, 6, 1)), 4)


def test_brightness_and_contrast_do_not_matter():
    image = np.random.default_rng(0).uniform(0.3, 0.7, (3, 28, 23, 1)).astype(np.float32)
    plain = standardize_images(image)
    # the variance has a floor
    np.testing.assert_allclose(standardize_images(0.5 + 1.3 * (image - 0.6)), plain, atol=0.02)
    flat = np.asarray(plain).reshape(3, -1)
    np.testing.assert_allclose([flat.mean(axis=1), flat.std(axis=1)], [[0] * 3, [1] * 3], atol=0.01)
