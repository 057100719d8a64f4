"""The floating-point operations of a model, counted without computing anything."""

import math
from typing import Any

import jax
from jax.extend import core

from jnn.model import Model


def flops(model: Model, x: Any) -> int:
    """The operations in matrix products and convolutions, for an input of the shape of ``x``.

    A multiplication and its addition are two operations, so that this is twice what some tables of
    architectures give. Elementwise operations are not counted. A scan, as of `jnn.repeat` or over
    time, counts each of its iterations, a ``jax.lax.while_loop`` only one, and a ``jax.lax.cond``
    its most expensive branch.

    >>> import jax.numpy as jnp, jnn
    >>> model = jnn.chain(jnn.dense(40), jax.nn.relu, jnn.dense(2))
    >>> flops(model, jnp.ones(30))  # 2 (30 · 40 + 40 · 2)
    2560
    """
    x = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), x)
    params, state = jax.eval_shape(model.init, jax.random.key(0), x)
    return operations(jax.make_jaxpr(model.apply)(params, state, x).jaxpr)


def operations(jaxpr: Any) -> int:
    """Those of a jaxpr, such as that of a training step: see `flops`."""
    return sum(_of_equation(equation) for equation in jaxpr.eqns)


def _of_equation(equation) -> int:
    kind, parameters = equation.primitive.name, equation.params
    if kind == "dot_general":
        (contracted, _), _ = parameters["dimension_numbers"]
        left, y = equation.invars[0].aval.shape, equation.outvars[0].aval.shape
        return 2 * math.prod(y) * math.prod(left[axis] for axis in contracted)
    if kind == "conv_general_dilated":
        kernel, outputs = equation.invars[1].aval.shape, parameters["dimension_numbers"].rhs_spec[0]
        return _of_convolution(equation, math.prod(kernel) // kernel[outputs])
    if kind == "convolution":  # that of jnn, whose kernels are (members, *window, inputs, outputs)
        return _of_convolution(equation, math.prod(equation.invars[1].aval.shape[1:-1]))
    inside = [operations(jaxpr) for jaxpr in core.jaxprs_in_params(parameters)]
    if kind == "cond":
        return max(inside)
    return sum(inside) * (parameters["length"] if kind == "scan" else 1)


def _of_convolution(equation, products: int) -> int:
    """The operations where each output is the sum of ``products`` products."""
    return 2 * products * math.prod(equation.outvars[0].aval.shape)
