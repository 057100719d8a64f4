"""Means of predictions, against NumPy and SciPy on the predictions themselves."""

import jax
import numpy as np
import pytest
import scipy.special

import jnn
from jnn.architectures.averages import (
    mean_of_members,
    mean_over_mirror_images,
    mean_probabilities,
)
from tests.compiled import apply, init

SINGLE = 1e-6  # float32: sums of a few numbers near one


@pytest.fixture(scope="module")
def committee():
    """An ensemble, its params and state, inputs, and the outputs of its members."""
    model, x = jnn.ensemble(jnn.dense(4), 3), np.ones((5, 2), np.float32)
    kept = init(model, x)
    return model, kept, x, np.asarray(apply(model, *kept, x)[0], np.float64)


def test_the_mean_is_over_members(committee):
    model, kept, x, y = committee
    mean, _ = apply(mean_of_members(model), *kept, x)
    np.testing.assert_allclose(mean, y.mean(axis=0), rtol=SINGLE, atol=SINGLE)
    first, _ = apply(mean_of_members(model, lambda y: y[..., 0]), *kept, x)
    np.testing.assert_allclose(first, y[..., 0].mean(axis=0), rtol=SINGLE, atol=SINGLE)


def test_probabilities_are_averaged_and_not_logits(committee):
    model, kept, x, z = committee
    expected = np.log(scipy.special.softmax(z, axis=-1).mean(axis=0))
    log_p, _ = apply(mean_probabilities(model), *kept, x)
    np.testing.assert_allclose(log_p, expected, rtol=1e-5)


def test_an_image_and_its_mirror_image_are_predicted_alike():
    model = jnn.chain(jnn.flatten(3), jnn.dense(2))
    image = np.random.default_rng(0).random((3, 4, 5, 1), np.float32)
    kept = init(model, image)
    both = jax.jit(mean_over_mirror_images(model).apply)
    y = both(*kept, image)[0]
    np.testing.assert_allclose(both(*kept, image[:, :, ::-1])[0], y, rtol=SINGLE, atol=SINGLE)
    one, other = (apply(model, *kept, view)[0] for view in (image, image[:, :, ::-1]))
    np.testing.assert_allclose(y, (one + other) / 2, rtol=SINGLE, atol=SINGLE)
