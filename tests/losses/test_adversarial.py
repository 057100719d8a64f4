"""Losses of two players against PyTorch, and the laws of the gradient penalty."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jnn.errors import JnnError
from jnn.losses.adversarial import HINGE, NON_SATURATING, WASSERSTEIN, gradient_penalty

# float64 against float64: rounding of a few dozen operations on values of order one
FORWARD = 1e-10
GRADIENT = 1e-9  # and a little more for differences in the backward pass
PLAYERS = {"hinge": HINGE, "non_saturating": NON_SATURATING, "wasserstein": WASSERSTEIN}


@pytest.fixture(autouse=True)
def _strict():
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        yield


@pytest.mark.parametrize("name", PLAYERS)
def test_both_players_equal_pytorch(name, reference, float64):
    case, loss = reference("generation", name), PLAYERS[name]
    real, fake = jnp.asarray(case["real"]), jnp.asarray(case["fake"])
    np.testing.assert_allclose(loss.discriminator(real, fake), case["discriminator"], atol=FORWARD)
    np.testing.assert_allclose(loss.generator(fake), case["generator"], atol=FORWARD)
    judged = jax.grad(lambda real, fake: jnp.mean(loss.discriminator(real, fake)), argnums=(0, 1))(
        real, fake
    )
    np.testing.assert_allclose(judged[0], case["by_real"], atol=GRADIENT)
    np.testing.assert_allclose(judged[1], case["by_fake"], atol=GRADIENT)
    np.testing.assert_allclose(
        jax.grad(lambda fake: jnp.mean(loss.generator(fake)))(fake),
        case["by_deceived"],
        atol=GRADIENT,
    )


def test_the_penalty_and_its_gradient_through_a_gradient_equal_pytorch(reference, float64):
    case = reference("generation", "gradient_penalty")

    def mean_penalty(W, w):
        penalty = gradient_penalty(
            lambda x: jnp.tanh(x.reshape(7, 6) @ W) @ w, case["real"], case["fake"], case["mix"]
        )
        return jnp.mean(penalty), penalty

    gradient = jax.jit(jax.grad(mean_penalty, argnums=(0, 1), has_aux=True))
    (by_W, by_w), penalty = gradient(jnp.asarray(case["W"]), jnp.asarray(case["w"]))
    np.testing.assert_allclose(penalty, case["penalty"], atol=FORWARD)
    np.testing.assert_allclose(by_W, case["by_W"], atol=GRADIENT)
    np.testing.assert_allclose(by_w, case["by_w"], atol=GRADIENT)


def test_a_score_without_slope_has_a_penalty_of_one_and_no_nan():
    def mean_penalty(weight):
        x = jnp.ones((4, 3))
        return jnp.mean(
            gradient_penalty(lambda x: weight * jnp.sum(x, axis=-1), x, -x, jnp.full(4, 0.5))
        )

    value, slope = jax.value_and_grad(mean_penalty)(0.0)
    assert (value, slope) == (1, 0)


@pytest.mark.parametrize("loss", PLAYERS.values(), ids=PLAYERS)
def test_half_precision_is_computed_in_single(loss):
    scores = jnp.array([1.0, -2.0], jnp.bfloat16)
    assert loss.discriminator(scores, scores).dtype == loss.generator(scores).dtype == jnp.float32


def test_mistakes_are_named():
    with pytest.raises(
        JnnError, match=r"discriminator: got real \(2,\) and fake \(3,\), expected equal shapes"
    ):
        HINGE.discriminator(jnp.zeros(2), jnp.zeros(3))
    with pytest.raises(JnnError, match="generator: got fake of dtype int32"):
        WASSERSTEIN.generator(jnp.zeros(2, jnp.int32))
    images, score = jnp.zeros((2, 3)), lambda x: jnp.sum(x, axis=-1)
    with pytest.raises(JnnError, match=r"gradient_penalty: got real \(2, 3\) and fake \(2, 4\)"):
        gradient_penalty(score, images, jnp.zeros((2, 4)), jnp.zeros(2))
    with pytest.raises(JnnError, match=r"weights \(3,\) for values \(2, 3\)"):
        gradient_penalty(score, images, images, jnp.zeros(3))
    with pytest.raises(JnnError, match=r"scores of shape \(2, 1\) and mix of shape \(2,\)"):
        gradient_penalty(lambda x: x[..., :1], images, images, jnp.zeros(2))
