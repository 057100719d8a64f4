"""Losses of detection against PyTorch, and in closed form."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jnn.detection import losses
from jnn.errors import JnnError

SAME = 1e-10  # float64: the same formula
GRADIENT = 1e-9
LOSSES = {
    "heat_map_focal": (losses.heat_map_focal, ("logits", "heat")),
    "generalized_iou": (losses.generalized_iou, ("predictions", "targets")),
}


def gradient_and_losses(loss, a, b):
    """The gradient of the sum of the losses by a, and the losses."""

    def total(a, b):
        values = loss(a, b)
        return jnp.sum(values), values

    return jax.jit(jax.grad(total, has_aux=True))(a, b)


@pytest.mark.parametrize("name", LOSSES)
def test_losses_are_those_of_the_papers(reference, float64, name):
    loss, arguments = LOSSES[name]
    case = reference("detection", name)
    gradient, values = gradient_and_losses(loss, *(case[argument] for argument in arguments))
    np.testing.assert_allclose(values, case["losses"], atol=SAME)
    np.testing.assert_allclose(gradient, case["gradient"], atol=GRADIENT)


def test_without_gaussians_it_is_the_focal_loss(float64):
    x, y = np.linspace(-6, 6, 26).reshape(13, 2), np.tile([0.0, 1.0], (13, 1))
    ours = jax.jit(lambda x, y: losses.heat_map_focal(x, y, alpha=3.0))
    theirs = jax.jit(lambda x, y: optax.losses.sigmoid_focal_loss(x, y, gamma=3.0))
    np.testing.assert_allclose(ours(x, y), theirs(x, y), atol=SAME)


def test_no_logit_is_too_large():
    x, y = np.array([[-200, 200, -200, 200], [1, 1, 0, 0]], np.float32)
    gradient, values = gradient_and_losses(losses.heat_map_focal, x, y)
    assert np.sum(values) == 400
    np.testing.assert_array_equal(gradient, [-1, 0, 0, 1])


def test_half_precision_is_computed_in_float32():
    x, y = np.array([[0.5, -0.5], [1.0, 0.25]], jnp.bfloat16)
    loss = jax.jit(losses.heat_map_focal)
    half = loss(x, y)
    assert half.dtype == jnp.float32
    np.testing.assert_array_equal(half, loss(x.astype(np.float32), y.astype(np.float32)))


def test_mistakes_are_named():
    x = np.zeros(3, np.float32)
    with pytest.raises(
        JnnError,
        match=r"heat_map_focal: got logits \(3,\) and heat \(3, 1\), expected equal shapes",
    ):
        losses.heat_map_focal(x, x[:, None])
    with pytest.raises(JnnError, match="alpha=-1"):
        losses.heat_map_focal(x, x, alpha=-1.0)
    with pytest.raises(JnnError, match=r"boxes of shape \(3,\), expected \(\.\.\., 4\)"):
        losses.generalized_iou(x, x)
