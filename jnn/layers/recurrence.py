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

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jnn.layers.dense import linear
from jnn.model import where
from jnn.placement import devices_of_examples, on_one_cpu, varying_over

LEAST_ROWS = 8  # of a step's product
LARGE = 2**23  # bytes, beyond what stays in the caches


def scan(
    step: Callable,
    named: Callable,
    weights: dict,
    params: Any,
    memory: Any,
    x: jax.Array,
    mask: jax.Array | None = None,
) -> tuple[Any, Any]:
    """Scan ``step(product, params, memory, x_t) -> y_t, memory`` over the first axis of x.

    ``named(a)`` is a dict of parts of ``a``, the projection ``x kernel + bias`` with those of the
    params. Within a step ``product(name, h)`` is ``named(a_t)[name] + h @ weights[name]``, without
    the first term if it has no such name; h has any leading axes, and each name is used once. The
    step's x_t has only its other entries. Gradients of the ``params`` that a step uses directly,
    such as a bias, are summed step by step. Where ``mask``, time first, is False, the memory stays
    as it was.

    Returns the stacked y, and the last memory.
    """

    def evaluate(weights, params, memory, x, mask):
        return _forward(step, named, weights, params, memory, x, mask)[0]

    def tangent(primals, tangents):
        weights, params, _, x, mask = primals
        d_weights, d_params, d_memory, d_x, _ = tangents
        outputs, (before, others, products) = _forward(step, named, *primals)
        z = {name: z for name, (_, z) in products.items()}
        by_params = over_time(x, d_params["kernel"], d_params["bias"])
        d_x = named(over_time(d_x, params["kernel"]) + by_params)
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

        elements = before, others, mask, z, _others(d_x, weights), d_z
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


def advance(
    step: Callable, named: Callable, weights: dict, params: Any, memory: Any, x_t: jax.Array
) -> tuple[Any, Any]:
    """One step of `scan`: y_t, and the new memory."""
    x_t = _project(named, params, x_t)
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


def _project(named, params, x):
    """The parts of the projection of x, which is one element or many."""
    return named(over_time(x, params["kernel"], params["bias"]))


def _forward(step, named, weights, params, memory, x, mask):
    """y and the last memory; and of each step its initial memory, its x_t, and the inputs and
    outputs of its products.
    """
    project = functools.partial(_project, named)
    is_by_steps = _is_projected_by_steps(jax.eval_shape(project, params, x), weights)
    if not is_by_steps:
        x = project(params, x)

    def advance(memory, element):
        products, (x_t, mask_t) = {}, element
        if is_by_steps:
            x_t = project(params, x_t)
        product, others = _product(weights, x_t, products), _others(x_t, weights)
        y_t, new = _masked(step, product, params, memory, others, mask_t)
        return new, (y_t, memory, others if is_by_steps else {}, products)

    memory, (y, before, others, products) = jax.lax.scan(advance, memory, (x, mask))
    return (y, memory), (before, others if is_by_steps else _others(x, weights), products)


def _is_projected_by_steps(projected, weights):
    """Whether a CPU projects x faster step by step: the whole is written, and read again.

    Time of the first over that of the second, for batches of 8 to 512, value and with gradients,
    float32, two cores with AVX-512, jax 0.10.2:

        LSTM, more than 8 MB   0.7 to 1.0, 0.9 to 1.0
              less             0.8 to 1.3, 0.8 to 1.2
        GRU, reset="after"     0.5 to 0.9, 0.7 to 1.0

    The last adds what it reads of x to no product. Of fewer rows both take up to twice as long. In
    memory, 64 x 128 elements of 128 features, a value takes 6 in place of 28 to 36 MB.
    """
    shapes = jax.tree.leaves(projected)
    if not on_one_cpu() or not all(isinstance(n, int) for leaf in shapes for n in leaf.shape):
        return False
    rows = math.prod(shapes[0].shape[1:-1])
    size = sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in shapes)
    return rows >= LEAST_ROWS and (size > LARGE or bool(_others(projected, weights)))


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
