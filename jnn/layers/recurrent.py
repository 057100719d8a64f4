"""Recurrent layers from a step: a memory that goes through a sequence, element by element."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jnn.errors import mistake
from jnn.layers.checks import check_float
from jnn.model import Model, scan_step, where


def recurrent(
    init: Callable,
    carry: Callable,
    step: Callable,
    *,
    read: Callable | None = None,
    name: str = "recurrent",
) -> Model:
    """A model from one step of a recurrence, three pure functions of one's own:

        init (key, x_t)            -> params
        carry(params, x_t)         -> memory, empty
        step (params, memory, x_t) -> y_t, memory

    x ``(..., T, D)`` -> y ``(..., T, F)``. ``init`` sees one element, ``(D,)``, of which only shape
    and dtype are known, the others see x_t with any leading axes, ``(..., D)``; the memory is an
    array or a pytree of arrays with the same leading axes. Masked elements are taken as zero
    whatever they hold, leave the memory as it was, and have y = 0, in gradients too.
    ``read(params, memory, x, mask) -> y, memory`` may be given where a whole sequence has a faster
    way than the step scanned over it; ``name`` is what errors call the layer. Raises `JnnError` for
    x that is not floating-point, without an axis of time, or with a mask of another shape.

    A memory that fades, each feature at a rate that is learned:

    >>> import jax, jax.numpy as jnp
    >>> def fading():
    ...     def init(key, x_t):
    ...         return {"rate": jnp.zeros(x_t.shape[-1])}
    ...     def carry(params, x_t):
    ...         return jnp.zeros(x_t.shape, x_t.dtype)
    ...     def step(params, memory, x_t):
    ...         keep = jax.nn.sigmoid(params["rate"])
    ...         memory = keep * memory + (1 - keep) * x_t
    ...         return memory, memory
    ...     return recurrent(init, carry, step)
    >>> x = jnp.array([[4.0], [0.0]])
    >>> params, state = fading().init(jax.random.key(0), x)
    >>> fading().apply(params, state, x)[0].tolist()
    [[2.0], [1.0]]
    """

    def by_steps(params, memory, x, mask):
        return scan_step(partial(step, params), memory, x, mask)

    def begin(params, x_t, length):
        return carry(params, x_t)

    def advance(params, state, memory, x_t):
        check_float(name, x_t, min_rank=1)
        return step(params, memory, x_t)

    def start(key, x):
        check_float(name, x, min_rank=1)
        return init(key, jax.ShapeDtypeStruct(x.shape[-1:], x.dtype)), {}

    def read_all(params, state, memory, x, *, key=None, train=False, mask=None):
        _check_sequence(name, x, mask)
        y, memory = (read or by_steps)(params, memory, x, mask)
        return y if mask is None else jax.tree.map(
            lambda leaf: where(mask, leaf, jnp.zeros_like(leaf)), y
        ), memory

    def apply(params, state, x, *, key=None, train=False, mask=None):
        _check_sequence(name, x, mask)
        empty = carry(params, jax.ShapeDtypeStruct((*x.shape[:-2], x.shape[-1]), x.dtype))
        return read_all(params, state, empty, x, mask=mask)[0], state

    return Model(start, apply, begin, advance, read_all)


def _check_sequence(name: str, x: Any, mask: Any) -> None:
    check_float(name, x, min_rank=2, axes="(..., T, features)")
    if mask is not None and (mask.shape != x.shape[:-1] or mask.dtype != bool):
        raise mistake(
            name,
            got=f"a mask of shape {tuple(mask.shape)} and dtype {mask.dtype}",
            expected=f"bool of shape {tuple(x.shape[:-1])}, True for each element of x that is real",
        )
