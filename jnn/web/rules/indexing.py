"""Reading and writing at places that are computed."""

from jnn.web.emitter import rule
from jnn.web.values import plus


def clamped(value, most: int) -> str:
    """The number of a scalar, in ``[0, most]``."""
    return f"Math.min(Math.max({value.at([])}, 0), {most})"


def _offset(starts, shape, sizes, strides) -> str:
    terms = [
        f"{clamped(start, n - size)} * {stride}"
        for start, n, size, stride in zip(starts, shape, sizes, strides, strict=False)
        if n != size
    ]
    return " + ".join(terms) or "0"


@rule("dynamic_slice")
def _dynamic_slice(emitter, equation, inputs):
    value, *starts = inputs
    value, sizes = emitter.stored(value), equation.params["slice_sizes"]
    sizes = (*sizes, *value.shape[len(sizes) :])  # keys have an axis more
    output, start = emitter.output(equation), emitter.name("o")
    emitter.line(f"const {start} = {_offset(starts, value.shape, sizes, value.strides)};")
    emitter.store(value.moved(sizes, value.strides, start), output)
    return [output]


@rule("dynamic_update_slice")
def _dynamic_update_slice(emitter, equation, inputs):
    value, update, *starts = inputs
    output, start = emitter.output(equation), emitter.name("o")
    update = emitter.stored(update)
    emitter.store(value, output)
    emitter.line(f"const {start} = {_offset(starts, output.shape, update.shape, output.strides)};")
    emitter.store(update, output.moved(update.shape, output.strides, start))
    return [output]


NOTHING = {"float32": "NaN", "int32": "-2147483648", "uint32": "4294967295", "bool": "1"}
"""What JAX reads where there is nothing."""


@rule("gather")
def _gather(emitter, equation, inputs):
    parameters = equation.params
    value, places = map(emitter.stored, inputs)
    numbers, sizes = parameters["dimension_numbers"], parameters["slice_sizes"]
    output, fills = emitter.output(equation), "FILL_OR_DROP" in str(parameters["mode"])
    batching = tuple(numbers.operand_batching_dims)
    gone = {*numbers.collapsed_slice_dims, *batching}
    window = [k for k in range(len(value.shape)) if k not in gone]
    batch = [k for k in range(len(output.shape)) if k not in numbers.offset_dims]
    if 0 in output.shape:
        return [output]
    with emitter.loops(output.shape) as index:
        row = [index[k] for k in batch]
        starts = {axis: places.at([*row, str(k)]) for k, axis in enumerate(numbers.start_index_map)}
        whole, inside = ["0"] * len(value.shape), []
        for axis, start in starts.items():
            most = value.shape[axis] - sizes[axis]
            inside.append(f"{start} >= 0 && {start} <= {most}")
            whole[axis] = f"Math.min(Math.max({start}, 0), {most})"
        for axis, k in zip(batching, numbers.start_indices_batching_dims, strict=True):
            whole[axis] = row[k]
        for axis, k in zip(window, numbers.offset_dims, strict=True):
            whole[axis] = plus(index[k], whole[axis]) if sizes[axis] != 1 else whole[axis]
        text = value.at(whole)
        if fills and inside:
            text = f"{' && '.join(inside)} ? {text} : {NOTHING[value.dtype]}"
        emitter.line(f"{output.at(index)} = {text};")
    return [output]


COMBINED = {
    "scatter": "{0} = {1};",
    "scatter_add": "{0} += {1};",
    "scatter-add": "{0} += {1};",
    "scatter_sub": "{0} -= {1};",
    "scatter-sub": "{0} -= {1};",
    "scatter_mul": "{0} *= {1};",
    "scatter-mul": "{0} *= {1};",
    "scatter_max": "{0} = Math.max({0}, {1});",
    "scatter-max": "{0} = Math.max({0}, {1});",
    "scatter_min": "{0} = Math.min({0}, {1});",
    "scatter-min": "{0} = Math.min({0}, {1});",
}


@rule(*COMBINED)
def _scatter(emitter, equation, inputs):
    value, places, updates = inputs
    places, updates = emitter.stored(places), emitter.stored(updates)
    numbers, output = equation.params["dimension_numbers"], emitter.output(equation)
    emitter.store(value, output)
    batching = tuple(numbers.operand_batching_dims)
    gone = {*numbers.inserted_window_dims, *batching}
    window = [k for k in range(len(output.shape)) if k not in gone]
    batch = [k for k in range(len(updates.shape)) if k not in numbers.update_window_dims]
    sizes = dict.fromkeys(range(len(output.shape)), 1)
    for axis, k in zip(window, numbers.update_window_dims, strict=True):
        sizes[axis] = updates.shape[k]
    clips = "CLIP" in str(equation.params["mode"])
    if 0 in updates.shape:
        return [output]
    with emitter.loops(updates.shape) as index:
        row = [index[k] for k in batch]
        whole, inside = ["0"] * len(output.shape), []
        for k, axis in enumerate(numbers.scatter_dims_to_operand_dims):
            start, most = places.at([*row, str(k)]), output.shape[axis] - sizes[axis]
            if clips:
                start = f"Math.min(Math.max({start}, 0), {most})"
            else:
                inside.append(f"{start} >= 0 && {start} <= {most}")
            whole[axis] = start
        for axis, k in zip(batching, numbers.scatter_indices_batching_dims, strict=True):
            whole[axis] = row[k]
        for axis, k in zip(window, numbers.update_window_dims, strict=True):
            whole[axis] = plus(index[k], whole[axis]) if sizes[axis] != 1 else whole[axis]
        target = output.at(whole)
        line = COMBINED[equation.primitive.name].format(target, updates.at(index))
        emitter.line(f"if ({' && '.join(inside)}) {line}" if inside else line)
    return [output]
