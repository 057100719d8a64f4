"""Normalization by a condition: PyTorch's normalization, scaled; and what it refuses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jnn.errors import JnnError
from jnn.layers.batch_normalization import batch_norm
from jnn.layers.conditional_norm import conditional_norm
from jnn.layers.normalization import group_norm
from tests.compiled import apply, init

FORWARD = 1e-10  # float64 against float64


def test_it_is_pytorchs_group_norm_scaled_by_the_condition(reference, float64):
    case = reference("generation", "conditional_norm")
    layer = conditional_norm(group_norm(3, rank=3, use_scale=False, use_bias=False), 6, rank=3)
    params = {
        "modulation": {"kernel": jnp.asarray(case["kernel"]), "bias": jnp.asarray(case["bias"])}
    }
    x = {
        "x": jnp.moveaxis(jnp.asarray(case["x"]), 1, -1),
        "condition": jnp.asarray(case["condition"]),
    }
    np.testing.assert_allclose(
        apply(layer, params, {}, x)[0], np.moveaxis(case["y"], 1, -1), atol=FORWARD
    )


def test_the_statistics_of_a_batch_are_in_the_state():
    layer = conditional_norm(batch_norm(use_scale=False, use_bias=False), 2, rank=3)
    x = {
        "x": jax.random.normal(jax.random.key(0), (8, 3, 3, 2)) + 5,
        "condition": jnp.zeros((8, 1)),
    }
    params, state = init(layer, x, 1)
    y, state = apply(layer, params, state, x, train=True)
    # float32: the mean of 72 numbers near 5
    np.testing.assert_allclose(y.mean((0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(state["norm"]["mean"], 0.1 * x["x"].mean((0, 1, 2)), rtol=1e-5)


def test_a_condition_for_other_examples_is_refused():
    layer = conditional_norm(group_norm(1, rank=3, use_scale=False, use_bias=False), 2, rank=3)
    with pytest.raises(
        JnnError,
        match=(
            r"a condition of shape \(3, 4\) for x of shape \(5, 3, 3, 2\), "
            r"expected one vector for each example"
        ),
    ):
        layer.init(jax.random.key(0), {"x": jnp.ones((5, 3, 3, 2)), "condition": jnp.ones((3, 4))})
