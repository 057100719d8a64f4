"""Piecewise-linear encoding of the columns of a table.

Source: Gorishniy, Rubachev, Babenko 2022, https://arxiv.org/abs/2203.05556, section 3.2; there the
first and the last piece are extrapolated, here all values are clipped to 0 .. 1.
"""

import jax
import jax.numpy as jnp
import numpy as np

from jnn.data.checks import check_finite
from jnn.errors import mistake
from jnn.integers import check_integer

NARROWEST = 1e-6
"""The least width of a piece, in units of the column's largest end.

Of a column with few values, some pieces have no width; and one of rounding alone is none.
"""


def fit_pieces(x: np.ndarray, pieces: int) -> np.ndarray:
    """The ends of ``pieces`` pieces of each column, with equally many examples in each.

    ``x`` is ``(N, D)``, of the training part alone; the result is ``(pieces + 1, D)`` float32, the
    quantiles 0, 1 / pieces, ..., 1. Raises `JnnError` for another shape, for values that are not
    finite, and for fewer than one piece.

    >>> fit_pieces(np.array([[0.0], [1.0], [2.0], [6.0], [8.0]]), 2).ravel().tolist()
    [0.0, 2.0, 8.0]
    """
    x = np.asarray(x)
    pieces = check_integer("fit_pieces", "pieces", pieces)
    if x.ndim != 2 or not len(x):
        got = f"x of shape {x.shape}"
        raise mistake("fit_pieces", got=got, expected="x (N, D) with N >= 1")
    check_finite(x, "fit_pieces")
    x = x.astype(np.float64)  # NumPy interpolates in the type of x, where an int8 overflows
    return np.quantile(x, np.linspace(0, 1, pieces + 1), axis=0).astype(np.float32)


def encode_pieces(ends: np.ndarray, x: jax.Array | np.ndarray) -> jax.Array:
    """How much of each piece lies below x, from 0 to 1: ``clip((x - l) / (r - l), 0, 1)``.

    ``ends`` ``(pieces + 1, D)`` are those of `fit_pieces`; x ``(..., D)`` -> ``(..., pieces D)``,
    the first piece of all columns, then the second of all, ...

    A linear function of the encoding may change its slope at the ends of pieces, such as a price at
    one carat; and an outlier has no more influence than the last end.

    >>> encode_pieces(np.array([[0.0], [2.0], [8.0]]), np.array([[1.0], [5.0], [100.0]])).tolist()
    [[0.5, 0.0], [1.0, 0.5], [1.0, 1.0]]
    """
    if x.shape[-1] != ends.shape[-1]:
        got, expected = f"x of shape {x.shape}", f"{ends.shape[-1]} columns, as the ends have"
        raise mistake("encode_pieces", got=got, expected=expected)
    least = np.maximum(NARROWEST * np.abs(ends).max(axis=0), np.finfo(np.float32).tiny)
    low, width = ends[:-1], np.maximum(np.diff(ends, axis=0), least)
    shares = jnp.clip((x[..., None, :] - low) / width, 0, 1)
    return shares.reshape(*x.shape[:-1], -1)
