"""Sorting, and the largest elements."""

from jnn.web.emitter import rule
from jnn.web.rules.reductions import merged


def _order(emitter, keys, kept, index, axis: int, compared: str) -> str:
    """The name of the order of one row: the numbers of its elements, sorted."""
    n, rank, order = keys[0].shape[axis], len(keys[0].shape), emitter.name("order")
    emitter.line(f"const {order} = Array.from({{ length: {n} }}, (_, k) => k);")
    terms = [
        f"{compared}({key.at(merged(kept, index, [axis], ['p'], rank))}, "
        f"{key.at(merged(kept, index, [axis], ['q'], rank))})"
        for key in keys
    ]
    if n > 1:
        emitter.line(f"{order}.sort((p, q) => {' || '.join(terms)} || p - q);")
    return order


@rule("sort")
def _sort(emitter, equation, inputs):
    axis, values = equation.params["dimension"], [emitter.stored(value) for value in inputs]
    keys = values[: equation.params["num_keys"]]
    outputs = [emitter.output(equation, i) for i in range(len(values))]
    rank, n = len(values[0].shape), values[0].shape[axis]
    kept = [k for k in range(rank) if k != axis]
    with emitter.loops([values[0].shape[k] for k in kept]) as index, emitter.block():
        order = _order(emitter, keys, kept, index, axis, "ascending")
        with emitter.loops([n]) as (i,):
            to = merged(kept, index, [axis], [i], rank)
            place = f"{order}[{i}]" if n > 1 else "0"
            at = merged(kept, index, [axis], [place], rank)
            for value, output in zip(values, outputs, strict=True):
                emitter.line(f"{output.at(to)} = {value.at(at)};")
    return outputs


@rule("top_k")
def _top_k(emitter, equation, inputs):
    value, k = emitter.stored(inputs[0]), equation.params["k"]
    outputs = [emitter.output(equation, i) for i in range(2)]
    rank, n = len(value.shape), value.shape[-1]
    kept = list(range(rank - 1))
    with emitter.loops(value.shape[:-1]) as index, emitter.block():
        order = _order(emitter, [value], kept, index, rank - 1, "descending")
        with emitter.loops([k]) as (i,):
            place = f"{order}[{i}]" if n > 1 else "0"
            to = merged(kept, index, [rank - 1], [i], rank)
            at = merged(kept, index, [rank - 1], [place], rank)
            emitter.line(f"{outputs[0].at(to)} = {value.at(at)};")
            emitter.line(f"{outputs[1].at(to)} = {place};")
    return outputs
