"""How the mask of a padded sequence goes from the input of a part to its output.

A mask of elements ``(..., T)`` has the leading axes of x, time the last of them. A mask of pairs
``(..., T, S)``, which attention takes, has one axis more.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jnn.errors import mistake
from jnn.model import Model, Params, State, scope


def check_mask(caller: str, mask: Any) -> None:
    """Refuse a mask that is no array of bool, such as a list, or weights of 0 and 1."""
    if not isinstance(getattr(mask, "dtype", None), np.dtype):
        got, remedy = f"a mask of type {type(mask).__name__}", "Pass jnp.asarray(mask)."
        raise mistake(caller, got=got, expected="an array of bool", remedy=remedy)
    if mask.dtype != bool:
        got, remedy = f"a mask of dtype {mask.dtype}", "Convert it: mask.astype(bool)."
        raise mistake(caller, got=got, expected="an array of bool", remedy=remedy)


def axes_of_elements(leaf: Any) -> int:
    """The number of axes that elements are along: not the last one, of features."""
    return leaf.ndim - 1 if jnp.issubdtype(leaf.dtype, jnp.inexact) else leaf.ndim


def is_of_pairs(mask: jax.Array, x: Any) -> bool:
    """Whether a mask is of pairs of elements of x: it has more axes than elements are along.

    >>> x = jnp.ones((5, 7, 3))
    >>> is_of_pairs(jnp.ones((5, 7), bool), x), is_of_pairs(jnp.ones((5, 7, 7), bool), x)
    (False, True)
    """
    check_mask("mask", mask)
    return all(axes_of_elements(leaf) < mask.ndim for leaf in jax.tree.leaves(x))


def fits(mask: jax.Array, x: Any, *, pairs: bool = False) -> bool:
    """Whether x, or an array of it, has the elements that a mask says something of.

    >>> mask = jnp.ones((5, 7), bool)
    >>> fits(mask, jnp.ones((5, 7, 3))), fits(mask, jnp.ones((5, 3)))
    (True, False)
    """
    shape = mask.shape[:-1] if pairs else mask.shape
    leaves = jax.tree.leaves(x)
    return any(
        axes_of_elements(leaf) >= len(shape) and leaf.shape[: len(shape)] == shape
        for leaf in leaves
    )


def has_time(mask: jax.Array, x: Any, *, pairs: bool = False) -> bool:
    """Whether x, or an array of it, has an axis where the mask has time, of whatever length.

    >>> mask = jnp.ones((5, 7), bool)
    >>> has_time(mask, jnp.ones((5, 4, 3))), has_time(mask, jnp.ones((5, 3)))
    (True, False)
    """
    return any(axes_of_elements(leaf) >= mask.ndim - pairs for leaf in jax.tree.leaves(x))


def following(
    model: Model, params: Params, state: State, x: Any, y: Any, mask: jax.Array | None
) -> jax.Array | None:
    """The mask of ``y = model.apply(params, state, x, mask=mask)``; None where y has no time.

    Raises `JnnError` where y has a time of another length than the mask that ``follow`` gives.
    """
    if mask is None:
        return None
    pairs = is_of_pairs(mask, x)
    mask = model.follow(params, state, x, mask)
    if mask is None or fits(mask, y, pairs=pairs):
        return mask
    if not has_time(mask, y, pairs=pairs):
        return None
    shapes = ", ".join(str(tuple(leaf.shape)) for leaf in jax.tree.leaves(y))
    raise mistake(
        "mask",
        got=f"an output of shape {shapes} and a mask of shape {tuple(mask.shape)}",
        expected="a part that keeps the elements, or says which of its output's are real",
        remedy="Give the part a follow: Model(init, apply, follow=...).",
    )


def follow_child(
    name: str, model: Model, params: Params, state: State, x: Any, y: Any, mask: jax.Array | None
) -> jax.Array | None:
    """The mask of y, the output for x of the child ``name`` with its own params and state."""
    with scope(name):
        return following(model, params.get(name, {}), state.get(name, {}), x, y, mask)
