"""Taking out of a loop what does not change in it: `hoisted` computes what a function makes of its
fixed arguments once.

XLA leaves a slice of stacked params, their cast to another dtype or their normalization inside a
loop's body: to write a text, a model would copy all its weights again for every token.
"""

import contextlib
import math
from collections.abc import Callable
from typing import Any

import jax
from jax.extend import core

from jnn._jaxprs import CALLS, bind, callee, scope_of


class _Unknown:
    """What depends on the varying arguments."""


UNKNOWN = _Unknown()


def hoisted(f: Callable, fixed: Any, *varying: Any) -> Callable:
    """``g`` with ``g(*varying) = f(fixed, *varying)`` for arguments of the same shapes and dtypes,
    in which all that depends on ``fixed`` alone is computed already.

    Only what needs no more room than what it is made of is taken out: a broadcast stays where it
    is. Nothing is looked for inside loops, branches and custom derivatives.

    >>> import jax, jax.numpy as jnp
    >>> g = hoisted(lambda w, x: x * jnp.sum(jnp.sin(w)), jnp.arange(3.0), jnp.float32(1))
    >>> len(jax.make_jaxpr(g)(jnp.float32(1)).eqns)
    1
    """
    closed, shape = jax.make_jaxpr(f, return_shape=True)(fixed, *varying)
    known = jax.tree.leaves(fixed)
    unknown = [UNKNOWN] * (len(closed.jaxpr.invars) - len(known))
    _, run = _split(closed.jaxpr, closed.consts, [*known, *unknown], "")
    return lambda *varying: jax.tree.unflatten(
        jax.tree.structure(shape), run([*known, *jax.tree.leaves(varying)])
    )


def _split(jaxpr, consts, inputs, scope) -> tuple[list, Callable[[list], list]]:
    """The outputs that are known, `UNKNOWN` for the others, and a function from all inputs to all
    outputs that does the rest.
    """
    known = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *inputs], strict=True))
    rest = []
    look = lambda environment, atom: (
        atom.val if isinstance(atom, core.Literal) else environment[atom]
    )
    for equation in jaxpr.eqns:
        arguments = [look(known, atom) for atom in equation.invars]
        path = "/".join(filter(None, [scope, scope_of(equation)]))
        outputs, evaluate = _known_part(equation, arguments, path)
        known.update(zip(equation.outvars, outputs, strict=True))
        if any(output is UNKNOWN for output in outputs):
            rest.append((equation, path, evaluate))

    def run(inputs):
        environment = known | dict(zip(jaxpr.invars, inputs, strict=True))
        for equation, path, evaluate in rest:
            with jax.named_scope(path) if path else contextlib.nullcontext():
                outputs = evaluate([look(environment, atom) for atom in equation.invars])
            environment.update(zip(equation.outvars, outputs, strict=True))
        return [look(environment, atom) for atom in jaxpr.outvars]

    return [look(known, atom) for atom in jaxpr.outvars], run


def _known_part(equation, arguments, path):
    """What `_split` gives, for one equation."""
    varies = any(argument is UNKNOWN for argument in arguments)
    if varies and equation.primitive.name in CALLS:
        return _split(*callee(equation), arguments, path)
    evaluate = lambda arguments: bind(equation, arguments)
    fixed = any(not isinstance(atom, core.Literal) for atom in equation.invars) and not varies
    if fixed and not equation.effects and _room(equation.outvars) <= _room(equation.invars):
        return evaluate(arguments), evaluate
    return [UNKNOWN] * len(equation.outvars), evaluate


def _room(atoms) -> int:
    return sum(math.prod(atom.aval.shape) for atom in atoms)
