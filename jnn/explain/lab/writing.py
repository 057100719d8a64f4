"""A model of texts as a page lets it write on: token by token, with its memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jnn.errors import JnnError
from jnn.explain.lab.program import Program, in_scans, sizes_of_factors, traced
from jnn.explain.lab.subject import Subject
from jnn.explain.lab.values import Value
from jnn.model import streams
from jnn.tags import capture, intervene
from jnn.web import modules


class Streamed(NamedTuple):
    """The model read token by token.

    ``source`` is an expression of JavaScript with two modules:

        begin  call(...params, ...state, ...x)                        -> ...carry
        step   call(...params, ...state, ...carry, ...x, ...factors)  -> ...logits, ...carry

    x are the arrays of the input, of which ``tokens``, or the only one, is a single token. The
    carry has room for as many tokens as the input of the subject. ``scaled`` are the paths of the
    values that have factors in a step, in the order of the arguments. ``rereads`` says why the page
    reads the text anew for each token, where there is no source.
    """

    source: str = ""
    scaled: tuple[str, ...] = ()
    rereads: str = ""


NO_STEP = (
    "For each token that it writes, this model reads its text anew: it, or one of its layers, has "
    "no step that reads a single token."
)
NO_RULE = "For each token that it writes, this model reads its text anew. {}"


def streamed(subject: Subject, compiled: Program) -> Streamed:
    """The stream of a `prepared` subject.

    It has no source for a model that does not stream, and where `jnn.web` has no rule for something
    in it.
    """
    model, example = subject.model, subject.example
    if not streams(model):
        return Streamed(rereads=NO_STEP)
    tokens = example["tokens"] if isinstance(example, Mapping) else example
    token = jax.ShapeDtypeStruct((), tokens.dtype)
    x_t = {**example, "tokens": token} if isinstance(example, Mapping) else token
    (length,) = tokens.shape

    def begin(params: Any, state: Any, x_t: Any) -> Any:
        return model.carry(params, x_t, length)

    params, state = jax.eval_shape(lambda: (subject.params, subject.state))
    try:
        carry = jax.eval_shape(begin, params, state, x_t)
        changes = changes_of_step(compiled, model.step, params, state, carry, x_t)
        shapes = {value.path: (*value.stacks, value.factors) for value in compiled.values}
        factors = {path: jax.ShapeDtypeStruct(shapes[path], jnp.float32) for path in changes}

        def step(params, state, carry, x_t, factors):
            of_paths = [changes[path](factor) for path, factor in factors.items()]
            by_path = {path: change for of_path in of_paths for path, change in of_path.items()}
            changed = intervene(model.step, by_path) if by_path else model.step
            return changed(params, state, carry, x_t)

        source = modules(
            {
                "begin": (begin, params, state, x_t),
                "step": (step, params, state, carry, x_t, factors),
            }
        )
    except (JnnError, NotImplementedError) as error:
        return Streamed(rereads=NO_RULE.format(error))
    return Streamed(source, tuple(sorted(factors)))


def changes_of_step(
    compiled: Program, step: Callable[..., Any], *args: Any
) -> dict[str, Callable[[jax.Array], dict[str, Any]]]:
    """For each path whose value a step has too, a function from its factors to changes by path.

    A step has no axis of time, or one of length 1, and has the copies of a repeated part one after
    the other, the second one with ``#2`` behind its path.
    """
    paths: list[str] = []

    def listed(*args):
        y, values = capture(step)(*args)
        paths[:] = values
        return y, list(values.values())

    _, arrays, found = traced(listed, *args)
    captured = zip(paths, arrays, found, strict=True)
    places = {path: (array.shape, place.scans) for path, array, place in captured}
    value_of = {value.path: value for value in compiled.values}
    changes = {path: _changes_of_value(value_of[path], places) for path in compiled.scaled}
    return {path: change for path, change in changes.items() if change is not None}


def _changes_of_value(value: Value, places: Mapping[str, tuple[tuple[int, ...], int]]) -> Any:
    """The changes of a value for its factors; None where a step has no such value.

    ``places`` has the shape of each value of the step, and the scans around it.
    """
    sizes, stacks, path = sizes_of_factors(value), len(value.stacks), value.path
    copies = math.prod(value.stacks)
    names = [path, *(f"{path}#{i}" for i in range(2, copies + 1))]
    for shape in _without_time(value, sizes):
        if copies > 1 and all(_fits(shape[stacks:], places, name) for name in names):
            copy_shape = shape[stacks:]
            return lambda factor: {
                name: _times(part.reshape(copy_shape), 0)
                for name, part in zip(names, factor.reshape(copies, -1), strict=True)
            }
        if _fits(shape, places, path):
            return lambda factor: {path: _times(factor.reshape(shape), places[path][1])}
    return None


def _without_time(value: Value, sizes: Sequence[int]) -> list[list[int]]:
    """Sizes without the axis along which the elements of a sequence are, and as they are."""
    times = [axis for axis, name in enumerate(value.axes) if name in ("time", "query")]
    return [[n for axis, n in enumerate(sizes) if axis not in times], list(sizes)]


def _fits(sizes: Sequence[int], places: Mapping[str, Any], path: str) -> bool:
    """Whether factors of these sizes multiply the value of a path without making it larger."""
    if path not in places or len(places[path][0]) != len(sizes):
        return False
    return all(n in (1, of) for n, of in zip(sizes, places[path][0], strict=True))


def _times(factor: jax.Array, scans: int) -> Any:
    change = lambda old, factor: (old * factor).astype(old.dtype)
    return in_scans(change, [factor], scans)
