"""What is wrong with the batch of a step that was not finite."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jnn.paths import path_name

MOST_ROWS = 5


def rows_not_finite(batch: Any) -> str:
    """The arrays of a batch that hold NaN or infinity, and in which rows; empty for none.

    >>> rows_not_finite({"x": np.array([[1.0], [np.nan], [np.inf]]), "label": np.array([0, 1, 2])})
    'x in rows 1, 2'
    """
    faults = []
    for name, values in _arrays(batch):
        if not jnp.issubdtype(values.dtype, jnp.floating):
            continue
        with np.errstate(over="ignore"):  # of float64, which JAX computes with as float32
            computed = values.astype(jax.dtypes.canonicalize_dtype(values.dtype))
        bad = ~np.isfinite(computed).reshape(len(values), -1).all(axis=1)
        if rows := np.flatnonzero(bad).tolist():
            more = f" and {len(rows) - MOST_ROWS} more" if len(rows) > MOST_ROWS else ""
            first = ", ".join(map(str, rows[:MOST_ROWS]))
            faults.append(f"{name} in rows {first}{more}")
    return "; ".join(faults)


def advice_on_rows(name: str, batch: Any) -> str:
    """What to do about a batch called ``name`` that holds NaN or infinity; empty for no such.

    >>> advice_on_rows("The data", {"x": np.array([[1.0], [np.nan]])})
    'The data is not finite: x in rows 1, counted from 0. Mend the data.'
    """
    rows = rows_not_finite(batch)
    return f"{name} is not finite: {rows}, counted from 0. Mend the data." if rows else ""


def ranges_of_integers(batch: Any) -> str:
    """The least and the largest value of each array of integers, such as labels and tokens.

    >>> ranges_of_integers({"x": np.ones((3, 1)), "label": np.array([1, 10, 3])})
    'label has 1 to 10, the largest in row 1'
    >>> ranges_of_integers({"label": np.array([1, 0, -1])})
    'label has -1 to 1, the least in row 2'
    """
    ranges = []
    for name, values in _arrays(batch):
        if np.issubdtype(values.dtype, np.integer):
            least, largest = values.min(), values.max()
            odd, which = (np.argmin, "least") if least < 0 else (np.argmax, "largest")
            row = np.unravel_index(odd(values), values.shape)[0]
            ranges.append(f"{name} has {least} to {largest}, the {which} in row {row}")
    return "; ".join(ranges)


def _arrays(batch: Any) -> Iterator[tuple[str, np.ndarray]]:
    """The arrays of a batch that have rows of numbers, by name."""
    for path, leaf in jax.tree.leaves_with_path(batch):
        if hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            continue
        values = np.asarray(leaf)
        if values.ndim and values.size:
            yield path_name(path) or "the batch", values
