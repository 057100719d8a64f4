"""From per-example losses to the number that is differentiated."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jnn.losses import checks


def mean(
    losses: ArrayLike, weights: ArrayLike | None = None, *, total: ArrayLike | None = None
) -> jax.Array:
    """The weighted mean of losses, ``Σᵢ wᵢ lᵢ / Σᵢ wᵢ``; zero where nothing has weight.

    ``weights`` has the shape of ``losses`` or of its leading axes (one weight, or mask bit, an
    example); None weighs all alike. An element of weight zero does not count even if it is NaN or
    infinite, so padding may hold anything; its gradient is zero as long as its loss is
    differentiable there.

    ``total`` replaces the denominator ``Σᵢ wᵢ``: the sum over all micro-batches where gradients are
    accumulated, or PyTorch's normalizer (see :func:`cross_entropy`).

    Returns a scalar, at least float32. PyTorch's ``reduction="mean"`` gives NaN, not zero, where
    nothing has weight.

    >>> print(mean(jnp.array([1.0, 3.0, jnp.nan]), jnp.array([True, True, False])))
    2.0
    """
    losses = checks.floating("mean", "losses", losses)
    weights = checks.spread("mean", weights, losses.shape, losses.dtype)
    weighted = jnp.sum(weights * jnp.where(weights == 0, 0, losses))
    total = jnp.sum(weights) if total is None else jnp.asarray(total).astype(losses.dtype)
    return jnp.where(total == 0, 0, weighted / jnp.where(total == 0, 1, total))
