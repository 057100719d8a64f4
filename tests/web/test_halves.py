"""bfloat16 and float16 in JavaScript: every operation is rounded as JAX rounds it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnn
from jnn.errors import JnnError
from jnn.web import javascript
from tests.web.engine import run

HALVES = ("bfloat16", "float16")
ROUNDING = {"bfloat16": 2.0**-7, "float16": 2.0**-10}
"""Sums are added up in another order: the last bit may differ."""


def computed(f, *args):
    """The results in V8, of numbers that are float32 there."""
    return run(
        javascript(f, *args), [np.asarray(leaf, np.float32) for leaf in jax.tree.leaves(args)]
    )


@pytest.mark.parametrize("dtype", HALVES)
def test_numbers_are_rounded_to_the_nearest_and_half_to_even(dtype):
    rng = np.random.default_rng(0)
    sizes = 2.0 ** rng.integers(-30, 20, 400) * rng.choice([-1, 1], 400)
    halfway = np.float32([1 + 2.0**-8, 1 + 3 * 2.0**-8, 1 + 2.0**-11, 2.0**-25, 3 * 2.0**-25])
    special = np.float32([0, np.inf, -np.inf, np.nan, 65504, 65519, 65520, 3.4e38, 1e-40])
    x = np.concatenate([(rng.uniform(1, 2, 400) * sizes).astype(np.float32), halfway, special])
    (found,) = computed(lambda x: x.astype(dtype), x)
    with np.errstate(over="ignore"):
        expected = x.astype(jnp.dtype(dtype)).astype(np.float32)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("dtype", HALVES)
def test_each_operation_is_rounded_as_it_is_without_jit(dtype):
    rng = np.random.default_rng(0)
    x, y, z = (jnp.asarray(rng.standard_normal((3, 8)), dtype) for _ in range(3))
    f = lambda x, y, z: (x * y + z, (x - y).T * 3, jnp.concatenate([x, y / z])[1:, ::2])
    for found, expected in zip(computed(f, x, y, z), f(x, y, z), strict=True):
        np.testing.assert_array_equal(found, np.asarray(expected, np.float32))


@pytest.mark.parametrize("dtype", HALVES)
def test_a_model_that_computes_in_halves_is_computed_in_halves(dtype):
    lower = jnn.cast(jnn.chain(jnn.lstm(4), jnn.layer_norm(), jnn.dense(3)), compute=dtype)
    x = np.random.default_rng(0).standard_normal((5, 2)).astype(np.float32)
    params, state = jax.jit(lower.init)(jax.random.key(0), x)
    f = lambda params, x: lower.apply(params, state, x)[0]
    (found,) = computed(f, params, x)
    expected = np.asarray(jax.jit(f)(params, x), np.float32)
    np.testing.assert_allclose(found, expected, atol=2 * ROUNDING[dtype] * np.abs(expected).max())
    exact = np.asarray(jax.jit(lambda x: x.astype(dtype))(found.astype(np.float32)), np.float32)
    np.testing.assert_array_equal(found, exact)


def test_the_bits_of_a_half_are_refused():
    bits = lambda x: jax.lax.bitcast_convert_type(x, jnp.bfloat16)
    with pytest.raises(JnnError, match=r"the bits of float32 as bfloat16.*Convert it to float32"):
        javascript(bits, jnp.ones(2))
