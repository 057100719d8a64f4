"""Pytrees that must be the same."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def assert_same_bits(a: Any, b: Any) -> None:
    """All leaves are equal, keys too."""
    for x, y in zip(*(map(_numbers, jax.tree.leaves(tree)) for tree in (a, b)), strict=True):
        np.testing.assert_array_equal(x, y)


def assert_same(a: Any, b: Any, tolerance: float) -> None:
    """All leaves are equal up to an absolute ``tolerance``, keys too."""
    for x, y in zip(*(map(_numbers, jax.tree.leaves(tree)) for tree in (a, b)), strict=True):
        np.testing.assert_allclose(x, y, atol=tolerance, rtol=0)


def _numbers(leaf: jax.Array) -> jax.Array:
    return jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf
