"""The key-value cache of attention: plain data that grows at its end, never overwritten."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jnn.errors import mistake


def positions(mask: jax.Array | None, length: int) -> jax.Array:
    """The number of real elements before each element.

    It is ``(length,)``, or ``(..., length)`` with a ``mask``, which is True for real elements. A
    masked element has the position of the last real one before it, -1 if there is none.

    >>> positions(jnp.array([True, False, True, True]), 4).tolist()
    [0, 0, 1, 2]
    """
    if mask is None:
        return jnp.arange(length)
    return jnp.cumsum(mask.astype(jnp.int32), axis=-1) - 1


def advance(count: jax.Array, length: int, mask: jax.Array | None) -> tuple[jax.Array, jax.Array]:
    """Positions of ``length`` elements after ``count`` earlier ones, and the new count.

    ``count`` is ``(...,)``, and the positions are ``(..., length)``.
    """
    offset = positions(mask, length).astype(jnp.int32)
    if mask is None:
        return count[..., None] + offset.reshape((1,) * count.ndim + (length,)), count + length
    return count[..., None] + offset, count + jnp.sum(mask, axis=-1, dtype=jnp.int32)


def capacity_of(cache: Any) -> int:
    """How many elements a cache ``(..., G, capacity, d)`` has room for; 1 for what is none."""
    return (1, 1, *np.shape(cache))[-2]


def most_real(mask: jax.Array | None, length: int) -> int:
    """The most real elements in any of the examples; 0 where the mask is traced."""
    if mask is None:
        return length
    if isinstance(mask, Tracer):
        return 0
    return int(np.max(np.sum(np.asarray(mask), axis=-1), initial=0))


def check_room(
    caller: str, count: jax.Array, length: int, mask: jax.Array | None, capacity: int
) -> None:
    """Refuse elements beyond the capacity, unless their number is traced, as under ``jax.jit``."""
    new, before = most_real(mask, length), 0
    if not isinstance(count, Tracer):
        before = int(np.max(np.asarray(count), initial=0))
    if before + new > capacity:
        raise mistake(
            caller,
            got=f"{new} elements after {before}",
            expected=f"at most {capacity} in all",
            remedy="Make the carry with the whole length: carry(params, x_t, length).",
        )


def write(
    cache: jax.Array, new: jax.Array, position: jax.Array, mask: jax.Array | None
) -> jax.Array:
    """The cache with the ``new`` keys or values at their positions.

    The cache is ``(..., G, capacity, d)``, ``new`` is ``(..., T, G, d)``, and ``position`` and
    ``mask`` are ``(..., T)``. Masked elements and those beyond the capacity are not written.

    Heads are in front of time, so that attention reads the cache in its layout. XLA scatters in
    place, row by row; a single window written for all heads would become a dynamic update that is
    fused twice, into copies: 4 times slower for one example on a CPU.
    """
    *batch, G, capacity, d = cache.shape
    n, T = math.prod(batch), position.shape[-1]
    slot = (position if mask is None else jnp.where(mask, position, capacity)).reshape(n, T, 1)
    example, head = jnp.arange(n)[:, None, None], jnp.arange(G)[None, None]
    flat = cache.reshape(n, G, capacity, d)
    written = flat.at[example, head, slot].set(new.reshape(n, T, G, d), mode="drop")
    return written.reshape(cache.shape)
