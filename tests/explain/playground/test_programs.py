"""Each function of the page computes in V8 what it computes in JAX."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jnn.explain.playground.programs import functions
from tests.explain.playground.engine import STEPS
from tests.web.engine import check

pytestmark = pytest.mark.slow
NAMES = (
    *("points", "start", *STEPS, "order", "look", "evaluate", "gradients", "backpropagate"),
    *("begin", "descend", "height", "heights", "beginGame", "play", "judge"),
)
MASKS = ("features", "layers", "neurons", "weight")
"""Masks, which are 1 here."""


def drawn(rng, path, leaf):
    """A value for an argument of this shape."""
    name = jax.tree_util.keystr(path[-1:], simple=True)
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return jax.random.key(7)
    if leaf.dtype != np.float32:
        return np.full(leaf.shape, 1, leaf.dtype)
    if name in MASKS:
        return np.ones(leaf.shape, np.float32)
    return rng.uniform(0.05, 0.6, leaf.shape).astype(np.float32)


def test_all_programs_are_named_here():
    assert set(NAMES) == set(functions())


@pytest.mark.parametrize("name", NAMES)
def test_a_program_computes_the_same(name):
    function, shapes = functions()[name]
    make = functools.partial(drawn, np.random.default_rng(0))
    check(function, jax.tree.map_with_path(make, shapes))
