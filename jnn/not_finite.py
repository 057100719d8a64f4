"""Where a NaN or an infinity comes from.

A function is evaluated equation by equation, inside of calls, loops and branches too, and what each
value was made from is kept. From a result that is not finite the search then goes back to the value
that it is owed to: as long as an argument of an equation is NaN as well, or infinite as well, and
the result would be finite without that, to that argument. So neither the branch of a ``where`` that
was not chosen is blamed, nor what is infinite on purpose, as the logits of masked elements are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from jnn._jaxprs import CALLS, CUSTOM, REMATS, bind, callee, scan_counts, scope_of

_ARGUMENT, _CONSTANT = "an argument", "a constant"
_NAN, _INFINITY = "NaN", "infinity"
_FINITE = 0.5
"""What stands for a bad value to see what depends on it: most functions are finite here."""


class Origin(NamedTuple):
    """The first value that is not finite, of those that a result is owed to."""

    path: str
    """The named scopes of the equation that made it."""
    operation: str
    """The primitive, or "an argument" or "a constant", where the value was given."""
    source: str
    """File and line, outside of JAX: for a function of JAX, those of its call."""
    kind: str
    """``"NaN"`` or ``"infinity"``."""

    def __str__(self) -> str:
        """One sentence."""
        place = f" in {self.path}" if self.path else ""
        line = f" ({self.source})" if self.source else ""
        return f"The first {self.kind} is made by {self.operation}{place}{line}."


class _Value(NamedTuple):
    """An array, the equation that made it with its scope, and the values that it is made from."""

    array: Any
    equation: Any
    path: str
    parents: Sequence[_Value]
    given: str = ""
    """What it is where no equation made it."""
    calls: tuple[Any, ...] = ()
    """The calls that the equation is within, the innermost last."""
    redo: Callable[[list[Any]], Any] | None = None
    """The array for other arrays of the parents; None where computing it has an effect."""
    pull: Callable[[Any, int], Any] | None = None
    """``(elements, i)``: where elements of the array are in parent i, for one that only collects
    them."""


def origin(f: Callable, *args: Any) -> Origin | None:
    """Where the first result of ``f(*args)`` that is not finite comes from; None if all are.

    All intermediate values are kept in memory, and each operation is dispatched by itself.

    >>> def f(x):
    ...     with jax.named_scope("head"):
    ...         return jnp.where(x > 0, jnp.log(x - x), 0.0) * 0
    >>> first = origin(f, jnp.ones(2))
    >>> first.kind, first.operation, first.path  # infinity times zero is NaN; its cause is log 0
    ('infinity', 'log', 'head')
    >>> origin(jnp.exp, jnp.ones(2)) is None
    True
    """
    leaves, structure = jax.tree.flatten(args)
    closed = jax.make_jaxpr(lambda *leaves: f(*structure.unflatten(leaves)))(*leaves)
    arrays = [leaf if hasattr(leaf, "dtype") else jnp.asarray(leaf) for leaf in leaves]
    inputs = [_Value(array, None, "", (), _ARGUMENT) for array in arrays]
    outputs = _evaluate(closed.jaxpr, closed.consts, inputs, _Place("", ()))
    for value in outputs:
        for kind in (_NAN, _INFINITY):
            if (bad := _bad(value.array, kind)).any():
                return _back(value, kind, bad)
    return None


def _back(value: _Value, kind: str, bad: Any) -> Origin:
    """Where the elements ``bad`` of a value come from, all of which are of a kind."""
    while owed := _owed(value, kind, bad, kind):
        value, bad = owed
    if kind == _NAN and (owed := _owed(value, kind, bad, _INFINITY)):
        cause = _back(owed[0], _INFINITY, owed[1])
        if cause.operation != _CONSTANT:
            return cause
    if value.equation is None:
        return Origin(value.path, value.given, "", kind)
    inside_out = (value.equation, *reversed(value.calls))
    source = next(filter(None, map(_source, inside_out)), "")
    return Origin(value.path, value.equation.primitive.name, source, kind)


def _owed(value: _Value, kind: str, bad: Any, cause: str) -> tuple[_Value, Any] | None:
    """The parent, and its elements of the kind ``cause``, that the elements ``bad`` are owed to.

    With all such elements of the parents mended fewer would be bad; it is the first parent whose
    own undo that, and not a constant where there is another. Of its elements half is left, as
    long as they do.
    """
    candidates = [(i, _bad(parent.array, cause)) for i, parent in enumerate(value.parents)]
    candidates = [(i, elements) for i, elements in candidates if elements.any()]
    candidates.sort(key=lambda pair: value.parents[pair[0]].given == _CONSTANT)
    if value.pull:
        pulled = ((value.parents[i], elements & value.pull(bad, i)) for i, elements in candidates)
        return next((pair for pair in pulled if pair[1].any()), None)
    if not candidates:
        return None
    redo = value.redo
    if redo is None:
        i, elements = candidates[0]
        return (value.parents[i], elements) if cause == kind else None
    arrays = [parent.array for parent in value.parents]
    mended = list(arrays)
    for i, elements in candidates:
        mended[i] = _mended(arrays[i], elements)
    count = lambda arrays: int((_bad(redo(arrays), kind) & bad).sum())
    fewest = count(mended)
    if fewest == int(bad.sum()):
        return None

    def makes_bad(i, elements, left):
        array = _mended(arrays[i], elements & ~left)
        return count([*mended[:i], array, *mended[i + 1 :]]) > fewest

    alone = ((i, elements) for i, elements in candidates if makes_bad(i, elements, elements))
    i, elements = next(alone, candidates[0])  # the first, where they are bad only together
    if elements.shape == bad.shape and makes_bad(i, elements, elements & bad):
        elements = elements & bad
    places = np.flatnonzero(elements)
    while len(places) > 1:
        halves = (_at(part, elements.shape) for part in np.array_split(places, 2))
        half = next((half for half in halves if makes_bad(i, elements, half)), None)
        if half is None:
            break
        places = np.flatnonzero(half)
    return value.parents[i], _at(places, elements.shape)


def _mended(array: Any, elements: Any) -> Any:
    return jnp.where(elements, jnp.asarray(_FINITE, array.dtype), array)


def _at(places: Any, shape: tuple[int, ...]) -> Any:
    """True at places of the flattened array."""
    mask = np.zeros(math.prod(shape), bool)
    mask[places] = True
    return mask.reshape(shape)


def _bad(array: Any, kind: str) -> Any:
    """Where an array is NaN, or infinite."""
    if not jnp.issubdtype(array.dtype, jnp.inexact):
        return np.zeros(array.shape, bool)
    return np.asarray(jnp.isnan(array) if kind == _NAN else jnp.isinf(array))


def _source(equation: Any) -> str:
    """The innermost line outside of JAX's own files and of this one; empty where there is none."""
    internal = (str(Path(jax.__file__).parent), __file__, "<")
    traceback = equation.source_info.traceback
    for frame in traceback.frames if traceback else ():
        if not frame.file_name.startswith(internal):
            return f"{Path(frame.file_name).name}:{frame.line_num}"
    return ""


class _Place(NamedTuple):
    """Where a jaxpr is evaluated."""

    scope: str
    calls: tuple[Any, ...]

    def within(self, equation: Any) -> _Place:
        """The place of the jaxprs that an equation has."""
        return _Place(_path(self.scope, equation), (*self.calls, equation))


def _path(scope: str, equation: Any) -> str:
    return "/".join(filter(None, [scope, scope_of(equation)]))


def _evaluate(jaxpr, consts, inputs: Sequence[_Value], place: _Place) -> list[_Value]:
    """The outputs of a jaxpr."""
    constants = [_Value(const, None, place.scope, (), _CONSTANT) for const in consts]
    environment = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*constants, *inputs], strict=True))

    def read(atom):
        if isinstance(atom, core.Literal):
            return _Value(jnp.asarray(atom.val), None, place.scope, (), _CONSTANT)
        return environment[atom]

    for equation in jaxpr.eqns:
        outputs = _evaluate_equation(equation, [read(atom) for atom in equation.invars], place)
        environment.update(zip(equation.outvars, outputs, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def _evaluate_equation(equation, inputs: list[_Value], place: _Place) -> list[_Value]:
    kind, parameters = equation.primitive.name, equation.params
    if kind in (*CALLS, *CUSTOM, *REMATS):
        inner, consts = callee(equation)
        return _evaluate(inner, consts, inputs, place.within(equation))
    if kind == "cond":
        branches = parameters["branches"]
        chosen = branches[min(max(int(inputs[0].array), 0), len(branches) - 1)]
        return _evaluate(chosen.jaxpr, chosen.consts, inputs[1:], place.within(equation))
    if kind == "while":
        return _evaluate_while(equation, inputs, place)
    if kind == "scan":
        return _evaluate_scan(equation, inputs, place)
    path, outputs = _path(place.scope, equation), []
    for j, array in enumerate(bind(equation, [value.array for value in inputs])):
        redo = None if equation.effects else lambda arrays, j=j: bind(equation, arrays)[j]
        outputs.append(_Value(array, equation, path, inputs, "", place.calls, redo))
    return outputs


def _evaluate_while(equation, inputs, place: _Place) -> list[_Value]:
    """Under ``jax.vmap`` each element has its condition: the loop ends with the last of them."""
    parameters, place = equation.params, place.within(equation)
    condition, body = parameters["cond_jaxpr"], parameters["body_jaxpr"]
    first, second = parameters["cond_nconsts"], parameters["body_nconsts"]
    of_condition, of_body = inputs[:first], inputs[first : first + second]
    carry = inputs[first + second :]

    def kept(goes_on, new, old):
        here = goes_on.reshape(goes_on.shape + (1,) * (new.array.ndim - goes_on.ndim))
        redo = lambda arrays: jnp.where(here, *arrays)
        array = redo([new.array, old.array])
        return _Value(array, equation, place.scope, (new, old), "", place.calls, redo)

    while True:
        outputs = _evaluate(condition.jaxpr, condition.consts, [*of_condition, *carry], place)
        goes_on = outputs[0].array
        if not goes_on.any():
            return carry
        new = _evaluate(body.jaxpr, body.consts, [*of_body, *carry], place)
        if goes_on.ndim:
            new = [kept(goes_on, *pair) for pair in zip(new, carry, strict=True)]
        carry = new


def _evaluate_scan(equation, inputs, place: _Place) -> list[_Value]:
    parameters, place = equation.params, place.within(equation)
    body, length = parameters["jaxpr"], parameters["length"]
    constants, carries = scan_counts(parameters)
    consts, rest = inputs[:constants], inputs[constants:]
    carry, xs = rest[:carries], rest[carries:]
    node = lambda array, parents, pull: _Value(
        array, equation, place.scope, parents, "", place.calls, None, pull
    )

    def row(value, i):
        numbers = np.arange(length).reshape(-1, *(1,) * (value.array.ndim - 1))
        return node(value.array[i], (value,), lambda bad, _: (numbers == i) & bad)

    elements: list[list[_Value]] = []
    order = range(length)[::-1] if parameters["reverse"] else range(length)
    for i in order:
        x = [row(value, i) for value in xs]
        outputs = _evaluate(body.jaxpr, body.consts, [*consts, *carry, *x], place)
        carry = outputs[:carries]
        elements.append(outputs[carries:])
    ys = []
    for j, variable in enumerate(equation.outvars[carries:]):
        if not elements:
            shape = variable.aval
            ys.append(node(jnp.zeros(shape.shape, shape.dtype), (), None))
            continue
        column = [element[j] for element in elements]  # in the order in which they were computed
        array = jnp.stack([column[k].array for k in order])
        ys.append(node(array, column, lambda bad, k: bad[order[k]]))
    return [*carry, *ys]
