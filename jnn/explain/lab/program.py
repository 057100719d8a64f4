"""The trained model as a program of the page: its answer and every captured value.

    values_of    what there is to see, by shapes alone
    program      (params, state, x, mask, factors) -> answer, captured values, as JavaScript
    formulas_of  how they are computed, as people write it
    gradients    (params, state, x, mask, factors, weights) -> the gradient of Σ weight · value

``factors`` has numbers for the parts (units, channels, heads) of each captured value, of each
member or layer its own, which multiply it where it is computed: with ones the model is as it was
trained, a zero switches a part off, and everything behind it is computed with the change.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.extend import core

from jnn._jaxprs import REMATS, callee, scan_counts
from jnn.errors import mistake
from jnn.explain.lab.formula_text import Formula
from jnn.explain.lab.formulas import formulas
from jnn.explain.lab.values import Value, describe
from jnn.model import Model
from jnn.paths import path_name
from jnn.tags import at_iteration, capture, intervene
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
    formulas: tuple[Formula | None, ...] = ()
    """How the answers, then the values are computed; None where nothing is known of it."""


def values_of(
    model: Model, params: Any, state: Any, example: Any, mask: Any = None
) -> tuple[tuple[Value, ...], tuple[Value, ...]]:
    """The leaves of the answer for one example, and the tagged values in the order of computation.

    A value that several names mark, such as the output of the last layer of a block and that of the
    block, is there once, by its first name.
    """

    run, paths = _listed(model)
    scans: dict[str, int] = {}

    def shapes(inputs):
        answer, arrays, places = traced(run, params, state, *inputs, {})
        outputs = jax.tree.leaves_with_path(answer)
        scans.update((path, place.scans) for path, place in zip(paths, places, strict=True))
        origins = [place.origin for place in places]
        first = [origin not in origins[:i] for i, origin in enumerate(origins)]
        values = {path: a for path, a, new in zip(paths, arrays, first, strict=True) if new}
        return {_ANSWER + path_name(path): leaf for path, leaf in outputs} | values

    described = describe(shapes, (example, mask))
    is_answer = lambda value: value.path.startswith(_ANSWER)
    answers = [value._replace(path=value.path[1:]) for value in described if is_answer(value)]
    values = [
        value._replace(scans=scans[value.path]) for value in described if not is_answer(value)
    ]
    return tuple(answers), tuple(values)


class Place(NamedTuple):
    """Where a captured value is."""

    origin: tuple[int, ...]
    """The scans in which it is made, from the outermost one, and what identifies it within."""
    scans: int
    """How many of them are around its tag."""


def traced(f: Callable[..., Any], *args: Any) -> tuple[Any, Any, list[Place]]:
    """The shapes of both results of a function, and the place of each array of the second one."""
    closed, (answer, arrays) = jax.make_jaxpr(f, return_shape=True)(*args)
    inner = closed.jaxpr.outvars[len(jax.tree.leaves(answer)) :]
    places = [Place(_origin(a, closed.jaxpr), _scans(a, closed.jaxpr)) for a in inner]
    return answer, arrays, places


def program(model: Model, params: Any, state: Any, example: Any, mask: Any = None) -> Program:
    """A model and its captured values as JavaScript. Raises `JnnError` as `javascript` does."""
    answers, values = values_of(model, params, state, example, mask)
    factors = {
        value.path: jax.ShapeDtypeStruct((*value.stacks, value.factors), jnp.float32)
        for value in values
        if value.factors
    }
    chosen = _chosen(model, values)
    source = javascript(chosen, params, state, example, mask, factors)
    told = formulas_of(model, params, state, example, mask)
    of_values = [told[1].get(value.path) for value in values]
    return Program(source, answers, values, tuple(sorted(factors)), (*told[0], *of_values))


def formulas_of(
    model: Model, params: Any, state: Any, example: Any, mask: Any = None
) -> tuple[list[Formula], dict[str, Formula]]:
    """How the leaves of the answer are computed, and the tagged values by their paths."""
    run, paths = _listed(model)
    arguments = (params, state, example, mask)
    closed, (answer, _) = jax.make_jaxpr(run, return_shape=True)(*arguments, {})
    answers = len(jax.tree.leaves(answer))
    path_of: dict[int, str] = {}
    for path, atom in zip(paths, closed.jaxpr.outvars[answers:], strict=True):
        path_of.setdefault(_origin(atom, closed.jaxpr)[-1], path)
    inputs = [
        (kind, path_name(path) or name)
        for kind, name, tree in (
            ("param", "params", params),
            ("param", "state", state),
            ("input", "input", example),
            ("input", "mask", mask),
        )
        for path, _ in jax.tree.leaves_with_path(tree)
    ]
    outputs, values = formulas(closed, path_of, inputs)
    return outputs[:answers], values


def gradients(
    compiled: Program, model: Model, params: Any, state: Any, example: Any, mask: Any = None
) -> tuple[str, tuple[str, ...]]:
    """The gradient of any number of a program to its input, as JavaScript, and to what it is.

    ``call(...params, ...state, ...x, ...mask, ...factors, ...weights)`` has weights like the
    answers and the values, and gives the gradient of the sum of all of them times their weights. It
    is with respect to the floating-point arrays of the input; where there are none, as for tokens,
    to the vectors of embeddings, else to the first sequence, whose paths are returned.

    Raises `JnnError` as `javascript` does, and where there is nothing to differentiate.
    """
    answers, values = compiled.answers, compiled.values
    leaves, structure = jax.tree.flatten(example)
    is_float = [jnp.issubdtype(leaf.dtype, jnp.floating) for leaf in leaves]
    inner = () if any(is_float) else _vectors(values)
    if not any(is_float) and not inner:
        raise mistake("gradients", got="an input without numbers", expected="a captured sequence")
    chosen = _chosen(model, values)
    shape = lambda value: jax.ShapeDtypeStruct(value.shape, jnp.float32)
    weights = [shape(value) for value in (*answers, *values)]
    factors = {
        value.path: jax.ShapeDtypeStruct((*value.stacks, value.factors), jnp.float32)
        for value in values
        if value.path in compiled.scaled
    }

    def gradient(params, state, x, mask, factors, weights):
        leaves = jax.tree.leaves(x)

        def total(floats, added):
            remaining = iter(floats)
            pairs = zip(leaves, is_float, strict=True)
            x = structure.unflatten([next(remaining) if f else leaf for leaf, f in pairs])
            answer, arrays = chosen(params, state, x, mask, factors, added)
            outputs = zip(weights, [*jax.tree.leaves(answer), *arrays], strict=True)
            is_number = lambda output: jnp.issubdtype(output.dtype, jnp.floating)
            return sum(jnp.sum(weight * y) for weight, y in outputs if is_number(y))

        floats = [leaf for leaf, f in zip(leaves, is_float, strict=True) if f]
        added = {value.path: jnp.zeros(value.shape, jnp.float32) for value in inner}
        of_floats, of_added = jax.grad(total, argnums=(0, 1))(floats, added)
        return [*of_floats, *(of_added[value.path] for value in inner)]

    source = javascript(gradient, params, state, example, mask, factors, weights)
    return source, tuple(value.path for value in inner)


def _vectors(values: tuple[Value, ...]) -> tuple[Value, ...]:
    """The vectors of tokens: those of embeddings, else the first sequence of vectors."""
    sequences = [value for value in values if value.kind == "sequence" and value.factors]
    embedded = [value for value in sequences if "embedding" in value.path.split("/")]
    return tuple(embedded or sequences[:1])


def _chosen(model: Model, values: tuple[Value, ...]):
    """``(params, state, x, mask, factors, added) -> answer, values``, those that are shown."""
    run, paths = _listed(model, values)
    kept = [value.path for value in values]

    def chosen(params, state, x, mask, factors, added=None):
        answer, arrays = run(params, state, x, mask, factors, added)
        by_path = dict(zip(paths, arrays, strict=True))
        return answer, [by_path[path] for path in kept]

    return chosen


def _listed(model: Model, values: Sequence[Value] = ()):
    """``(params, state, x, mask, factors, added) -> answer, values``, and the paths of the values.

    ``factors`` multiply parts of ``values``, ``added`` is added to them. The list of paths is
    filled when the function is traced.
    """
    paths: list[str] = []
    by_path = {value.path: value for value in values}

    def run(params, state, x, mask, factors, added=None):
        added = added or {}
        changes = {
            path: _changed(by_path[path], factor, added.get(path))
            for path, factor in factors.items()
        }
        predict = lambda params, state, x: model.apply(params, state, x, mask=mask)[0]
        changed = intervene(predict, changes) if changes else predict
        answer, captured = capture(changed)(params, state, x)
        paths[:] = captured
        return answer, list(captured.values())

    return run, paths


def _changed(value: Value, factor: Any, more: Any = None) -> Any:
    """The change of a value, for `intervene`: times ``factor``, plus ``more``, which is like it."""
    factor = factor.reshape(sizes_of_factors(value))
    arrays = [factor] if more is None else [factor, more]
    change = lambda old, factor, more=0: (old * factor + more).astype(old.dtype)
    return in_scans(change, arrays, value.scans)


def sizes_of_factors(value: Value) -> list[int]:
    """The shape of the factors of a value, as they multiply it: 1 along the other axes."""
    sizes = [n if name == "stack" else 1 for name, n in zip(value.axes, value.shape, strict=True)]
    sizes[value.factor_axis] = value.factors
    return sizes


def in_scans(change: Callable[..., Any], arrays: Sequence[Any], scans: int) -> Any:
    """``change(old, *arrays)`` of a value within so many scans, the first axes of the arrays."""
    return _InScans(0, (change, arrays, scans)) if scans else lambda old: change(old, *arrays)


class _InScans(at_iteration):
    """A change in all iterations, with that element of arrays that belongs to each."""

    def within(self, iteration: jax.Array) -> Any:
        change, arrays, scans = self.change
        element = lambda x: jax.lax.dynamic_index_in_dim(x, iteration, keepdims=False)
        elements = [element(x) if x.shape[0] > 1 else x[0] for x in arrays]
        return in_scans(change, elements, scans - 1)


def _origin(atom: Any, jaxpr: Any) -> tuple[int, ...]:
    """What identifies a value whatever names it has: the scans around it, and where it is made."""
    maker, body, result, is_scan = _maker(atom, jaxpr)
    if maker is not None and maker.primitive.name == "name":
        return _origin(maker.invars[0], jaxpr)
    if body is None:
        return (id(atom),)
    return (*((id(maker),) if is_scan else ()), *_origin(result, body))


def _scans(atom: Any, jaxpr: Any) -> int:
    """The scans around the tag of a captured value, which may be that of what a scan has made."""
    _, body, result, is_scan = _maker(atom, jaxpr)
    return 0 if body is None else is_scan + _scans(result, body)


def _maker(atom: Any, jaxpr: Any) -> tuple[Any, Any, Any, bool]:
    """The equation that makes a value; where it is a scan, or rematerialized, what makes it within.

    That is the body, the value in it, and whether it is a scan, of which it is no last carry.
    """
    if not isinstance(atom, core.Var):
        return None, None, None, False
    maker = next((equation for equation in jaxpr.eqns if atom in equation.outvars), None)
    if maker is None:
        return None, None, None, False
    place = maker.outvars.index(atom)
    if maker.primitive.name in REMATS:
        body = callee(maker)[0]
        return maker, body, body.outvars[place], False
    if maker.primitive.name == "scan" and place >= scan_counts(maker.params)[1]:
        body = maker.params["jaxpr"].jaxpr
        return maker, body, body.outvars[place], True
    return maker, None, None, False
