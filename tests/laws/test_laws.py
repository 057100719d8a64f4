"""The conformance suite: every law on every registered model."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnn
from jnn.testing import LAWS, check_model
from tests.laws.registry import CASES


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("name", CASES)
def test_law(name, law):
    case = CASES[name]
    check_model(case.model, case.x, sequence=case.sequence, laws=[law])


@pytest.mark.parametrize("name", CASES)
def test_nothing_is_promoted_on_the_way(name):
    case = CASES[name]
    lower = lambda leaf: jnp.asarray(leaf, jnp.bfloat16) if np.issubdtype(leaf.dtype, np.floating) else jnp.asarray(leaf)
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        params, state = jax.eval_shape(case.model.init, jax.random.key(0), case.x)
        jax.eval_shape(
            lambda params, state, key: case.model.apply(params, state, case.x, key=key, train=True), params, state, jax.random.key(1)
        )
        y, _ = jax.eval_shape(jnn.cast(case.model, output=jnp.bfloat16).apply, params, state, jax.tree.map(lower, case.x))
    assert {leaf.dtype.name for leaf in jax.tree.leaves(y)} == {"bfloat16"}
