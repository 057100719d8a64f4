"""Two axes of an array as one, and one as two."""

import jax


def merge(x: jax.Array, axis: int = -2) -> jax.Array:
    """``axis`` and the next one as one axis."""
    axis %= x.ndim
    return x.reshape(*x.shape[:axis], x.shape[axis] * x.shape[axis + 1], *x.shape[axis + 2 :])


def split(x: jax.Array, n: int, axis: int = -1) -> jax.Array:
    """``axis`` as two axes, the first of length ``n``."""
    axis %= x.ndim
    return x.reshape(*x.shape[:axis], n, x.shape[axis] // n, *x.shape[axis + 1 :])
