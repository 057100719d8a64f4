"""The way between two noises, and samples of classes."""

from types import SimpleNamespace

import numpy as np
import pytest

from jnn.errors import JnnError
from jnn.generative.samples import between, interpolations, samples_of_classes

RNG = np.random.default_rng(0)


def test_the_arc_has_equal_angles_and_the_length_between():
    a = RNG.normal(size=(1, 3, 4))
    b = RNG.normal(size=(1, 3, 4))
    b *= np.linalg.norm(a) / np.linalg.norm(b)
    path = between(a, b, 7)[0].reshape(7, 12)
    np.testing.assert_allclose(path[[0, -1]], np.concatenate([a, b]).reshape(2, 12), atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(path, axis=1), np.linalg.norm(a), rtol=1e-12)
    cosines = np.sum(path[1:] * path[:-1], axis=1) / np.linalg.norm(a) ** 2
    np.testing.assert_allclose(cosines, cosines[0], rtol=1e-12)


def test_the_way_between_equal_noises_stays_there():
    a = RNG.normal(size=(2, 5))
    np.testing.assert_allclose(between(a, a, 4), np.repeat(a[:, None], 4, axis=1), atol=1e-12)


def test_other_shapes_are_refused():
    with pytest.raises(JnnError, match=r"shapes \(2, 3\) and \(2, 4\), count=5"):
        between(np.ones((2, 3)), np.ones((2, 4)), 5)


def echo(params, state, x):
    """Images ``(N, 1, 3, 1)``: the noise, then the class."""
    return np.concatenate([x["noise"], x["label"][:, None]], axis=1)[:, None, :, None]


GENERATIVE = SimpleNamespace(draw=echo, noise=(2,))


@pytest.mark.parametrize("draw", [samples_of_classes, interpolations])
def test_each_row_is_of_its_class(draw):
    images = draw(GENERATIVE, {}, {}, 4, 3, seed=5)
    assert images.shape == (4, 3, 1, 3, 1)
    np.testing.assert_array_equal(images[:, :, 0, 2, 0], np.arange(4)[:, None].repeat(3, axis=1))
    np.testing.assert_array_equal(images, draw(GENERATIVE, {}, {}, 4, 3, seed=5))
    assert not np.array_equal(images, draw(GENERATIVE, {}, {}, 4, 3, seed=6))


def test_each_row_goes_from_one_noise_to_another():
    noise = interpolations(GENERATIVE, {}, {}, 4, 3)[:, :, 0, :2, 0]
    ends = np.random.default_rng(0).standard_normal((2, 4, 2))
    np.testing.assert_allclose(noise[:, [0, -1]], ends.swapaxes(0, 1), rtol=1e-6)
