"""Reductions and cumulative operations along axes."""

from jnn.web.emitter import rule

START = {
    "sum": "0",
    "prod": "1",
    "max": "-Infinity",
    "min": "Infinity",
    "and": "1",
    "or": "0",
    "xor": "0",
}
WHOLE = {"int32": ("-2147483648", "2147483647"), "uint32": ("0", "4294967295"), "bool": ("0", "1")}
"""The least and the largest number of a dtype that has no infinity."""
STEP = {
    "sum": "a += {};",
    "prod": "a *= {};",
    "max": "{{ const t = {}; if (t > a || t !== t) a = t; }}",
    "min": "{{ const t = {}; if (t < a || t !== t) a = t; }}",
    "and": "a &= {};",
    "or": "a |= {};",
    "xor": "a ^= {};",
}


def start(kind: str, dtype: str) -> str:
    """What a reduction of nothing gives."""
    if dtype in WHOLE and kind in ("max", "min"):
        return WHOLE[dtype][kind == "min"]
    if dtype in ("int32", "uint32") and kind == "and":
        return "-1"
    return START[kind]


def merged(kept, index, axes, inner, rank: int) -> list[str]:
    """The index of an input from those of the axes that stay and of those that go."""
    whole = ["0"] * rank
    for axis, i in zip(kept, index, strict=True):
        whole[axis] = i
    for axis, i in zip(axes, inner, strict=True):
        whole[axis] = i
    return whole


@rule(*(f"reduce_{kind}" for kind in START))
def _reduce(emitter, equation, inputs):
    kind, axes = equation.primitive.name.removeprefix("reduce_"), equation.params["axes"]
    (value,), output = inputs, emitter.output(equation)
    step = STEP[kind]
    if kind == "prod" and value.dtype in ("int32", "uint32"):
        step = "a = Math.imul(a, {});"
    kept = [k for k in range(len(value.shape)) if k not in axes]
    with emitter.loops(output.shape) as index, emitter.block():
        emitter.line(f"let a = {start(kind, value.dtype)};")
        with emitter.loops([value.shape[k] for k in axes]) as inner:
            if 0 not in value.shape:
                whole = merged(kept, index, axes, inner, len(value.shape))
                emitter.line(step.format(value.at(whole)))
        emitter.line(f"{output.at(index)} = a;")
    return [output]


@rule("argmax", "argmin")
def _arg(emitter, equation, inputs):
    value, output, (axis,) = inputs[0], emitter.output(equation), equation.params["axes"]
    sign = ">" if equation.primitive.name == "argmax" else "<"
    kept = [k for k in range(len(value.shape)) if k != axis]
    with emitter.loops(output.shape) as index, emitter.block():
        first = value.at(merged(kept, index, [axis], ["0"], len(value.shape)))
        emitter.line(f"let a = {first}, k = 0;")
        i = emitter.name("i")
        with emitter.block(f"for (let {i} = 1; {i} < {value.shape[axis]}; {i}++)"):
            t = value.at(merged(kept, index, [axis], [i], len(value.shape)))
            emitter.line(f"const t = {t};")
            emitter.line(f"if (t {sign} a || (t !== t && a === a)) {{ a = t; k = {i}; }}")
        emitter.line(f"{output.at(index)} = k;")
    return [output]


@rule("cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp")
def _cumulative(emitter, equation, inputs):
    kind = equation.primitive.name.removeprefix("cum")
    value, output, axis = inputs[0], emitter.output(equation), equation.params["axis"]
    n, rank = value.shape[axis], len(value.shape)
    kept = [k for k in range(rank) if k != axis]
    step = "a = logAddExp(a, {});" if kind == "logsumexp" else STEP[kind]
    if kind == "prod" and value.dtype in ("int32", "uint32"):
        step = "a = Math.imul(a, {});"
    begin = "-Infinity" if kind == "logsumexp" else start(kind, value.dtype)
    with emitter.loops([value.shape[k] for k in kept]) as index, emitter.block():
        emitter.line(f"let a = {begin};")
        with emitter.loops([n]) as (i,):
            i = f"{n - 1}-{i}" if equation.params["reverse"] and n > 1 else i
            whole = merged(kept, index, [axis], [i], rank)
            emitter.line(step.format(value.at(whole)))
            emitter.line(f"{output.at(whole)} = a;")
    return [output]
