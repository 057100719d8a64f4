"""Operations that move values and compute nothing: mostly other views of the same buffer.

Arrays of keys have an axis more, the last, than their equation says: it goes along.
"""

from jnn.web.emitter import rule
from jnn.web.values import Expression, contiguous, dtype_of, plus, shape_of, times


@rule("broadcast_in_dim")
def _broadcast(emitter, equation, inputs):
    (value,), axes = inputs, equation.params["broadcast_dimensions"]
    shape = shape_of(equation.outvars[0].aval)
    axes = (*axes, len(shape) - 1) if len(value.shape) > len(axes) else axes
    if isinstance(value, Expression) and not value.size:  # a literal or an iota costs nothing

        def text(index):
            pairs = zip(axes, value.shape, strict=True)
            return value.at([index[axis] if n != 1 else "0" for axis, n in pairs])

        return [Expression(value.dtype, tuple(shape), text, 0)]
    value, strides = emitter.stored(value), [0] * len(shape)
    for axis, stride, n in zip(axes, value.strides, value.shape, strict=True):
        strides[axis] = stride if n != 1 else 0
    return [value.moved(shape, strides)]


@rule("transpose")
def _transpose(emitter, equation, inputs):
    order, value = equation.params["permutation"], emitter.stored(inputs[0])
    order = (*order, *range(len(order), len(value.shape)))
    return [value.moved([value.shape[k] for k in order], [value.strides[k] for k in order])]


@rule("reshape")
def _reshape(emitter, equation, inputs):
    shape = shape_of(equation.outvars[0].aval)
    value = emitter.dense(inputs[0])
    return [value.moved(shape, contiguous(shape))]


@rule("squeeze")
def _squeeze(emitter, equation, inputs):
    value = emitter.stored(inputs[0])
    kept = [k for k in range(len(value.shape)) if k not in equation.params["dimensions"]]
    return [value.moved([value.shape[k] for k in kept], [value.strides[k] for k in kept])]


@rule("expand_dims")
def _expand(emitter, equation, inputs):
    value, shape = emitter.dense(inputs[0]), shape_of(equation.outvars[0].aval)
    return [value.moved(shape, contiguous(shape))]


@rule("slice")
def _slice(emitter, equation, inputs):
    value, parameters = emitter.stored(inputs[0]), equation.params
    starts, extra = parameters["start_indices"], len(value.shape) - len(parameters["start_indices"])
    steps = (*(parameters["strides"] or (1,) * len(starts)), *(1,) * extra)
    start = sum(a * b for a, b in zip((*starts, *(0,) * extra), value.strides, strict=True))
    strides = [a * b for a, b in zip(value.strides, steps, strict=True)]
    return [value.moved(shape_of(equation.outvars[0].aval), strides, str(start))]


@rule("rev")
def _reverse(emitter, equation, inputs):
    value, offset = emitter.stored(inputs[0]), 0
    strides = list(value.strides)
    for axis in equation.params["dimensions"]:
        offset += max(0, value.shape[axis] - 1) * strides[axis]
        strides[axis] = -strides[axis]
    return [value.moved(value.shape, strides, str(offset))]


@rule("split")
def _split(emitter, equation, inputs):
    value, axis, start, parts = emitter.stored(inputs[0]), equation.params["axis"], 0, []
    for variable in equation.outvars:
        offset = str(start * value.strides[axis])
        parts.append(value.moved(shape_of(variable.aval), value.strides, offset))
        start += variable.aval.shape[axis]
    return parts


@rule("empty", "empty2")
def _empty(emitter, equation, inputs):
    """Zeros, as on a CPU."""
    output = emitter.output(equation)
    emitter.fill(output, "0")
    return [output]


@rule("iota")
def _iota(emitter, equation, inputs):
    aval, axis = equation.outvars[0].aval, equation.params["dimension"]
    return [Expression(dtype_of(aval), tuple(aval.shape), lambda index: str(index[axis]), 0)]


@rule("concatenate")
def _concatenate(emitter, equation, inputs):
    output, axis, start = emitter.output(equation), equation.params["dimension"], 0
    for value in inputs:
        part = output.moved(value.shape, output.strides, str(start * output.strides[axis]))
        emitter.store(value, part)
        start += value.shape[axis]
    return [output]


@rule("stack")
def _stack(emitter, equation, inputs):
    output, axis = emitter.output(equation), equation.params["axis"]
    strides = [stride for k, stride in enumerate(output.strides) if k != axis]
    for k, value in enumerate(inputs):
        emitter.store(value, output.moved(value.shape, strides, str(k * output.strides[axis])))
    return [output]


@rule("unstack")
def _unstack(emitter, equation, inputs):
    value, axis = emitter.stored(inputs[0]), equation.params["axis"]
    strides = [stride for k, stride in enumerate(value.strides) if k != axis]
    return [
        value.moved(variable.aval.shape, strides, str(k * value.strides[axis]))
        for k, variable in enumerate(equation.outvars)
    ]


@rule("tile")
def _tile(emitter, equation, inputs):
    value, aval = emitter.stored(inputs[0]), equation.outvars[0].aval

    def text(index):
        pairs = zip(index, value.shape, strict=True)
        return value.at([f"({i} % {n})" if n != 1 else "0" for i, n in pairs])

    return [Expression(value.dtype, tuple(aval.shape), text, 1)]


@rule("pad")
def _pad(emitter, equation, inputs):
    value, padding = inputs
    output, config = emitter.output(equation), equation.params["padding_config"]
    emitter.fill(output, padding.at([]))
    if 0 in value.shape:
        return [output]
    with emitter.loops(value.shape) as index:
        places, conditions = [], []
        for i, (low, high, inner), n in zip(index, config, output.shape, strict=True):
            place = plus(times(i, inner + 1), str(low))
            places.append(place)
            conditions += [f"{place} >= 0"] * int(low < 0) + [f"{place} < {n}"] * int(high < 0)
        line = f"{output.at(places)} = {value.at(index)};"
        emitter.line(f"if ({' && '.join(conditions)}) {line}" if conditions else line)
    return [output]
