"""How each value is computed from captured ones, as formulas, by the equations of the model.

The page tries what it knows of layers on the numbers themselves. What is left, such as a product of
experts or an answer in another unit, is told by the traced model: no guess, but without the numbers
in between.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.extend import core

from jnn._jaxprs import CALLS, CUSTOM, REMATS, callee, scan_counts
from jnn.explain.lab.formula_text import Formula, Node, written


def formulas(
    closed: Any, paths: Mapping[int, str], inputs: Sequence[tuple[str, str]]
) -> tuple[list[Formula], dict[str, Formula]]:
    """Formulas of the outputs of a closed jaxpr, and of the captured values by their paths.

    ``paths`` has the path of each captured variable by its id, ``inputs`` the kind and the path of
    each input.
    """
    tracer = _Tracer(paths)
    leaves = [tracer.node(kind, detail=path) for kind, path in inputs]
    outputs = tracer.run(closed.jaxpr, leaves, closed.consts)
    of_values = {path: written(node) for path, node in tracer.captured.items()}
    return [written(node) for node in outputs], of_values


class _Tracer:
    """The nodes of a jaxpr; captured variables are leaves for all that follows."""

    def __init__(self, paths: Mapping[int, str]) -> None:
        self.paths = paths
        self.captured: dict[str, Node] = {}
        self._nodes: dict[Any, Node] = {}

    def node(
        self, operation: str, inputs: Sequence[Node] = (), detail: Any = "", settings: str = ""
    ) -> Node:
        """The node of an operation: there is one for equal inputs and settings."""
        key = (operation, tuple(map(id, inputs)), type(detail), detail, settings)
        return self._nodes.setdefault(key, Node(operation, tuple(inputs), detail, settings))

    def run(self, jaxpr: Any, inputs: Sequence[Node], constants: Sequence[Any]) -> list[Node]:
        nodes = dict(zip(jaxpr.invars, inputs, strict=True))
        nodes |= dict.fromkeys(jaxpr.constvars, self.node("constants"))
        for variable, constant in zip(jaxpr.constvars, constants, strict=False):
            nodes[variable] = self._constant(constant)
        for equation in jaxpr.eqns:
            read = [self._read(nodes, atom) for atom in equation.invars]
            outputs = self._equation(equation, read)
            for variable, node in zip(equation.outvars, outputs, strict=True):
                nodes[variable] = self._captured(variable, node)
        return [self._read(nodes, atom) for atom in jaxpr.outvars]

    def _read(self, nodes: Mapping[Any, Node], atom: Any) -> Node:
        return self._constant(atom.val) if isinstance(atom, core.Literal) else nodes[atom]

    def _constant(self, constant: Any) -> Node:
        """A number, or constants that are not written out."""
        kind = jnp.result_type(constant)
        is_real = any(jnp.issubdtype(kind, of) for of in (jnp.bool_, jnp.integer, jnp.floating))
        if not is_real or np.size(constant) != 1:
            return self.node("constants", settings=str(id(constant)))
        return self.node("number", detail=np.asarray(constant).item())

    def _captured(self, variable: Any, node: Node) -> Node:
        path = self.paths.get(id(variable))
        if path is None:
            return node
        self.captured.setdefault(path, node)
        return self.node("value", detail=path)

    def _equation(self, equation: Any, inputs: list[Node]) -> list[Node]:
        kind, parameters = equation.primitive.name, equation.params
        if kind in (*CALLS, *CUSTOM, *REMATS):
            inner, constants = callee(equation)
            outputs = self.run(inner, inputs[len(inputs) - len(inner.invars) :], constants)
            name = _function(equation)
            if name not in FUNCTIONS or len(outputs) != 1 or outputs[0].operation == "value":
                return outputs
            return [self.node(name, inputs, settings=_settings(parameters))]
        if kind == "scan":
            return self._scan(parameters, inputs)
        if kind in SAME:
            return inputs[:1]
        if len(equation.outvars) > 1:
            settings, count = _settings(parameters), len(equation.outvars)
            return [self.node(kind, inputs, f"[{i}]", settings) for i in range(count)]
        return [self._simple(equation, inputs)]

    def _scan(self, parameters: Any, inputs: list[Node]) -> list[Node]:
        constants, carried = scan_counts(parameters)
        first = inputs[constants : constants + carried]
        before = [self.node("before", [node]) for node in first]
        after = inputs[constants + carried :]
        body = parameters["jaxpr"]
        read = [*inputs[:constants], *before, *after]
        outputs = self.run(body.jaxpr, read, body.consts)
        last = [self.node("last", [node]) for node in outputs[:carried]]
        return [*last, *outputs[carried:]]

    def _simple(self, equation: Any, inputs: list[Node]) -> Node:
        """A node of an operation, without what is known or changes nothing."""
        kind, parameters = equation.primitive.name, equation.params
        numbers = [node.detail for node in inputs if node.operation == "number"]
        if kind in FOLDED and len(numbers) == len(inputs):
            return self.node("number", detail=FOLDED[kind](*numbers))
        if kind == "lt" and _is_number(inputs[1], 0) and _is_unsigned(equation.invars[0]):
            return self.node("number", detail=False)
        if kind in NEUTRAL and len(inputs) == 2:
            sides = inputs if kind in COMMUTATIVE else inputs[1:]
            for node in sides:
                if _is_number(node, NEUTRAL[kind]):
                    return inputs[1] if node is inputs[0] else inputs[0]
        if kind == "and" and any(_is_number(node, False) for node in inputs):
            return self.node("number", detail=False)
        if kind == "select_n" and len(inputs) == 3:
            is_integer = jnp.issubdtype(equation.outvars[0].aval.dtype, jnp.integer)
            return self._chosen(*inputs, is_integer=is_integer)
        if kind == "reduce_sum":
            return self._sum(equation, inputs, numbers)
        if kind == "div" and inputs[0].operation == "reduce_sum" and numbers == [inputs[0].detail]:
            return self.node("mean", inputs[0].inputs)
        if kind in ("add", "div"):
            return self._of_exponentials(kind, *inputs)
        if kind == "mul" and inputs[1].operation == "rsqrt":
            return self.node("div", [inputs[0], self.node("sqrt", inputs[1].inputs)])
        settings = _settings(parameters)
        if kind == "slice":
            index = _index(parameters, equation.invars[0].aval.shape)
            return self.node(kind, inputs, index, settings)
        detail = parameters["y"] if kind == "integer_pow" else ""
        return self.node(kind, inputs, detail, settings)

    def _sum(self, equation: Any, inputs: list[Node], numbers: list[Any]) -> Node:
        """A sum, which knows of how many numbers it is."""
        shape = equation.invars[0].aval.shape
        count = math.prod(shape[axis] for axis in equation.params["axes"])
        if numbers:
            return self.node("number", detail=numbers[0] * count)
        settings = _settings(equation.params)
        return inputs[0] if count == 1 else self.node("reduce_sum", inputs, count, settings)

    def _chosen(self, condition: Node, no: Node, yes: Node, *, is_integer: bool) -> Node:
        """One of two, without conditions that only guard against 0 and ∞, or indices below zero."""
        if condition.operation == "number":
            return yes if condition.detail else no
        if is_integer and _wraps(condition, no, yes):
            return no
        x = _guarded(condition, no, yes)
        return x or self.node("where", [condition, yes, no])

    def _of_exponentials(self, kind: str, a: Node, b: Node) -> Node:
        """A sum or a quotient, or what it is of exponentials of numbers minus the largest one."""
        if kind == "div" and a.operation == "exp" and _is_sum(b, a):
            x = _without_largest(a)
            return self.node("softmax", [x]) if x else self.node(kind, [a, b])
        for one, most in ((a, b), (b, a)) if kind == "add" else ():
            of = one.inputs[0] if one.operation == "log" else one
            of = of.inputs[0] if of.operation == "abs" else of
            x = _without_largest(of.inputs[0]) if of.operation == "reduce_sum" else None
            is_most = most.operation == "reduce_max" and most.inputs == (x,)
            if x and one.operation == "log" and is_most:
                return self.node("logsumexp", [x])
        return self.node(kind, [a, b])


def _is_unsigned(atom: Any) -> bool:
    return jnp.issubdtype(atom.aval.dtype, jnp.unsignedinteger)


def _is_number(node: Node, *numbers: float) -> bool:
    """Whether a node is one of the numbers; ``False`` is no 0, and ``True`` no 1."""
    return node.operation == "number" and any(
        node.detail == number and isinstance(node.detail, bool) == isinstance(number, bool)
        for number in numbers
    )


def _wraps(condition: Node, i: Node, other: Node) -> bool:
    """Whether it is an index counted from the end where it is negative: ``i + n``, else i."""
    is_below = condition.operation == "lt" and condition.inputs[0] is i
    is_moved = other.operation == "add" and other.inputs[0] is i
    return (
        (is_below and is_moved)
        and _is_number(condition.inputs[1], 0)
        and other.inputs[1].operation == "number"
    )


def _guarded(condition: Node, no: Node, yes: Node) -> Node | None:
    """x of one of two that is x but where x is 0 or infinite, else None."""
    if condition.operation == "is_finite" and condition.inputs == (yes,):
        return yes if _is_number(no, *GUARDED) else None
    if condition.operation == "eq" and condition.inputs[0] is no and yes.operation == "number":
        return no if _is_number(condition.inputs[1], *GUARDED) else None
    return None


def _is_sum(node: Node, of: Node) -> bool:
    return node.operation == "reduce_sum" and node.inputs == (of,)


def _without_largest(node: Node) -> Node | None:
    """x of exp(x − max(x)), else None."""
    if node.operation != "exp" or node.inputs[0].operation != "sub":
        return None
    x, most = node.inputs[0].inputs
    return x if most.operation == "reduce_max" and most.inputs == (x,) else None


def _settings(parameters: Mapping[str, Any]) -> str:
    """The parameters of an equation, so that equal ones have equal texts."""
    if any(True for _ in core.jaxprs_in_params(parameters)):
        return str(id(parameters))
    return repr(sorted(parameters.items(), key=lambda item: item[0]))


def _index(parameters: Mapping[str, Any], shape: Sequence[int]) -> str:
    """The index of a slice, as ``[:, 1:]``."""
    starts, limits = parameters["start_indices"], parameters["limit_indices"]
    strides = parameters["strides"] or (1,) * len(shape)
    parts = [
        _range(start, limit, stride, n)
        for start, limit, stride, n in zip(starts, limits, strides, shape, strict=True)
    ]
    while parts and parts[-1] == ":":
        parts.pop()
    return f"[{', '.join(parts)}]" if parts else ""


def _range(start: int, limit: int, stride: int, n: int) -> str:
    if limit - start == 1 < n:
        return str(start)
    step = f":{stride}" if stride > 1 else ""
    return f"{start or ''}:{limit if limit < n else ''}{step}"


def _function(equation: Any) -> str:
    """The name of the function that a call is of, the innermost where it does nothing but call."""
    inner = callee(equation)[0].eqns
    name = equation.params.get("name", "")
    if name in FUNCTIONS or len(inner) != 1 or inner[0].primitive.name not in (*CALLS, *CUSTOM):
        return name
    return _function(inner[0])


SAME = {
    *("convert_element_type", "broadcast_in_dim", "reshape", "squeeze", "expand_dims", "copy"),
    *("copy_p", "stop_gradient", "name", "transpose", "reduce_precision", "optimization_barrier"),
}
"""Primitives that leave the numbers as they are."""

FUNCTIONS = {
    *("log_softmax", "softmax", "logsumexp", "relu", "gelu", "silu", "softplus", "sigmoid", "elu"),
    *("leaky_relu", "log_sigmoid", "sort", "argsort", "cumsum"),
}
"""Functions of JAX that are written by their names."""

FOLDED = {
    **{name: getattr(operator, name) for name in ("add", "sub", "mul", "eq", "ne", "lt")},
    **{"max": max, "min": min, "rsqrt": lambda x: 1 / math.sqrt(x) if x > 0 else math.nan},
}
"""Operations on numbers that are known."""

NEUTRAL = {"add": 0, "sub": 0, "mul": 1, "div": 1, "max": -math.inf, "ne": False, "and": True}
"""The number that changes nothing."""

GUARDED = (0, math.inf, -math.inf)
"""The numbers that a condition guards against."""

COMMUTATIVE = ("add", "mul", "max", "and")
