"""Products of matrices and convolutions."""

import jax

from jnn.web.emitter import rule
from jnn.web.rules.reductions import merged
from jnn.web.values import plus, times

FOUR = 4
"""So many rows are added at once, so that a sum is read and written a quarter as often."""


@rule("dot_general")
def _dot(emitter, equation, inputs):
    """Each sum is over the contracted axes; where the right operand's free axis is contiguous, the
    innermost loop runs along it, so that memory is read in order.
    """
    (left_sum, right_sum), (left_batch, right_batch) = equation.params["dimension_numbers"]
    a, b = map(emitter.stored, inputs)
    output = emitter.output(equation)

    def added(total, factors):
        """A line that adds products of two factors."""
        if a.dtype == "float32":
            return f"{total} += {' + '.join(f'{x} * {y}' for x, y in factors)};"
        return (
            f"{total} = ({total} + {' + '.join(f'Math.imul({x}, {y})' for x, y in factors)}) | 0;"
        )

    rank_a, rank_b = len(a.shape), len(b.shape)
    left = [k for k in range(rank_a) if k not in (*left_sum, *left_batch)]
    right = [k for k in range(rank_b) if k not in (*right_sum, *right_batch)]
    sizes = lambda value, axes: [value.shape[k] for k in axes]
    outer = [*sizes(a, left_batch), *sizes(a, left)]

    def at(batch, free, inner, value, axes_batch, axes_free, axes_sum):
        axes = [*axes_batch, *axes_free]
        return value.at(merged(axes, [*batch, *free], axes_sum, inner, len(value.shape)))

    if 0 in a.shape or 0 in b.shape:
        emitter.fill(output, "0")
        return [output]
    if right and b.strides[right[-1]] == 1 and output.shape[-1] >= FOUR:
        summed = sizes(a, left_sum)
        by_fours = a.dtype == "float32" and len(summed) == 1 and summed[0] % FOUR == 0
        emitter.fill(output, "0")
        steps = [summed[0] // FOUR] if by_fours else summed
        with emitter.loops(outer) as index, emitter.loops(steps) as inner, emitter.block():
            batch, free = index[: len(left_batch)], index[len(left_batch) :]
            if by_fours:
                places = [[plus(times(inner[0], FOUR), str(j))] for j in range(FOUR)]
            else:
                places = [inner]
            for j, place in enumerate(places):
                first = at(batch, free, place, a, left_batch, left, left_sum)
                emitter.line(f"const t{j}_ = {first};")
            with emitter.loops(sizes(b, right)) as other:
                factors = [
                    (f"t{j}_", at(batch, other, place, b, right_batch, right, right_sum))
                    for j, place in enumerate(places)
                ]
                emitter.line(added(output.at([*index, *other]), factors))
        return [output]
    with emitter.loops(outer) as index, emitter.loops(sizes(b, right)) as other:
        batch, free = index[: len(left_batch)], index[len(left_batch) :]
        with emitter.block():
            emitter.line("let t = 0;")
            with emitter.loops(sizes(a, left_sum)) as inner:
                first = at(batch, free, inner, a, left_batch, left, left_sum)
                second = at(batch, other, inner, b, right_batch, right, right_sum)
                emitter.line(added("t", [(first, second)]))
            emitter.line(f"{output.at([*index, *other])} = t;")
    return [output]


@rule("conv_general_dilated")
def _convolution(emitter, equation, inputs):
    parameters, (x, kernel) = equation.params, map(emitter.stored, inputs)
    numbers, output = parameters["dimension_numbers"], emitter.output(equation)
    (n_axis, c_axis, *x_space), (o_axis, i_axis, *window) = numbers.lhs_spec, numbers.rhs_spec
    y_n, y_c, *y_space = numbers.out_spec
    groups, batch_groups = parameters["feature_group_count"], parameters["batch_group_count"]
    features, channels = kernel.shape[o_axis], kernel.shape[i_axis]
    emitter.fill(output, "0")
    if 0 in x.shape or 0 in kernel.shape:
        return [output]
    places = zip(
        parameters["window_strides"],
        parameters["padding"],
        parameters["lhs_dilation"],
        parameters["rhs_dilation"],
        x_space,
        strict=True,
    )
    places = list(places)
    per_group = features // groups
    batch = output.shape[y_n]
    with (
        emitter.loops([batch, *(output.shape[k] for k in y_space)]) as (n, *where),
        emitter.loops([kernel.shape[k] for k in window]) as taps,
    ):
        conditions, index = [], []
        for i, tap, (stride, (low, _), dilation, reach, axis) in zip(
            where, taps, places, strict=True
        ):
            place = plus(plus(times(i, stride), times(tap, reach)), str(-low))
            conditions += [f"{place} >= 0", f"{place} < {(x.shape[axis] - 1) * dilation + 1}"]
            if dilation > 1:
                conditions.append(f"({place}) % {dilation} === 0")
                place = f"({place}) / {dilation}"
            index.append(place)
        with emitter.block(f"if ({' && '.join(conditions)})"), emitter.loops([features]) as (o,):
            group = f"Math.floor({o} / {per_group})" if groups > 1 else "0"
            if batch_groups > 1:
                size = features // batch_groups
                first = plus(n, times(f"Math.floor({o} / {size})", batch))
            else:
                first = n
            with emitter.block():
                emitter.line("let t = 0;")
                with emitter.loops([channels]) as (c,):
                    channel = plus(times(group, channels), c) if groups > 1 else c
                    at = merged(
                        [n_axis, *x_space], [first, *index], [c_axis], [channel], len(x.shape)
                    )
                    of = merged([o_axis, *window], [o, *taps], [i_axis], [c], len(kernel.shape))
                    emitter.line(f"t += {x.at(at)} * {kernel.at(of)};")
                to = merged([y_n, *y_space], [n, *where], [y_c], [o], len(output.shape))
                emitter.line(f"{output.at(to)} += t;")
    return [output]


@rule("convolution")
def _of_jnn(emitter, equation, inputs):
    """jnn's own primitive, as the grouped convolution that it is."""
    from jnn.layers.bilinear_convolution import _grouped

    avals = [variable.aval for variable in equation.invars]
    closed = jax.make_jaxpr(lambda x, kernel: _grouped(x, kernel, **equation.params))(*avals)
    return emitter.run(closed.jaxpr, closed.consts, inputs, emitter.path)
