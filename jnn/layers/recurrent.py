"""Recurrent layers made of a step function."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp

from jnn.layers.checks import check_carry, check_float, element_mask
from jnn.model import Model, check_key, scan_step, where
from jnn.placement import gathered_once, with_examples


def recurrent(
    init: Callable,
    carry: Callable,
    step: Callable,
    *,
    read: Callable | None = None,
    name: str = "recurrent",
) -> Model:
    """A recurrent layer made of three pure functions.

        init (key, x_t)            -> params
        carry(params, x_t)         -> memory, empty
        step (params, memory, x_t) -> y_t, memory

    x ``(..., T, D)`` -> y ``(..., T, F)``. ``init`` is passed the shape and dtype of one element,
    ``(D,)``, and the others x_t with any leading axes, ``(..., D)``; the memory is an array or a
    pytree of arrays with the same leading axes. Masked elements are read as zero whatever they
    hold, leave the memory as it was, and have y = 0, in gradients too.

    ``read``  ``(params, memory, x, mask) -> y, memory``, if there is a faster way to read a whole
              sequence than to scan the step over it
    ``name``  the name of the layer, in errors too

    Raises `JnnError` for x that is not floating-point, has no axis of time, or a mask of another
    shape.

    A moving average, with a learned rate for each feature:

    >>> import jax, jax.numpy as jnp
    >>> def moving_average():
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
    >>> params, state = moving_average().init(jax.random.key(0), x)
    >>> moving_average().apply(params, state, x)[0].tolist()
    [[2.0], [1.0]]
    """

    def element(x):
        return jax.ShapeDtypeStruct((*x.shape[:-2], x.shape[-1]), x.dtype)

    def check_memory(params, memory, x_t):
        check_carry(name, memory, jax.eval_shape(carry, params, x_t))

    def init_model(key, x):
        check_float(name, x, min_rank=1)
        check_key(name, key)
        return init(key, jax.ShapeDtypeStruct(x.shape[-1:], x.dtype)), {}

    def carry_model(params, x_t, length):
        return carry(params, x_t)

    def step_model(params, state, carry, x_t):
        check_float(name, x_t, min_rank=1)
        check_memory(params, carry, x_t)
        return step(params, carry, x_t)

    def read_model(params, state, carry, x, *, key=None, train=False, mask=None):
        check_float(name, x, min_rank=2, axes="(..., T, features)")
        check_memory(params, carry, element(x))
        mask = element_mask(name, x, mask)
        params = gathered_once(params)
        if x.ndim > 2:
            x, carry = with_examples(x), with_examples(carry)
        if read is None:
            y, memory = scan_step(partial(step, params), carry, x, mask)
        else:
            y, memory = read(params, carry, x, mask)
        if mask is not None:
            y = jax.tree.map(lambda leaf: where(mask, leaf, jnp.zeros_like(leaf)), y)
        return y, memory

    def apply(params, state, x, *, key=None, train=False, mask=None):
        check_float(name, x, min_rank=2, axes="(..., T, features)")
        return read_model(params, state, carry(params, element(x)), x, mask=mask)[0], state

    apply.__qualname__ = name
    return Model(init_model, apply, carry_model, step_model, read_model)
