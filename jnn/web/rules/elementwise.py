"""Elementwise operations: each is an expression, stored where it is read more than once."""

from typing import Any

import jax
import numpy as np

from jnn.errors import mistake
from jnn.web.emitter import Emitter, rule
from jnn.web.values import ARRAYS, Expression, Value, dtype_of, is_half, shape_of

MOST = 12
"""So many operations are one expression; a longer one is stored on the way."""

FLOATS = {
    "add": "({0} + {1})",
    "add_any": "({0} + {1})",
    "sub": "({0} - {1})",
    "mul": "({0} * {1})",
    "div": "({0} / {1})",
    "rem": "({0} % {1})",
    "max": "Math.max({0}, {1})",
    "min": "Math.min({0}, {1})",
    "neg": "(-{0})",
    "exp": "Math.exp({0})",
    "exp2": "Math.pow(2, {0})",
    "log": "Math.log({0})",
    "log1p": "Math.log1p({0})",
    "expm1": "Math.expm1({0})",
    "tanh": "Math.tanh({0})",
    "tan": "Math.tan({0})",
    "sin": "Math.sin({0})",
    "cos": "Math.cos({0})",
    "asin": "Math.asin({0})",
    "acos": "Math.acos({0})",
    "atan": "Math.atan({0})",
    "atan2": "Math.atan2({0}, {1})",
    "sinh": "Math.sinh({0})",
    "cosh": "Math.cosh({0})",
    "asinh": "Math.asinh({0})",
    "acosh": "Math.acosh({0})",
    "atanh": "Math.atanh({0})",
    "logistic": "(1 / (1 + Math.exp(-{0})))",
    "sqrt": "Math.sqrt({0})",
    "rsqrt": "(1 / Math.sqrt({0}))",
    "cbrt": "Math.cbrt({0})",
    "abs": "Math.abs({0})",
    "sign": "Math.sign({0})",
    "floor": "Math.floor({0})",
    "ceil": "Math.ceil({0})",
    "pow": "power({0}, {1})",
    "square": "square({0})",
    "one_minus_square": "(1 - square({0}))",
    "erf": "erf({0})",
    "erfc": "erfc({0})",
    "erf_inv": "inverseErf({0})",
    "clamp": "Math.min(Math.max({1}, {0}), {2})",
    "is_finite": "(Number.isFinite({0}) ? 1 : 0)",
    "nextafter": "nextAfter({0}, {1})",
}
INTEGERS = {
    **{name: FLOATS[name] for name in ("max", "min", "sign", "clamp")},
    "add": "({0} + {1} | 0)",
    "add_any": "({0} + {1} | 0)",
    "sub": "({0} - {1} | 0)",
    "mul": "Math.imul({0}, {1})",
    "div": "quotient({0}, {1})",
    "rem": "remainder({0}, {1})",
    "neg": "(-{0} | 0)",
    "abs": "(Math.abs({0}) | 0)",
    "square": "Math.imul({0}, {0})",
    "and": "({0} & {1})",
    "or": "({0} | {1})",
    "xor": "({0} ^ {1})",
    "not": "(~{0})",
    "shift_left": "({1} > 31 ? 0 : {0} << {1})",
    "shift_right_logical": "({1} > 31 ? 0 : {0} >>> {1})",
    "shift_right_arithmetic": "({0} >> Math.min({1}, 31))",
    "population_count": "bits({0})",
    "clz": "Math.clz32({0})",
    "is_finite": "1",
}
BOOLEANS = {
    "and": "({0} & {1})",
    "or": "({0} | {1})",
    "xor": "({0} ^ {1})",
    "not": "({0} ? 0 : 1)",
    "max": "({0} | {1})",
    "min": "({0} & {1})",
    "add": "({0} | {1})",
    "mul": "({0} & {1})",
}
EXACT = ("max", "min", "neg", "abs", "sign", "floor", "ceil", "clamp", "is_finite")
"""Operations whose results on floats need no rounding."""
COMPARISONS = {
    "eq": "({0} === {1} ? 1 : 0)",
    "ne": "({0} !== {1} ? 1 : 0)",
    "lt": "({0} < {1} ? 1 : 0)",
    "le": "({0} <= {1} ? 1 : 0)",
    "gt": "({0} > {1} ? 1 : 0)",
    "ge": "({0} >= {1} ? 1 : 0)",
    "lt_to": "(inOrder({0}, {1}) < 0 ? 1 : 0)",
    "le_to": "(inOrder({0}, {1}) <= 0 ? 1 : 0)",
}
FLOAT32 = (8, 23)
"""The bits of its exponent and of its mantissa."""
SAME = ("copy", "copy_p", "stop_gradient", "name", "device_put", "pvary")


def elementwise(emitter: Emitter, equation: Any, inputs: list[Value], template: str) -> Value:
    """The value whose elements are ``template`` of those of the inputs, as ``"Math.exp({0})"``."""
    aval = equation.outvars[0].aval
    dtype, shape = dtype_of(aval), shape_of(aval)
    size = 1 + sum(value.size for value in inputs if isinstance(value, Expression))
    if size > MOST or any(template.count(f"{{{i}}}") > 1 for i in range(len(inputs))):
        inputs = [
            emitter.stored(value) if isinstance(value, Expression) and value.size else value
            for value in inputs
        ]
        size = 1

    def text(index):
        parts = [value.at(index[: len(value.shape)]) for value in inputs]
        return template.format(*parts)

    return Expression(dtype, shape, text, size)


def _operation(emitter, equation, inputs):
    name, dtype = equation.primitive.name, inputs[0].dtype
    if name in COMPARISONS:
        return [elementwise(emitter, equation, inputs, COMPARISONS[name])]
    tables = {"float32": FLOATS, "bool": BOOLEANS}
    template = tables.get(dtype, INTEGERS)[name]
    if dtype == "float32" and name not in EXACT:
        template = f"Math.fround({template})"
    if dtype == "uint32" and name not in ("max", "min", "clamp", "is_finite"):
        template = f"({template} >>> 0)"
    return [elementwise(emitter, equation, inputs, template)]


rule(*FLOATS, *INTEGERS, *BOOLEANS, *COMPARISONS)(_operation)


@rule("select_n")
def _select(emitter, equation, inputs):
    if len(inputs) == 3:
        return [elementwise(emitter, equation, inputs, "({0} ? {2} : {1})")]
    choices = ", ".join(f"{{{i}}}" for i in range(1, len(inputs)))
    return [elementwise(emitter, equation, inputs, f"[{choices}][{{0}}]")]


@rule(*SAME)
def _same(emitter, equation, inputs):
    return inputs


@rule("optimization_barrier")
def _barrier(emitter, equation, inputs):
    return inputs


@rule("integer_pow")
def _integer_pow(emitter, equation, inputs):
    exponent = equation.params["y"]
    template = "square({0})" if exponent == 2 else f"Math.pow({{0}}, {exponent})"
    if inputs[0].dtype != "float32":
        template = f"integerPower({{0}}, {exponent})"
    else:
        template = f"Math.fround({template})"
    return [elementwise(emitter, equation, inputs, template)]


@rule("reduce_precision")
def _reduce_precision(emitter, equation, inputs):
    bits = equation.params["exponent_bits"], equation.params["mantissa_bits"]
    if bits == FLOAT32:
        return inputs
    template = f"reducePrecision({{0}}, {bits[0]}, {bits[1]})"
    return [elementwise(emitter, equation, inputs, template)]


@rule("polynomial")
def _polynomial(emitter, equation, inputs):
    parts = ", ".join(f"{{{i}}}" for i in range(len(inputs)))
    return [elementwise(emitter, equation, inputs, f"Math.fround(polynomial({parts}))")]


@rule("round")
def _round(emitter, equation, inputs):
    to_even = equation.params["rounding_method"] == jax.lax.RoundingMethod.TO_NEAREST_EVEN
    template = "roundToEven({0})" if to_even else "roundFromZero({0})"
    return [elementwise(emitter, equation, inputs, template)]


@rule("convert_element_type")
def _convert(emitter, equation, inputs):
    new, old = dtype_of(equation.outvars[0].aval), inputs[0].dtype
    templates = {
        "float32": "{0}" if old == "bool" else "Math.fround({0})",
        "int32": "toInteger({0}, -2147483648, 2147483647)" if old == "float32" else "({0} | 0)",
        "uint32": "toInteger({0}, 0, 4294967295)" if old == "float32" else "({0} >>> 0)",
        "bool": "({0} !== 0 ? 1 : 0)",
    }
    if new == old:
        return inputs
    return [elementwise(emitter, equation, inputs, templates[new])]


@rule("bitcast_convert_type")
def _bitcast(emitter, equation, inputs):
    avals = equation.invars[0].aval, equation.outvars[0].aval
    if any(map(is_half, avals)):
        raise mistake(
            "javascript",
            got=f"the bits of {avals[0].dtype} as {avals[1].dtype}",
            expected="those of a number of 32 bits",
            remedy="Convert it to float32 first.",
        )
    new, value = dtype_of(avals[1]), emitter.dense(inputs[0])
    if value.dtype == new:
        return [value]
    output = emitter.output(equation)
    source, start = value.buffer, value.offset
    n = max(1, int(np.prod(value.shape)))
    words = f"{source}.buffer, {source}.byteOffset + 4 * ({start}), {n}"
    emitter.line(f"{output.buffer}.set(new {ARRAYS[new]}({words}));")
    return [output]
