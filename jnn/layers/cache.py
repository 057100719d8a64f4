"""Keys and values that attention has seen, as plain data: what streams in is written behind what is
there, and never over it.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jnn.errors import mistake


def positions(mask: jax.Array | None, length: int) -> jax.Array:
    """How many real elements come before each element: ``(length,)``, or ``(..., length)`` where
    ``mask`` says which are real.

    A masked element has the position of the real one before it, -1 where there is none.

    >>> positions(jnp.array([True, False, True, True]), 4).tolist()
    [0, 0, 1, 2]
    """
    return jnp.arange(length) if mask is None else jnp.cumsum(mask.astype(jnp.int32), axis=-1) - 1


def advance(count: jax.Array, length: int, mask: jax.Array | None) -> tuple[jax.Array, jax.Array]:
    """Positions ``(..., length)`` of elements that come after ``count`` ``(...,)`` others, and the
    count after them.
    """
    following = positions(mask, length).astype(jnp.int32)
    following = count[..., None] + (
        following.reshape((1,) * count.ndim + (length,)) if mask is None else following
    )
    return following, count + (length if mask is None else jnp.sum(mask, axis=-1, dtype=jnp.int32))


def check_room(
    name: str, count: jax.Array, length: int, mask: jax.Array | None, capacity: int
) -> None:
    """Refuse elements for which there is no room, as far as values are known: under ``jax.jit`` the
    count is not.
    """
    known = lambda a: not isinstance(a, Tracer)
    new = (
        length
        if mask is None
        else int(np.max(np.sum(np.asarray(mask), axis=-1), initial=0))
        if known(mask)
        else 0
    )
    before = int(np.max(np.asarray(count), initial=0)) if known(count) else 0
    if before + new > capacity:
        raise mistake(
            name,
            got=f"{new} elements after {before}",
            expected=f"at most {capacity} in all",
            remedy="Make the carry with the whole length: carry(params, x_t, length).",
        )


def write(
    memory: jax.Array, new: jax.Array, position: jax.Array, mask: jax.Array | None
) -> jax.Array:
    """``memory`` ``(..., G, capacity, d)`` with ``new`` ``(..., T, G, d)`` at ``position``
    ``(..., T)``, but for masked elements and those beyond the capacity.

    Heads are in front of time, so that attention reads the memory as it lies. XLA scatters in
    place, row by row; a single window written for all heads would become a dynamic update that is
    fused twice, into copies: 4 times slower for one example on a CPU.
    """
    *batch, G, capacity, d = memory.shape
    n, T = math.prod(batch), position.shape[-1]
    slot = (position if mask is None else jnp.where(mask, position, capacity)).reshape(n, T, 1)
    example, head = jnp.arange(n)[:, None, None], jnp.arange(G)[None, None]
    written = (
        memory.reshape(n, G, capacity, d)
        .at[example, head, slot]
        .set(new.reshape(n, T, G, d), mode="drop")
    )
    return written.reshape(memory.shape)
