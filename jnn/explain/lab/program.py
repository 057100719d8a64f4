"""The trained model as a program of the page: its answer and every captured value.

    values(model)     what there is to see, by shapes alone
    program(model)    (params, state, x, mask, factors) -> answer, captured values, as JavaScript

``factors`` has numbers for the parts (units, channels, heads) of each captured value, which
multiply it where it is computed: with ones the model is as it was trained, a zero switches a part
off, and everything behind it is computed with the change.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.extend import core

from jnn.explain.lab.values import Value, describe
from jnn.model import Model
from jnn.paths import path_name
from jnn.tags import capture, intervene
from jnn.web import javascript

_ANSWER = "\0"
"""Begins the paths of answers, where they are beside those of captured values."""


class Program(NamedTuple):
    """A model compiled for the page."""

    source: str
    """An ES module: ``call(...params, ...state, ...x, ...mask, ...factors)``."""
    answers: tuple[Value, ...]
    """The leaves of the answer, whose paths may be empty."""
    values: tuple[Value, ...]
    """The captured values, which follow the leaves of the answer."""
    scaled: tuple[str, ...]
    """The paths that have factors, in the order of the arguments."""


def values_of(
    model: Model, params: Any, state: Any, example: Any, mask: Any = None
) -> tuple[tuple[Value, ...], tuple[Value, ...]]:
    """The leaves of the answer for one example, and the tagged values in the order of computation.

    A value that several names mark, such as the output of the last layer of a block and that of the
    block, is there once, by its first name.
    """

    run, paths = _listed(model)

    def shapes(inputs):
        closed, (answer, arrays) = jax.make_jaxpr(run, return_shape=True)(
            params, state, *inputs, {}
        )
        first = _first_names(closed.jaxpr, len(jax.tree.leaves(answer)))
        values = {path: a for path, a, new in zip(paths, arrays, first, strict=True) if new}
        outputs = jax.tree.leaves_with_path(answer)
        return {_ANSWER + path_name(path): leaf for path, leaf in outputs} | values

    is_picture = hasattr(example, "shape") and len(example.shape) == 3
    found = describe(shapes, (example, mask), is_picture=is_picture)
    is_answer = lambda value: value.path.startswith(_ANSWER)
    answers = [value._replace(path=value.path[1:]) for value in found if is_answer(value)]
    return tuple(answers), tuple(value for value in found if not is_answer(value))


def program(model: Model, params: Any, state: Any, example: Any, mask: Any = None) -> Program:
    """A model and its captured values as JavaScript. Raises `JnnError` as `javascript` does."""
    answers, values = values_of(model, params, state, example, mask)
    factors = {
        value.path: jax.ShapeDtypeStruct((value.factors,), jnp.float32)
        for value in values
        if value.factors
    }
    run, paths = _listed(model, {value.path: value.factor_axis for value in values})
    kept = [value.path for value in values]

    def chosen(params, state, x, mask, factors):
        answer, arrays = run(params, state, x, mask, factors)
        found = dict(zip(paths, arrays, strict=True))
        return answer, [found[path] for path in kept]

    source = javascript(chosen, params, state, example, mask, factors)
    return Program(source, answers, values, tuple(sorted(factors)))


def _listed(model: Model, axes: Mapping[str, int] | None = None):
    """``(params, state, x, mask, factors) -> answer, values``, and the paths of these values.

    The list of paths is filled when the function is traced.
    """
    paths: list[str] = []

    def run(params, state, x, mask, factors):
        def scaled(factor, axis):
            return lambda old: old * factor.reshape(-1, *[1] * (-1 - axis))

        changes = {path: scaled(factor, (axes or {})[path]) for path, factor in factors.items()}
        predict = lambda params, state, x: model.apply(params, state, x, mask=mask)[0]
        changed = intervene(predict, changes) if changes else predict
        answer, values = capture(changed)(params, state, x)
        paths[:] = values
        return answer, list(values.values())

    return run, paths


def _first_names(jaxpr: Any, skip: int) -> list[bool]:
    """For each output but the first ``skip`` whether no output before it is the same value."""
    marked = {
        equation.outvars[0]: equation.invars[0]
        for equation in jaxpr.eqns
        if equation.primitive.name == "name"
    }

    def origin(atom):
        while isinstance(atom, core.Var) and atom in marked:
            atom = marked[atom]
        return id(atom)

    origins = [origin(atom) for atom in jaxpr.outvars[skip:]]
    return [origin not in origins[:i] for i, origin in enumerate(origins)]
