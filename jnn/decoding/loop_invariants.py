"""Loop-invariant code motion: what a step computes from its fixed arguments alone is computed once,
before the loop.

XLA leaves a slice of stacked params, their cast to another dtype or their normalization inside a
loop's body: to generate text, a model would copy all its weights again for every token.
"""

import contextlib
import math
from collections.abc import Callable
from typing import Any

import jax
from jax.extend import core

from jnn._jaxprs import CALLS, bind, callee, scope_of


class _Varying:
    """Stands for a value that depends on the varying arguments."""


VARYING = _Varying()


def hoist_invariants(step: Callable, fixed: Any, *varying: Any) -> Callable:
    """A function ``g(*varying) = step(fixed, *varying)`` with the loop-invariant part computed.

    ``g`` takes arguments of the shapes and dtypes of ``varying``, whose values are not used here.
    Only results no larger than their operands are computed ahead: a broadcast stays in the loop.
    Loops, branches and custom derivatives are not searched.

    >>> import jax, jax.numpy as jnp
    >>> step = lambda w, x: x * jnp.sum(jnp.sin(w))
    >>> g = hoist_invariants(step, jnp.arange(3.0), jnp.float32(1))
    >>> len(jax.make_jaxpr(g)(jnp.float32(1)).eqns)
    1
    """
    closed, shape = jax.make_jaxpr(step, return_shape=True)(fixed, *varying)
    constants = jax.tree.leaves(fixed)
    inputs = [*constants, *[VARYING] * (len(closed.jaxpr.invars) - len(constants))]
    _, run = _split(closed.jaxpr, closed.consts, inputs, "")

    def remaining(*varying):
        outputs = run([*constants, *jax.tree.leaves(varying)])
        return jax.tree.unflatten(jax.tree.structure(shape), outputs)

    return remaining


def _split(jaxpr, consts, inputs, scope) -> tuple[list, Callable[[list], list]]:
    """The outputs, `VARYING` where they vary, and a function from all inputs to all outputs.

    That function evaluates the remaining equations only.
    """
    values = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *inputs], strict=True))
    remaining = []
    for equation in jaxpr.eqns:
        operands = _values_of(equation.invars, values)
        path = "/".join(filter(None, [scope, scope_of(equation)]))
        outputs, evaluate = _split_equation(equation, operands, path)
        values.update(zip(equation.outvars, outputs, strict=True))
        if equation.effects or any(output is VARYING for output in outputs):
            remaining.append((equation, path, evaluate))

    def run(inputs):
        environment = values | dict(zip(jaxpr.invars, inputs, strict=True))
        for equation, path, evaluate in remaining:
            with jax.named_scope(path) if path else contextlib.nullcontext():
                outputs = evaluate(_values_of(equation.invars, environment))
            environment.update(zip(equation.outvars, outputs, strict=True))
        return _values_of(jaxpr.outvars, environment)

    return _values_of(jaxpr.outvars, values), run


def _split_equation(equation, operands, path):
    """What `_split` returns, for one equation."""
    varies = any(operand is VARYING for operand in operands)
    if varies and equation.primitive.name in CALLS:
        return _split(*callee(equation), operands, path)
    evaluate = lambda operands: bind(equation, operands)
    constant = all(isinstance(atom, core.Literal) for atom in equation.invars)
    grows = _size(equation.outvars) > _size(equation.invars)
    if varies or constant or grows or equation.effects:
        return [VARYING] * len(equation.outvars), evaluate
    return evaluate(operands), evaluate


def _values_of(atoms, environment) -> list:
    return [atom.val if isinstance(atom, core.Literal) else environment[atom] for atom in atoms]


def _size(atoms) -> int:
    return sum(math.prod(atom.aval.shape) for atom in atoms)
