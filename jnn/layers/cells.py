"""Recurrent layers from a cell: `elman`, `lstm` and `gru` are built with it."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jnn.initializers import draw
from jnn.layers import recurrence
from jnn.layers.checks import check_features, check_params
from jnn.layers.recurrent import recurrent
from jnn.model import Model, Params, where
from jnn.threefry import split


def cell(
    name: str,
    shapes: Mapping[str, Any],
    init: Callable,
    carry: Callable,
    named: Callable,
    step: Callable,
    weights: Callable,
) -> Model:
    """A recurrent layer whose products with x do not depend on its memory.

    ``shapes`` are those of its params, as `check_params` takes them. ``named``,
    ``weights(params)`` and ``step`` are those of `jnn.layers.recurrence.scan`, ``init`` and
    ``carry`` those of `recurrent`.
    """

    def one(params, memory, x_t):
        check_features(name, x_t, params["kernel"].shape[0])
        return recurrence.advance(step, named, weights(params), params, memory, x_t)

    def read(params, memory, x, mask):
        check_features(name, x, params["kernel"].shape[0])
        time = x.ndim - 2
        if mask is not None:
            x, mask = where(mask, x, jnp.zeros_like(x)), jnp.moveaxis(mask, -1, 0)
        x = jnp.moveaxis(x, time, 0)
        y, memory = recurrence.scan(step, named, weights(params), params, memory, x, mask)
        return jnp.moveaxis(y, 0, time), memory

    def empty(params, x_t):
        check_params(name, params, **shapes)
        return carry(params, x_t)

    return recurrent(init, empty, one, read=read, name=name)


def memory_dtype(params: Params, x_t: jax.Array) -> np.dtype:
    """The dtype of the output of a layer with these params for x."""
    return np.promote_types(x_t.dtype, params["kernel"].dtype)


def by_gates(z: jax.Array, n: int) -> list[jax.Array]:
    """The ``n`` blocks of columns of z."""
    return jnp.split(z, n, axis=-1)


def sigmoid(z: jax.Array) -> jax.Array:
    """``1/2 + 1/2 tanh(z/2)``: faster than ``1 / (1 + exp(-z))`` on a CPU, as exact near one."""
    return 0.5 + 0.5 * jnp.tanh(0.5 * z)


def for_each_gate(init: Callable, n: int) -> Callable:
    """The initializer that draws each of ``n`` blocks of columns separately."""

    def blocks(key, shape, dtype):
        rows, columns = shape
        # Not vmapped: two batched QR decompositions at once deadlock if XLA's CPU backend has two
        # threads.
        block = (rows, columns // n)
        return jnp.concatenate([draw(init, key, block, dtype) for key in split(key, n)], axis=1)

    return blocks
