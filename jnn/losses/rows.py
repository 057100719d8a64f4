"""Losses over many rows, a few at a time."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jnn.errors import mistake
from jnn.integers import check_integer
from jnn.placement import devices_of_examples


def by_rows(
    loss: Callable[..., jax.Array], *arrays: jax.Array, rows: int, axes: int = 1
) -> jax.Array:
    """``loss(*arrays)``, computed for ``rows`` rows at a time, forward and backward.

    What the loss makes of a row on its way, such as logits over a large vocabulary, then needs
    memory for so many rows alone, and is computed twice. All else is as it was: params that the
    loss closes over have the same gradient, but for the order of sums.

    Args:
        loss: of arrays with one leading axis, ``(n, ...)`` each, to ``(n,)``; row by row.
        arrays: with the same ``axes`` leading axes, such as features ``(B, T, D)`` and labels
            ``(B, T)`` for ``axes=2``.
        rows: how many at a time, on a mesh on each device that examples are split over; the last
            are padded with copies of the first row, which the result omits.

    Returns:
        The losses, with the leading axes of the arrays.

    Raises:
        JnnError: no arrays, leading axes that differ, or ``rows`` below 1.

    >>> from jnn.losses import cross_entropy
    >>> embedding, h = jnp.ones((50, 4)), jnp.ones((2, 3, 4))
    >>> labels = jnp.zeros((2, 3), jnp.int32)
    >>> of_rows = lambda h, labels: cross_entropy(h @ embedding.T, labels)
    >>> losses = by_rows(of_rows, h, labels, rows=4, axes=2)
    >>> losses.shape, bool(jnp.allclose(losses, jnp.log(50)))
    ((2, 3), True)
    """
    rows = check_integer("by_rows", "rows", rows) * devices_of_examples()
    axes = check_integer("by_rows", "axes", axes)
    leading = {array.shape[:axes] for array in arrays}
    if len(leading) != 1 or len(next(iter(leading))) < axes:
        shapes = ", ".join(str(tuple(array.shape)) for array in arrays) or "no arrays"
        expected = f"arrays with the same {axes} leading axes"
        raise mistake("by_rows", got=shapes, expected=expected)
    shape = next(iter(leading))
    flat = [array.reshape(-1, *array.shape[axes:]) for array in arrays]
    n = flat[0].shape[0]
    if n <= rows:
        return loss(*flat).reshape(shape)
    chunks = -(-n // rows)

    def cut(array):
        """Every so many-th row is in one piece: of a batch over devices, each has a share of it."""
        edges = [(0, chunks * rows - n, 0), *((0, 0, 0) for _ in array.shape[1:])]
        padded = jax.lax.pad(array, jnp.zeros((), array.dtype), edges)
        if n < chunks * rows:
            # Zeros may have an infinite derivative, which times a gradient of 0 is NaN.
            place = jnp.arange(chunks * rows).reshape(-1, *(1,) * (array.ndim - 1))
            padded = jnp.where(place < n, padded, array[:1])
        return jnp.swapaxes(padded.reshape(rows, chunks, *array.shape[1:]), 0, 1)

    losses = jax.lax.map(jax.checkpoint(lambda piece: loss(*piece)), [cut(a) for a in flat])
    return losses.T.reshape(-1)[:n].reshape(shape)
