"""Random numbers: JAX's threefry, so that draws have the same bits.

Keys are pairs of uint32, on a last axis. What JAX makes of keys is traced by its own functions,
down to the one primitive that this file writes.
"""

import math

import jax
import jax.extend.random
import jax.numpy as jnp

from jnn.errors import mistake
from jnn.web.emitter import rule
from jnn.web.values import Expression, shape_of

THREEFRY = jax.extend.random.threefry_prng_impl


def _traced(emitter, function, values, shapes):
    """The outputs of a function of arrays of these shapes and dtypes."""
    closed = jax.make_jaxpr(function)(*shapes)
    return emitter.run(closed.jaxpr, closed.consts, values, emitter.path)


def _data(variable):
    """The shape of the data of a key."""
    return jax.ShapeDtypeStruct(shape_of(variable.aval), jnp.uint32)


def _over(function, rank: int):
    """A function of one key over ``rank`` axes of keys."""
    for _ in range(rank):
        function = jax.vmap(function)
    return function


def _check(equation):
    implementation = equation.params.get("impl", THREEFRY)
    if "fry" not in str(implementation):
        raise mistake(
            "javascript", got=f"keys of {implementation}", expected="keys of threefry2x32"
        )


@rule("random_wrap", "random_unwrap")
def _same(emitter, equation, inputs):
    _check(equation)
    return inputs


@rule("random_seed")
def _seed(emitter, equation, inputs):
    _check(equation)
    aval = equation.invars[0].aval
    shape = jax.ShapeDtypeStruct(aval.shape, aval.dtype)
    return _traced(emitter, _over(THREEFRY.seed, aval.ndim), inputs, [shape])


@rule("random_fold_in")
def _fold_in(emitter, equation, inputs):
    number = equation.invars[1].aval
    shape = equation.outvars[0].aval.shape
    fold = lambda key, number: THREEFRY.fold_in(key, number.astype(jnp.uint32))

    def function(keys, numbers):
        keys = jnp.broadcast_to(keys, (*shape, 2))
        return _over(fold, len(shape))(keys, jnp.broadcast_to(numbers, shape))

    shapes = [_data(equation.invars[0]), jax.ShapeDtypeStruct(number.shape, number.dtype)]
    return _traced(emitter, function, inputs, shapes)


@rule("random_split")
def _split(emitter, equation, inputs):
    (key,), shape = equation.invars, tuple(equation.params["shape"])
    split = _over(lambda key: THREEFRY.split(key, shape), key.aval.ndim)
    return _traced(emitter, split, inputs, [_data(key)])


@rule("random_bits")
def _bits(emitter, equation, inputs):
    (key,), shape = equation.invars, tuple(equation.params["shape"])
    width = equation.params["bit_width"]
    if width != 32:
        raise mistake("javascript", got=f"random numbers of {width} bits", expected="32 bits")
    bits = _over(lambda key: THREEFRY.random_bits(key, 32, shape), key.aval.ndim)
    return _traced(emitter, bits, inputs, [_data(key)])


@rule("threefry2x32")
def _threefry(emitter, equation, inputs):
    outputs = [emitter.output(equation, i) for i in range(2)]
    shape = equation.outvars[0].aval.shape
    values = [emitter.stored(value) for value in inputs]
    if 0 in shape:
        return outputs
    with emitter.loops(shape) as index, emitter.block():
        at = ", ".join(value.at(index if value.shape else []) for value in values)
        emitter.line(f"const [x, y] = threefry({at});")
        emitter.line(f"{outputs[0].at(index)} = x;")
        emitter.line(f"{outputs[1].at(index)} = y;")
    return outputs


@rule("iota_2x32_shape")
def _counters(emitter, equation, inputs):
    """The number of each element as two words; 2^32 elements fit into no page."""
    low = emitter.output(equation, 1)
    with emitter.loops((max(1, math.prod(low.shape)),)) as (i,):
        emitter.line(f"{low.buffer}[{i}] = {i};")
    return [Expression(low.dtype, low.shape, lambda index: "0", 0), low]
