"""Calls are inlined; scans and loops are loops, branches are branches."""

import math

import jax

from jnn._jaxprs import CALLS, CUSTOM, REMATS, callee, scan_counts
from jnn.web.emitter import rule
from jnn.web.values import Expression, View, times


@rule(*CALLS, *CUSTOM, *REMATS, "custom_vmap_call", "custom_lin")
def _call(emitter, equation, inputs):
    inner, consts = callee(equation)
    return emitter.run(inner, consts, inputs, emitter.path)


@rule("call_hi_primitive")
def _expanded(emitter, equation, inputs):
    """A primitive of later versions of JAX that is a function of others."""
    primitive, shapes = equation.params["_prim"], [variable.aval for variable in equation.invars]
    expand = lambda *flat: primitive.expand(*jax.tree.unflatten(primitive.in_tree, flat))
    closed = jax.make_jaxpr(expand)(*shapes)
    return emitter.run(closed.jaxpr, closed.consts, inputs, emitter.path)


def _copied(emitter, values):
    """New buffers with the values, which a loop may overwrite."""
    buffers = [emitter.buffer(value.dtype, value.shape) for value in values]
    for value, buffer in zip(values, buffers, strict=True):
        emitter.store(value, buffer)
    return buffers


def _overwrite(emitter, carry, new):
    """Put new values where the old ones are, none before all are read."""
    buffers = {view.buffer for view in carry}
    pairs = [(view, value) for view, value in zip(carry, new, strict=True) if value != view]
    ready = [
        value
        if isinstance(value, View) and value.buffer not in buffers
        else _copied(emitter, [value])[0]
        for _, value in pairs
    ]
    for (view, _), value in zip(pairs, ready, strict=True):
        emitter.store(value, view)


@rule("scan")
def _scan(emitter, equation, inputs):
    parameters = equation.params
    body, length = parameters["jaxpr"], parameters["length"]
    constants, carries = scan_counts(parameters)
    consts, start = inputs[:constants], inputs[constants : constants + carries]
    consts = [emitter.stored(value) for value in consts]
    xs = [emitter.stored(value) for value in inputs[constants + carries :]]
    carry = _copied(emitter, start)
    ys = [emitter.output(equation, i) for i in range(carries, len(equation.outvars))]
    if not length:
        return [*carry, *ys]
    t = emitter.name("t")
    with emitter.block(f"for (let {t} = 0; {t} < {length}; {t}++)"):
        at = f"({length - 1}-{t})" if parameters["reverse"] else t
        row = lambda value: value.moved(
            value.shape[1:], value.strides[1:], times(at, value.strides[0])
        )
        outputs = emitter.run(
            body.jaxpr, body.consts, [*consts, *carry, *map(row, xs)], emitter.path
        )
        for y, value in zip(ys, outputs[carries:], strict=True):
            emitter.store(value, row(y))
        _overwrite(emitter, carry, outputs[:carries])
    return [*carry, *ys]


def _where(condition, new, old):
    """The new value where the condition, on the first axes, holds, and the old one elsewhere."""
    rank = len(condition.shape)

    def text(index):
        return f"({condition.at(index[:rank])} ? {new.at(index)} : {old.at(index)})"

    return Expression(old.dtype, old.shape, text, 1)


@rule("while")
def _while(emitter, equation, inputs):
    """Under ``jax.vmap`` each element has its condition: the loop ends with the last of them."""
    parameters = equation.params
    condition, body = parameters["cond_jaxpr"], parameters["body_jaxpr"]
    first, second = parameters["cond_nconsts"], parameters["body_nconsts"]
    inputs = [emitter.stored(value) for value in inputs]
    of_condition, of_body = inputs[:first], inputs[first : first + second]
    carry = _copied(emitter, inputs[first + second :])
    with emitter.block("while (true)"):
        (goes_on,) = emitter.run(
            condition.jaxpr, condition.consts, [*of_condition, *carry], emitter.path
        )
        if goes_on.shape:
            (goes_on,) = _copied(emitter, [goes_on])
            n = math.prod(goes_on.shape)
            emitter.line(f"if (!{goes_on.buffer}.subarray(0, {n}).includes(1)) break;")
        else:
            emitter.line(f"if (!{goes_on.at([])}) break;")
        outputs = emitter.run(body.jaxpr, body.consts, [*of_body, *carry], emitter.path)
        if goes_on.shape:
            outputs = [_where(goes_on, *pair) for pair in zip(outputs, carry, strict=True)]
        _overwrite(emitter, carry, outputs)
    return carry


@rule("platform_index")
def _platform(emitter, equation, inputs):
    """A page takes the branch of a CPU."""
    platforms = equation.params["platforms"]
    chosen = next(i for i, names in enumerate(platforms) if names is None or "cpu" in names)
    return [Expression("int32", (), lambda index: str(chosen), 0)]


@rule("cond")
def _cond(emitter, equation, inputs):
    index, *operands = inputs
    operands = [emitter.stored(value) for value in operands]
    outputs = [emitter.output(equation, i) for i in range(len(equation.outvars))]
    branches, chosen = equation.params["branches"], emitter.name("branch")
    emitter.line(f"const {chosen} = Math.min(Math.max({index.at([])}, 0), {len(branches) - 1});")
    for i, branch in enumerate(branches):
        with emitter.block(f"if ({chosen} === {i})"):
            results = emitter.run(branch.jaxpr, branch.consts, operands, emitter.path)
            for result, output in zip(results, outputs, strict=True):
                emitter.store(result, output)
    return outputs
