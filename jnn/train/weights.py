"""Means over parts of a batch that count by their weights."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

WEIGHT = "weight"
"""The metric of an objective that says over how much its loss is a mean, such as real tokens."""


def weighted(tree: Any, weight: jax.Array) -> Any:
    """Each leaf times ``weight``, in the type of the leaf; integers become that of the weight."""
    is_float = lambda leaf: jnp.issubdtype(leaf.dtype, jnp.inexact)
    dtype = lambda leaf: leaf.dtype if is_float(leaf) else weight.dtype
    return jax.tree.map(lambda leaf: leaf.astype(dtype(leaf)) * weight.astype(dtype(leaf)), tree)


def divided(tree: Any, total: jax.Array) -> Any:
    """Each leaf over the sum of all weights; 0 stays 0 where nothing has weight.

    >>> divided({"loss": jnp.array(6.0)}, jnp.array(3.0))["loss"].item()
    2.0
    """
    total = jnp.where(total == 0, 1, total)
    return jax.tree.map(lambda leaf: leaf / total.astype(leaf.dtype), tree)


def weighted_mean(tree: Any, weight: jax.Array, add: Callable[[jax.Array], jax.Array]) -> Any:
    """``add(weight leaf) / add(weight)`` for each leaf, where ``add`` sums over the parts.

    >>> weighted_mean(jnp.array([1.0, 4.0]), jnp.array([2.0, 1.0]), jnp.sum).item()
    2.0
    """
    return divided(jax.tree.map(add, weighted(tree, weight)), add(weight))
