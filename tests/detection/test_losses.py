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


@pytest.mark.parametrize("name", LOSSES)
def test_losses_are_those_of_the_papers(reference, float64, name):
    loss, arguments = LOSSES[name]
    case = reference("detection", name)
    a, b = (jnp.asarray(case[argument]) for argument in arguments)
    np.testing.assert_allclose(loss(a, b), case["losses"], atol=SAME)
    np.testing.assert_allclose(
        jax.grad(lambda a: jnp.sum(loss(a, b)))(a), case["gradient"], atol=GRADIENT
    )


def test_without_gaussians_it_is_the_focal_loss(float64):
    x, y = jnp.linspace(-6, 6, 26).reshape(13, 2), jnp.tile(jnp.array([0.0, 1.0]), (13, 1))
    np.testing.assert_allclose(
        losses.heat_map_focal(x, y, alpha=3.0),
        optax.losses.sigmoid_focal_loss(x, y, gamma=3.0),
        atol=SAME,
    )


def test_no_logit_is_too_large():
    x, y = jnp.array([-200.0, 200.0, -200.0, 200.0]), jnp.array([1.0, 1.0, 0.0, 0.0])
    loss, gradient = jax.value_and_grad(lambda x: jnp.sum(losses.heat_map_focal(x, y)))(x)
    assert loss == 400
    np.testing.assert_array_equal(gradient, [-1, 0, 0, 1])


def test_half_precision_is_computed_in_float32():
    x, y = jnp.array([0.5, -0.5], jnp.bfloat16), jnp.array([1.0, 0.25], jnp.bfloat16)
    half = losses.heat_map_focal(x, y)
    assert half.dtype == jnp.float32
    np.testing.assert_array_equal(
        half, losses.heat_map_focal(x.astype(jnp.float32), y.astype(jnp.float32))
    )


def test_mistakes_are_named():
    with pytest.raises(
        JnnError,
        match=r"heat_map_focal: got logits \(3,\) and heat \(3, 1\), expected equal shapes",
    ):
        losses.heat_map_focal(jnp.zeros(3), jnp.zeros((3, 1)))
    with pytest.raises(JnnError, match="alpha=-1"):
        losses.heat_map_focal(jnp.zeros(3), jnp.zeros(3), alpha=-1.0)
    with pytest.raises(JnnError, match=r"boxes of shape \(3,\), expected \(\.\.\., 4\)"):
        losses.generalized_iou(jnp.zeros(3), jnp.zeros(3))
