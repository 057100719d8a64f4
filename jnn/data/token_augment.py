"""Random changes to tokens that leave the meaning of a text, as pure functions of a key."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from jnn.integers import check_fraction
from jnn.threefry import unrolled


def random_replace(
    key: jax.Array,
    tokens: jax.Array,
    *,
    rate: float,
    replacement: int,
    mask: jax.Array | None = None,
) -> jax.Array:
    """Word dropout: each token is replaced with probability ``rate``, by ``replacement``.

    tokens ``(..., T)``; padding, where the ``mask`` ``(..., T)`` is False, stays. With the unknown
    token as the replacement, a model learns not to rely on single words, and what to make of words
    that it does not know.

    Raises JnnError for a rate outside [0, 1]. Source: Iyyer et al. 2015,
    https://aclanthology.org/P15-1162, section 3.2, who omit the words instead.

    >>> tokens = jnp.array([5, 6, 0])
    >>> random_replace(jax.random.key(0), tokens, rate=1.0, replacement=1, mask=tokens > 0).tolist()
    [1, 1, 0]
    """
    check_fraction("random_replace", "rate", rate, ends="[]")
    is_replaced = jax.random.bernoulli(unrolled(key), rate, tokens.shape)
    return jnp.where(is_replaced if mask is None else is_replaced & mask, replacement, tokens)
