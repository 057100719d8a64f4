"""Checks of the settings and inputs of layers, in Python, before anything is traced."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jnn.errors import mistake
from jnn.integers import check_integer
from jnn.masks import check_mask


def check_positive(caller: str, **settings: Any) -> None:
    """Check that each setting is an integer >= 1."""
    for name, value in settings.items():
        check_integer(caller, name, value)


def check_array(caller: str, x: Any) -> None:
    """Check that x is one array, no tuple of several."""
    if not hasattr(x, "shape") or not isinstance(getattr(x, "dtype", None), np.dtype):
        raise mistake(
            caller,
            got=f"x of type {type(x).__name__}",
            expected="an array",
            remedy="Pass one array, such as jnp.asarray(x).",
        )


def check_float(caller: str, x: Any, *, min_rank: int = 0, axes: str = "(..., features)") -> None:
    """Check that x is a floating-point array with at least the axes of one example."""
    check_array(caller, x)
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise mistake(
            caller,
            got=f"x of dtype {x.dtype}",
            expected="floating-point numbers",
            remedy="Convert first: x.astype(jnp.float32), images also / 255.",
        )
    if len(x.shape) < min_rank:
        raise mistake(
            caller, got=f"x of shape {tuple(x.shape)}", expected=f"at least {min_rank} axes, {axes}"
        )


def element_mask(
    caller: str,
    x: jax.Array,
    mask: jax.Array | None,
    *,
    rank: int = 1,
    space: int = 1,
    keys: int | None = None,
) -> jax.Array | None:
    """The mask where it is of the elements that a layer mixes, None where there is none of them.

    x is ``(..., *space, *element)`` with ``space`` axes of elements of ``rank`` axes, such as
    ``(..., T, D)``. A mask of leading axes alone says which whole examples are real: the layer
    treats each alone. With ``keys`` it may also be of pairs, ``(..., T, keys)``. Raises `JnnError`
    for any other shape, and for one that is not boolean.
    """
    if mask is None:
        return None
    check_mask(caller, mask)
    elements = tuple(x.shape[: x.ndim - rank])
    pairs = (*elements, keys)
    if mask.shape in (elements, pairs):
        return mask
    if mask.ndim <= len(elements) - space and mask.shape == elements[: mask.ndim]:
        return None
    raise mistake(
        caller,
        got=f"a mask of shape {tuple(mask.shape)} for x of shape {x.shape}",
        expected=f"{elements} for elements" + ("" if keys is None else f" or {pairs} for pairs"),
    )


def wide_mask(
    caller: str, x: jax.Array, mask: jax.Array | None, *, space: int = 0
) -> jax.Array | None:
    """`element_mask` with a value for each element, also where it is of leading axes alone."""
    if mask is None:
        return None
    element_mask(caller, x, mask, space=space)
    wide = mask.reshape(*mask.shape, *(1,) * (x.ndim - 1 - mask.ndim))
    return jnp.broadcast_to(wide, x.shape[:-1])


def refuse_mask(caller: str, x: jax.Array, mask: jax.Array | None, *, axes: int, why: str) -> None:
    """Refuse a mask that reaches into the last ``axes`` of x, those of one example."""
    if mask is None:
        return
    check_mask(caller, mask)
    if mask.ndim > x.ndim - axes:
        got = f"a mask of shape {mask.shape} for x of shape {x.shape}"
        raise mistake(caller, got=got, expected="no padding within an example", remedy=why)
    element_mask(caller, x, mask, rank=axes, space=0)


def check_names(caller: str, x: Any, *names: str) -> None:
    """Check that x is a dict with these names."""
    if isinstance(x, Mapping):
        if all(name in x for name in names):
            return
        got = f"a dict of {', '.join(map(str, x)) or 'nothing'}"
    else:
        got = "an array" if hasattr(x, "dtype") else f"x of type {type(x).__name__}"
    raise mistake(caller, got=got, expected=f"a dict with {' and '.join(names)}")


def check_carry(caller: str, carry: Any, shapes: Any) -> None:
    """Check that a carry has these shapes: one that was made for other examples than x does not.

    ``shapes`` is a tree of arrays, or of their ``jax.ShapeDtypeStruct``.
    """
    found, expected = (
        (jax.tree.structure(tree), [np.shape(leaf) for leaf in jax.tree.leaves(tree)])
        for tree in (carry, shapes)
    )
    if found != expected:
        of = lambda structure, leaves: jax.tree.unflatten(structure, leaves)
        raise mistake(
            caller,
            got=f"a carry of shape {of(*found)}",
            expected=f"{of(*expected)} for this x",
            remedy="Begin with model.carry(params, x_t, length), and x_t of as many examples as x.",
        )


def check_params(
    caller: str,
    params: Mapping[str, Any],
    *names: str,
    kind: str = "params",
    **shapes: tuple[int | None, ...] | None,
) -> None:
    """Check that params, or the state, have these names: those of another model do not.

    ``shapes`` are names with the length of each axis, None for any, or with None for one that must
    not be there. With them there may be no other names.
    """
    names += tuple(name for name, shape in shapes.items() if shape is not None)
    if not isinstance(params, Mapping):
        got, expected = f"{kind} of type {type(params).__name__}", "a dict, as init makes it"
        raise mistake(caller, got=got, expected=expected)
    those = "that" if kind == "state" else "those"
    remedy = f"Use the {kind} that this model's init made."
    if missing := [name for name in names if name not in params]:
        got = f"{kind} without {', '.join(map(repr, missing))}"
        expected = f"{those} with {' and '.join(names)}"
        raise mistake(caller, got=got, expected=expected, remedy=remedy)
    if shapes and (strange := [name for name in params if name not in names]):
        got, expected = f"{kind} with {strange[0]!r}", f"{those} of a model without it"
        raise mistake(caller, got=got, expected=expected, remedy=remedy)
    for name, shape in shapes.items():
        if shape is not None and not _has_shape(params[name], shape):
            got = f"{name} of shape {np.shape(params[name])}"
            lengths = ", ".join("any" if n is None else str(n) for n in shape)
            expected = f"shape ({lengths}{',' if len(shape) == 1 else ''})"
            if np.ndim(params[name]) > len(shape):
                remedy += " Those of jnn.ensemble and jnn.repeat have one axis more."
            raise mistake(caller, got=got, expected=expected, remedy=remedy)


def _has_shape(leaf: Any, shape: tuple[int | None, ...]) -> bool:
    given = np.shape(leaf)
    return len(given) == len(shape) and all(
        n in (None, length) for n, length in zip(shape, given, strict=True)
    )


def check_features(caller: str, x: jax.Array, features: int, kind: str = "params") -> None:
    """Check that the last axis of x has the features that the params or state were made for."""
    if x.shape[-1] != features:
        remedy = f"Use the {kind} that this model's init made for x."
        if x.ndim > 2 and features in x.shape[:-1]:
            remedy = "Channels come last."
        raise mistake(
            caller,
            got=f"x of shape {tuple(x.shape)}",
            expected=f"{features} features in its last axis, as in {kind}",
            remedy=remedy,
        )
