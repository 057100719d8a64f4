"""Evaluating a traced function equation by equation, with public JAX alone.

Shared by `jnn.tags`, `jnn.not_finite`, `jnn.decoding.loop_invariants` and `jnn.train.sweep`.
"""

from collections.abc import Iterator
from typing import Any

from jax.extend import core

CALLS = ("jit", "pjit", "closed_call", "core_call")
"""Primitives that call a function and do nothing else."""
CUSTOM = ("custom_jvp_call", "custom_vjp_call")
"""Those that call a function with a derivative of its own."""
REMATS = ("remat2", "remat", "checkpoint")
"""Those that call a function whose values are computed again for its gradient."""

CONVOLUTIONS = ("convolution", "conv_general_dilated")
"""Those of convolutions: that of jnn, and that of ``jax.lax``."""


def equations(jaxpr: Any) -> Iterator[Any]:
    """All equations of a jaxpr, and of those that it calls."""
    for equation in jaxpr.eqns:
        yield equation
        for called in core.jaxprs_in_params(equation.params):
            yield from equations(called)


def bind(equation: Any, inputs: list) -> list:
    """The outputs of an equation."""
    with equation.ctx.manager:
        outputs = equation.primitive.bind(
            *inputs, **equation.primitive.get_bind_params(equation.params)
        )
    return outputs if equation.primitive.multiple_results else [outputs]


def callee(equation: Any) -> tuple[Any, list]:
    """The jaxpr that an equation calls, and its constants."""
    consts = next(
        (value.consts for value in equation.params.values() if hasattr(value, "consts")), []
    )
    return next(iter(core.jaxprs_in_params(equation.params))), consts


def scope_of(equation: Any) -> str:
    """The named scopes of an equation, without the transformations around them:
    ``jvp(block)/vmap(attention)`` is ``block/attention``.

    Scopes are told from transformations by their type, since names may have parentheses.
    """
    stack = equation.source_info.name_stack.stack
    names = [part.name for part in stack if type(part).__name__ == "Scope"]
    return "/".join(name for name in names if name not in ("", "rematted_computation"))


def scan_counts(parameters: Any) -> tuple[int, int]:
    """How many of a scan's inputs are constants, and how many are its carry."""
    if "num_consts" in parameters:
        return parameters["num_consts"], parameters["num_carry"]
    # Newer versions of JAX keep them grouped.
    constants, carry, _ = parameters["ft_in"].unpack()
    return len(constants), len(carry)
