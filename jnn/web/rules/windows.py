"""Reductions of the windows of an array: pooling, and the gradient of its maximum."""

from jnn.web.emitter import rule
from jnn.web.rules.reductions import STEP, start
from jnn.web.values import plus, times


def _places(index, taps, shape, settings) -> tuple[list[str], str]:
    """Where a tap of a window is in the array, and the condition that it is inside."""
    places, conditions = [], []
    for i, tap, n, (stride, (low, _), base, reach) in zip(
        index, taps, shape, settings, strict=True
    ):
        place = plus(plus(times(i, stride), times(tap, reach)), str(-low))
        conditions.append(f"{place} >= 0 && {place} < {(n - 1) * base + 1}")
        if base > 1:
            conditions.append(f"({place}) % {base} === 0")
            place = f"(({place}) / {base})"
        places.append(f"({place})" if n != 1 else "0")
    return places, " && ".join(conditions) or "true"


@rule("reduce_window_sum", "reduce_window_max", "reduce_window_min")
def _reduce(emitter, equation, inputs):
    kind = equation.primitive.name.removeprefix("reduce_window_")
    parameters, value, output = equation.params, emitter.stored(inputs[0]), emitter.output(equation)
    names = ("window_strides", "padding", "base_dilation", "window_dilation")
    settings = list(zip(*(parameters[name] for name in names), strict=True))
    with emitter.loops(output.shape) as index, emitter.block():
        emitter.line(f"let a = {start(kind, value.dtype)};")
        if 0 not in value.shape:
            with emitter.loops(parameters["window_dimensions"]) as taps:
                places, inside = _places(index, taps, value.shape, settings)
                with emitter.block(f"if ({inside})"):
                    emitter.line(STEP[kind].format(value.at(places)))
        emitter.line(f"{output.at(index)} = a;")
    return [output]


@rule("select_and_scatter_add")
def _scatter(emitter, equation, inputs):
    """Each number of the source is added where the largest element of its window is, the first of
    equal ones.
    """
    source, value = map(emitter.stored, inputs)
    parameters, output = equation.params, emitter.output(equation)
    sign = {"ge": ">", "le": "<"}[parameters["select_prim"].name]
    settings = [
        (stride, padding, 1, 1)
        for stride, padding in zip(parameters["window_strides"], parameters["padding"], strict=True)
    ]
    emitter.fill(output, "0")
    with emitter.loops(source.shape) as index, emitter.block():
        emitter.line("let k = -1, a = 0;")
        with emitter.loops(parameters["window_dimensions"]) as taps:
            places, inside = _places(index, taps, value.shape, settings)
            with emitter.block(f"if ({inside})"):
                emitter.line(f"const t = {value.at(places)};")
                emitter.line(f"if (k < 0 || t {sign} a) {{ a = t; k = {output.place(places)}; }}")
        emitter.line(f"if (k >= 0) {output.buffer}[k] += {source.at(index)};")
    return [output]
