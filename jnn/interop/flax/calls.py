"""How a module of Flax is called, and what of it has no place in a model."""

from __future__ import annotations

import inspect
import itertools
import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from jnn.errors import mistake

BATCH_STATS = "batch_stats"
"""The collection of Linen that is the state of a model."""
_TRAINS = {
    "train": True,
    "training": True,
    "is_training": True,
    "deterministic": False,
    "use_running_average": False,
    "update_stats": True,
}
"""Names that arguments of modules have, and their values in training."""


def call_of(method: Callable, module: Any) -> Callable[[Any, Any, bool], Any]:
    """The call of a module, with what tells it that it trains.

    Flags that follow x are passed by position: `linen.remat` traces those that have a name.
    """
    others = list(inspect.signature(method).parameters.values())[2:]  # than module and x
    is_flag = lambda p: p.name in _TRAINS and getattr(module, p.name, None) is None
    names = [p.name for p in filter(is_flag, others)]
    is_next = lambda p: is_flag(p) and p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
    count = len(list(itertools.takewhile(is_next, others)))

    def called(module, x, train):
        flags = {name: train == _TRAINS[name] for name in names}
        by_name = {name: flags[name] for name in names[count:]}
        return module(x, *(flags[name] for name in names[:count]), **by_name)

    return called


def zeros(x: Any) -> Any:
    """Zeros in place of shapes: modules of Linen need arrays."""
    return jax.tree.map(
        lambda leaf: (
            jnp.zeros(leaf.shape, leaf.dtype) if isinstance(leaf, jax.ShapeDtypeStruct) else leaf
        ),
        x,
    )


def one_leading_axis(x: Any, rank: int | None) -> Any:
    """x with its leading axes, of which there may be none, as one."""
    if rank is None:
        return x

    def reshaped(leaf):
        first, rest = _cut(leaf, rank)
        shape = (math.prod(first), *rest)
        if isinstance(leaf, jax.ShapeDtypeStruct):
            return jax.ShapeDtypeStruct(shape, leaf.dtype)
        return leaf.reshape(shape)

    return jax.tree.map(reshaped, x)


def leading_axes_of(x: Any, y: Any, rank: int | None) -> Any:
    """y, of one leading axis, with the leading axes of x."""
    if rank is None:
        return y
    first, _ = _cut(jax.tree.leaves(x)[0], rank)
    return jax.tree.map(lambda leaf: leaf.reshape(*first, *leaf.shape[1:]), y)


def _cut(leaf: Any, rank: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The leading axes, and those of an example."""
    if leaf.ndim < rank:
        raise mistake(
            "from_linen or from_nnx",
            got=f"x of shape {leaf.shape}",
            expected=f"{rank} axes at least",
        )
    return leaf.shape[: leaf.ndim - rank], leaf.shape[leaf.ndim - rank :]


def check_collections(caller: str, variables: Mapping[str, Any], allowed: tuple[str, ...]) -> None:
    """Refuse variables of kinds that are neither params nor state."""
    if others := sorted(set(variables) - set(allowed)):
        raise mistake(
            caller,
            got=f"variables of the kind {', '.join(others)}",
            expected="params and batch statistics alone, which a model has a place for",
            remedy="Make what is trained a param, and what is counted a batch statistic.",
        )


def refuse_mask(caller: str, mask: Any) -> None:
    """Refuse a mask."""
    if mask is not None:
        raise mistake(
            caller,
            got="a mask",
            expected="none: modules of Flax have no mask in common",
            remedy="Make it a part of x, and give call=.",
        )
