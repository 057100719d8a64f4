"""What depends on fixed arguments alone is computed once, and the values stay the same."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnn
from jnn.decoding.loop_invariants import hoist_invariants
from tests.compiled import init


def primitives(f, *args):
    return [equation.primitive.name for equation in jax.make_jaxpr(f)(*args).eqns]


@pytest.mark.sampled(2)
@pytest.mark.parametrize("cast", [False, True])
def test_a_step_of_stacked_layers_slices_no_weights(cast):
    model = jnn.repeat(jnn.chain(jnn.dense(4), jnp.tanh), 3)
    model = jnn.chain(jnn.embedding(7, 4), jnn.cast(model, jnp.bfloat16) if cast else model)
    params, state = init(model, jnp.array([1]))
    token, carry = jnp.array([3, 5]), model.carry(params, jnp.array([3, 5]), 4)
    step = lambda fixed, carry, token: model.step(*fixed, carry, token)
    inside = hoist_invariants(step, (params, state), carry, token)
    assert "slice" in primitives(functools.partial(step, (params, state)), carry, token)
    assert "slice" not in primitives(inside, carry, token)
    expected = step((params, state), carry, token)[0]
    np.testing.assert_array_equal(
        np.asarray(inside(carry, token)[0], float), np.asarray(expected, float)
    )


@pytest.mark.slow
def test_it_works_under_transformations():
    f = lambda w, x: (
        jax.nn.relu(x @ jnp.linalg.inv(w)) + jax.lax.cond(x[0] > 0, jnp.sin, jnp.cos, x)
    )
    w, x = jnp.array([[2.0, 1.0], [0.5, 3.0]]), jnp.array([0.3, -2.0])
    once = lambda w, x: hoist_invariants(f, w, x)(x)
    np.testing.assert_allclose(jax.jit(once)(w, x), f(w, x), rtol=1e-6)
    np.testing.assert_allclose(jax.vmap(once, in_axes=(None, 0))(w, x[None])[0], f(w, x), rtol=1e-6)
    np.testing.assert_allclose(jax.jacrev(once)(w, x), jax.jacrev(f)(w, x), rtol=1e-5)


def test_what_would_grow_stays_inside():
    f = lambda w, x: jnp.broadcast_to(w, (1000, 2)) + x
    assert "broadcast_in_dim" in primitives(
        hoist_invariants(f, jnp.ones(2), jnp.ones((1000, 2))), jnp.ones((1000, 2))
    )


def test_a_result_that_is_fixed_is_given_too():
    g = hoist_invariants(lambda w, x: (w * 2, x, {"w": w}), jnp.arange(2.0), jnp.float32(0))
    doubled, x, same = g(jnp.float32(5))
    assert doubled.tolist() == [0, 2]
    assert float(x) == 5
    assert same["w"].tolist() == [0, 1]


def test_what_a_step_prints_is_printed_at_each():
    seen = []

    def step(w, x):
        jax.debug.callback(lambda w, x: seen.append((float(w), float(x))), w, x)
        jax.debug.callback(lambda w: seen.append(float(w)), w)
        return w * x

    g = hoist_invariants(step, jnp.float32(3), jnp.float32(0))
    jax.block_until_ready(jax.lax.map(g, jnp.arange(2.0)))
    jax.effects_barrier()
    assert sorted(seen, key=str) == [(3.0, 0.0), (3.0, 1.0), 3.0, 3.0]
