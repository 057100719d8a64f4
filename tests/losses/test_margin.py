"""Margin losses against PyTorch, and their limits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jnn.errors import JnnError
from jnn.losses import cross_entropy, mean
from jnn.losses.margin import arcface, cosface

FORWARD = 1e-10  # float64 against float64: rounding of a few dozen operations, times a scale of 16
GRADIENT = 1e-9  # and a little more for differences in the backward pass
SINGLE = 1e-5  # float32: rounding of cosines, times a scale of 64
RNG = np.random.default_rng(0)
COSINES, LABELS = RNG.uniform(-0.99, 0.99, (2, 6, 4)).astype(np.float32), RNG.integers(0, 4, (2, 6))
BOTH = pytest.mark.parametrize("loss", [arcface, cosface])


@pytest.fixture(autouse=True)
def _strict():
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        yield


@pytest.mark.parametrize(("loss", "margin"), [(arcface, 0.4), (cosface, 0.35)])
def test_equals_pytorch(loss, margin, reference, float64):
    case = reference("margin", loss.__name__)

    def both(c):
        values = loss(c, case["labels"], scale=16.0, margin=margin)
        return mean(values), values

    (_, values), gradient = jax.jit(jax.value_and_grad(both, has_aux=True))(
        jnp.asarray(case["cosines"])
    )
    np.testing.assert_allclose(values, case["losses"], rtol=FORWARD, atol=FORWARD)
    np.testing.assert_allclose(gradient, case["gradient"], rtol=GRADIENT, atol=GRADIENT)


@BOTH
def test_without_a_margin_it_is_cross_entropy(loss):
    values = loss(COSINES, LABELS, scale=64.0, margin=0.0)
    np.testing.assert_allclose(
        values, cross_entropy(64 * COSINES, LABELS), rtol=SINGLE, atol=SINGLE
    )


@BOTH
def test_a_larger_margin_is_a_larger_loss_of_every_example(loss):
    values = np.stack(
        [
            loss(COSINES, LABELS, scale=8.0, margin=margin)
            for margin in np.linspace(0, 1.5, 16).tolist()
        ]
    )
    assert np.all(np.diff(values, axis=0) > 0)


@BOTH
def test_only_the_own_class_is_moved_whichever_it_is(loss):
    """Classes in another order have the same losses."""
    order = np.array([2, 0, 3, 1])
    values = loss(COSINES[..., order], np.argsort(order)[LABELS])
    np.testing.assert_allclose(values, loss(COSINES, LABELS), rtol=SINGLE, atol=SINGLE)


@BOTH
def test_values_and_gradients_are_finite_at_the_ends_and_half_precision_is_computed_in_float32(
    loss,
):
    ends = jnp.array([[1.0, -1.0], [-1.0, 1.0], [0.0, 0.0]])
    value, gradient = jax.jit(jax.value_and_grad(lambda c: mean(loss(c, jnp.array([0, 0, 1])))))(
        ends
    )
    assert jnp.isfinite(value)
    assert jnp.isfinite(gradient).all()
    halves = jnp.asarray(COSINES).astype(jnp.bfloat16)
    values = loss(halves, LABELS)
    assert values.dtype == jnp.float32
    np.testing.assert_array_equal(values, loss(halves.astype(jnp.float32), LABELS))


@BOTH
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scale": 0.0}, r"scale=0\.0, expected a number in \(0, inf\)"),
        ({"margin": -0.1}, r"margin=-0\.1"),
        ({"margin": 2.5}, r"margin=2\.5, expected a number in \[0, "),
    ],
)
def test_impossible_settings_are_refused(loss, settings, message):
    with pytest.raises(JnnError, match=f"{loss.__name__}: got {message}"):
        loss(COSINES, LABELS, **settings)


@BOTH
def test_one_hot_labels_are_refused(loss):
    with pytest.raises(JnnError, match=f"{loss.__name__}.*one-hot"):
        loss(COSINES, np.eye(4, dtype=np.float32)[LABELS])
