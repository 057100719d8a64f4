"""Where a NaN or an infinity comes from.

A function is evaluated equation by equation, inside of calls, loops and branches too, and what each
value was made from is kept. From a result that is not finite the search then goes back to the value
that it is owed to: as long as an argument of an equation is NaN as well, or infinite as well, to
that one. Values that are infinite on purpose, as the logits of masked elements are, are passed only
where the result is owed to them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.extend import core

from jnn._jaxprs import CALLS, CUSTOM, REMATS, bind, callee, scan_counts, scope_of

_ARGUMENT, _CONSTANT = "an argument", "a constant"


class Origin(NamedTuple):
    """The first value that is not finite, of those that a result is owed to."""

    path: str
    """The named scopes of the equation that made it."""
    operation: str
    """The primitive, or "an argument" or "a constant", where the value was given."""
    source: str
    """File and line, outside of JAX."""
    kind: str
    """"NaN" or "infinity"."""

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


def origin(f: Callable, *args: Any) -> Origin | None:
    """Where the first result of ``f(*args)`` that is not finite comes from; None if all are.

    All intermediate values are kept in memory, and each operation is dispatched by itself.

    >>> def f(x):
    ...     with jax.named_scope("head"):
    ...         return jnp.where(x > 0, jnp.log(x - x), 0.0) * 0
    >>> found = origin(f, jnp.ones(2))
    >>> found.kind, found.operation, found.path  # infinity times zero is NaN; its cause is log 0
    ('infinity', 'log', 'head')
    >>> origin(jnp.exp, jnp.ones(2)) is None
    True
    """
    leaves, structure = jax.tree.flatten(args)
    closed = jax.make_jaxpr(lambda *leaves: f(*structure.unflatten(leaves)))(*leaves)
    inputs = [_Value(leaf, None, "", (), _ARGUMENT) for leaf in leaves]
    outputs = _evaluate(closed.jaxpr, closed.consts, inputs, "")
    bad = [value for value in outputs if _kind(value.array)]
    return _back(bad[0]) if bad else None


def _back(value: _Value) -> Origin:
    kind = _kind(value.array)
    while owed := [parent for parent in value.parents if _kind(parent.array) == kind]:
        value = owed[0]
    if kind == "NaN":
        for parent in value.parents:
            if _kind(parent.array) and (found := _back(parent)).operation != _CONSTANT:
                return found
    if value.equation is None:
        return Origin(value.path, value.given, "", kind)
    return Origin(value.path, value.equation.primitive.name, _source(value.equation), kind)


def _kind(array: Any) -> str:
    """Whether there is a NaN, else whether there is an infinity."""
    if not jnp.issubdtype(array.dtype, jnp.inexact):
        return ""
    if bool(jnp.isnan(array).any()):
        return "NaN"
    return "infinity" if bool(jnp.isinf(array).any()) else ""


def _source(equation: Any) -> str:
    """The innermost line outside of JAX's own files."""
    own = str(Path(jax.__file__).parent)
    traceback = equation.source_info.traceback
    for frame in traceback.frames if traceback else ():
        if not frame.file_name.startswith((own, "<")):
            return f"{Path(frame.file_name).name}:{frame.line_num}"
    return ""


def _evaluate(jaxpr, consts, inputs: Sequence[_Value], scope: str) -> list[_Value]:
    """The outputs of a jaxpr."""
    constants = [_Value(const, None, scope, (), _CONSTANT) for const in consts]
    known = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*constants, *inputs], strict=True))

    def read(atom):
        if isinstance(atom, core.Literal):
            return _Value(jnp.asarray(atom.val), None, scope, (), _CONSTANT)
        return known[atom]

    for equation in jaxpr.eqns:
        path = "/".join(filter(None, [scope, scope_of(equation)]))
        outputs = _evaluate_equation(equation, [read(atom) for atom in equation.invars], path)
        known.update(zip(equation.outvars, outputs, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def _evaluate_equation(equation, inputs: list[_Value], path: str) -> list[_Value]:
    kind, parameters = equation.primitive.name, equation.params
    if kind in (*CALLS, *CUSTOM, *REMATS):
        inner, consts = callee(equation)
        return _evaluate(inner, consts, inputs, path)
    if kind == "cond":
        branches = parameters["branches"]
        chosen = branches[min(max(int(inputs[0].array), 0), len(branches) - 1)]
        return _evaluate(chosen.jaxpr, chosen.consts, inputs[1:], path)
    if kind == "while":
        return _evaluate_while(parameters, inputs, path)
    if kind == "scan":
        return _evaluate_scan(equation, inputs, path)
    arrays = bind(equation, [value.array for value in inputs])
    return [_Value(array, equation, path, inputs) for array in arrays]


def _evaluate_while(parameters, inputs, path: str) -> list[_Value]:
    condition, body = parameters["cond_jaxpr"], parameters["body_jaxpr"]
    first, second = parameters["cond_nconsts"], parameters["body_nconsts"]
    of_condition, of_body = inputs[:first], inputs[first : first + second]
    carry = inputs[first + second :]
    while _evaluate(condition.jaxpr, condition.consts, [*of_condition, *carry], path)[0].array:
        carry = _evaluate(body.jaxpr, body.consts, [*of_body, *carry], path)
    return carry


def _evaluate_scan(equation, inputs, path: str) -> list[_Value]:
    parameters = equation.params
    body, length = parameters["jaxpr"], parameters["length"]
    constants, carries = scan_counts(parameters)
    consts, rest = inputs[:constants], inputs[constants:]
    carry, xs = rest[:carries], rest[carries:]
    elements: list[list[_Value]] = []
    order = range(length)[::-1] if parameters["reverse"] else range(length)
    for i in order:
        x = [_Value(value.array[i], equation, path, (value,)) for value in xs]
        outputs = _evaluate(body.jaxpr, body.consts, [*consts, *carry, *x], path)
        carry = outputs[:carries]
        elements.append(outputs[carries:])
    if parameters["reverse"]:
        elements.reverse()
    shapes = [variable.aval for variable in equation.outvars[carries:]]
    ys = []
    for j, shape in enumerate(shapes):
        column = [element[j] for element in elements]
        arrays = [value.array for value in column]
        array = jnp.stack(arrays) if arrays else jnp.zeros(shape.shape, shape.dtype)
        ys.append(_Value(array, equation, path, column))
    return [*carry, *ys]
