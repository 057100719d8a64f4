"""A scan over recurrent steps whose weights have their gradient by one matrix product.

Written as a plain ``lax.scan``, ``h_t = f(x_t + h_{t-1} W)`` has a gradient that adds a thin
product to ``dW`` at every step of the backward pass. Its tangent, however, has two parts,

    e    = dx + H dW                    for all steps at once, H the stacked h_{t-1}
    dh_t = f'(z_t) (e_t + dh_{t-1} W)   step by step, without dW

and its transpose is what one would write by hand: a reverse scan that yields ``dz`` alone, then
``dW = Hᵀ dz`` as one product. `scan` defines the tangent in this form by ``jax.custom_jvp``. All of
it is plain JAX, so that derivatives of every order and mode, and ``vmap`` of them, are correct. A
step keeps its memory and its products for the backward pass, which recomputes the rest.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jnn.layers.dense import linear
from jnn.model import where
from jnn.placement import devices_of_examples, varying_over


def scan(
    step: Callable, weights: dict, params: Any, memory: Any, x: dict, mask: jax.Array | None = None
) -> tuple[Any, Any]:
    """Scan ``step(product, params, memory, x_t) -> y_t, memory`` over the first axis of x.

    Within a step ``product(name, h)`` is ``x_t[name] + h @ weights[name]``, without the first term
    if x has no such name; h has any leading axes, and each name is used once. The step's x_t has
    only the other entries of x. Gradients of the ``params`` that a step uses directly, such as a
    bias, are summed step by step. Where ``mask``, time first, is False, the memory stays as it was.

    Returns the stacked y, and the last memory.
    """

    def evaluate(weights, params, memory, x, mask):
        return _forward(step, weights, params, memory, x, mask)[0]

    def tangent(primals, tangents):
        weights, params, _, x, mask = primals
        d_weights, d_params, d_memory, d_x, _ = tangents
        outputs, (before, products) = _forward(step, *primals)
        z = {name: z for name, (_, z) in products.items()}
        d_z = {
            name: _add(d_x.get(name), over_time(h, d_weights[name]))
            for name, (h, _) in products.items()
        }

        def advance(d_memory, element):
            before_t, x_t, mask_t, z_t, d_x_t, d_z_t = element

            def f(params, memory, x_t, d_z_t):
                product = lambda name, h: _precomputed(z_t[name], h, weights[name], d_z_t[name])
                return _masked(step, product, params, memory, x_t, mask_t)

            zero = jax.tree.map(jnp.zeros_like, d_z_t)
            _, (d_y, d_memory) = jax.jvp(
                f, (params, before_t, x_t, zero), (d_params, d_memory, d_x_t, d_z_t)
            )
            return d_memory, d_y

        elements = before, _others(x, weights), mask, z, _others(d_x, weights), d_z
        d_memory, d_y = jax.lax.scan(jax.checkpoint(advance, prevent_cse=False), d_memory, elements)
        return outputs, (d_y, d_memory)

    run = jax.custom_jvp(evaluate)
    run.defjvp(tangent)
    return run(weights, params, varying_over(memory, weights, params, x), x, mask)


def over_time(x: jax.Array, kernel: jax.Array, bias: jax.Array | None = None) -> jax.Array:
    """``x @ kernel + bias`` for all elements of a sequence, time first.

    On a mesh, which splits the axis behind that of time, the two stay apart: merged into one, as
    `linear` does, each device would have all of it.
    """
    if devices_of_examples() == 1:
        return linear(x, kernel, bias)
    y = x @ kernel
    return y if bias is None else y + bias.reshape((1,) * (y.ndim - 1) + (-1,))


def advance(step: Callable, weights: dict, params: Any, memory: Any, x_t: dict) -> tuple[Any, Any]:
    """One step of `scan`: y_t, and the new memory."""
    return step(_product(weights, x_t, {}), params, memory, _others(x_t, weights))


def _product(weights, x_t, kept):
    """The ``product`` of a step, which records its inputs and outputs in ``kept``."""

    def product(name, h):
        z = _add(x_t.get(name), linear(h, weights[name]))
        kept[name] = h, z
        return z

    return product


def _others(x, weights):
    """The entries of x that are not added to a product."""
    return {name: value for name, value in x.items() if name not in weights}


def _forward(step, weights, params, memory, x, mask):
    """y and the last memory; and each step's initial memory, and inputs and outputs of products."""

    def advance(memory, element):
        products, (x_t, mask_t) = {}, element
        product, others = _product(weights, x_t, products), _others(x_t, weights)
        y_t, new = _masked(step, product, params, memory, others, mask_t)
        return new, (y_t, memory, products)

    memory, (y, before, products) = jax.lax.scan(advance, memory, (x, mask))
    return (y, memory), (before, products)


def _masked(step, product, params, memory, x_t, mask_t):
    y_t, new = step(product, params, memory, x_t)
    if mask_t is None:
        return y_t, new
    return y_t, jax.tree.map(lambda now, before: where(mask_t, now, before), new, memory)


def _add(x, z):
    return z if x is None else x + z


@jax.custom_jvp
def _precomputed(z, h, weight, e):
    """``z``, precomputed as ``x + h @ weight``, with the tangent of that.

    The tangent of ``e`` is the part that does not come from h.
    """
    return z


@_precomputed.defjvp
def _(primals, tangents):
    (z, _, weight, _), (_, d_h, _, d_e) = primals, tangents
    return z, linear(d_h, weight) + d_e
