"""Writing JavaScript: buffers, loops, and the equations of a jaxpr by their rules."""

import contextlib
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np
from jax.extend import core

from jnn._jaxprs import scope_of
from jnn.errors import mistake
from jnn.web.memory import Buffer
from jnn.web.values import (
    ARRAYS,
    HALVES,
    Expression,
    Value,
    View,
    dtype_of,
    is_half,
    is_key,
    literal,
    shape_of,
    view,
)

Rule = Callable[["Emitter", Any, list[Value]], Sequence[Value]]
"""``(emitter, equation, inputs) -> outputs``"""

_NAME = re.compile(r"\b(?:b|c|x|t|o|branch|order)\d+\b")
"""Names of buffers, constants, arguments, and of what is declared outside of loop nests."""

_NUMBERED = re.compile(r"\b(b|c|x|t|o|i|branch|order)\d+\b")
"""These, and those of indices."""

RULES: dict[str, Rule] = {}
"""The rule of each primitive, by its name."""


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Register the rule of a primitive, or of several."""

    def register(function: Rule) -> Rule:
        for name in names:
            RULES[name] = function
        return function

    return register


class Emitter:
    """The source of one function, as it grows."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.functions: dict[str, str] = {}
        """The name of each function by its text."""
        self.arguments: dict[str, str] = {}
        """The dtype of each argument by its name."""
        self.buffers: dict[str, Buffer] = {}
        self.constants: dict[str, np.ndarray] = {}
        self.path = ""
        """The named scopes of the equation that is being written."""
        self._depth, self._names, self._is_nested = 1, Counter(), False

    def line(self, text: str) -> None:
        """Write a line."""
        self.lines.append("  " * self._depth + text)

    def name(self, start: str) -> str:
        """A name that is not used yet."""
        self._names[start] += 1
        return f"{start}{self._names[start]}"

    @contextlib.contextmanager
    def block(self, head: str = "") -> Iterator[None]:
        """Lines in braces, after ``head``."""
        self.line(f"{head} {{" if head else "{")
        self._depth += 1
        yield
        self._depth -= 1
        self.line("}")

    @contextlib.contextmanager
    def loops(self, shape: Sequence[int]) -> Iterator[list[str]]:
        """A loop for each axis that is longer than one; gives the index.

        The outermost loops, and all within, are a function of their own: engines compile small
        functions well, and interpret very large ones. Those that are alike are one function.
        """
        if self._is_nested:
            with self._nest(shape) as index:
                yield index
            return
        outside, self.lines, self._is_nested, depth = self.lines, [], True, self._depth
        self._depth = 1
        with self._nest(shape) as index:
            yield index
        body, self.lines, self._is_nested, self._depth = self.lines, outside, False, depth
        text = "\n".join(body)
        if "for (" not in text:
            for line in body:
                self.line(line.strip())
            return
        declared = set(re.findall(r"(?:const|let) (\w+)", text))
        free = dict.fromkeys(name for name in _NAME.findall(text) if name not in declared)
        self.line(f"{self._function(text, list(free))}({', '.join(free)});")

    def _function(self, text: str, parameters: list[str]) -> str:
        """The name of a function with this text, where names do not matter but dtypes do."""
        renamed = {name: f"p{i}" for i, name in enumerate(parameters)}
        matches = (match for match in _NUMBERED.finditer(text) if match[0] not in renamed)
        for match in matches:
            renamed.setdefault(match[0], f"{match[1]}{len(renamed)}")
        body = _NUMBERED.sub(lambda match: renamed[match[0]], text)
        dtypes = " ".join(map(self._dtype, parameters))
        head = ", ".join(renamed[name] for name in parameters)
        function = f"({head}) {{ // {dtypes}\n{body}\n}}"
        return self.functions.setdefault(function, f"nest{len(self.functions) + 1}")

    def _dtype(self, name: str) -> str:
        """What a name stands for: engines compile a function best for one kind of arrays."""
        if name in self.buffers:
            return self.buffers[name].dtype
        if name in self.constants:
            return str(self.constants[name].dtype)
        return self.arguments.get(name, "number")

    @contextlib.contextmanager
    def _nest(self, shape: Sequence[int]) -> Iterator[list[str]]:
        with contextlib.ExitStack() as stack:
            index = []
            for n in shape:
                if n == 1:
                    index.append("0")
                    continue
                i = self.name("i")
                stack.enter_context(self.block(f"for (let {i} = 0; {i} < {n}; {i}++)"))
                index.append(i)
            yield index

    def buffer(self, dtype: str, shape: Sequence[int]) -> View:
        """A new buffer. Its contents are not zero: it may have been that of an earlier value."""
        name = self.name("b")
        self.buffers[name] = Buffer(dtype, max(1, math.prod(shape)))
        return view(name, dtype, shape)

    def output(self, equation: Any, i: int = 0) -> View:
        """A new buffer for an output of an equation."""
        aval = equation.outvars[i].aval
        return self.buffer(dtype_of(aval), shape_of(aval))

    def constant(self, array: Any) -> View:
        """An array that the source contains."""
        if is_key(array):
            array = jax.random.key_data(array)
        array = np.asarray(array)
        if array.dtype == jax.dtypes.float0:
            array = array.astype(bool)
        if is_half(array):
            array = array.astype(np.float32)
        name = self.name("c")
        self.constants[name] = array
        return view(name, checked(str(array.dtype), "a constant"), array.shape)

    def store(self, value: Value, target: View) -> None:
        """Copy a value."""
        if 0 in value.shape:
            return
        shape, (value, target) = flattened(value.shape, [value, target])
        with self.loops(shape) as index:
            self.line(f"{target.at(index)} = {value.at(index)};")

    def fill(self, target: View, text: str) -> None:
        """Set all elements of a new buffer, which may be larger than the value in it."""
        n = math.prod(target.shape)
        self.line(f"{target.buffer}.fill({text}, 0, {n});")

    def stored(self, value: Value) -> View:
        """The value as a view: itself, or in a new buffer."""
        if isinstance(value, View):
            return value
        target = self.buffer(value.dtype, value.shape)
        self.store(value, target)
        return target

    def dense(self, value: Value) -> View:
        """The value as a contiguous view."""
        if isinstance(value, View) and value.is_contiguous:
            return value
        target = self.buffer(value.dtype, value.shape)
        self.store(value, target)
        return target

    def run(
        self, jaxpr: Any, consts: Sequence[Any], inputs: Sequence[Value], scope: str = ""
    ) -> list[Value]:
        """Write the equations of a jaxpr; returns its outputs.

        A result that is read more than once is stored.
        """
        atoms = [atom for equation in jaxpr.eqns for atom in equation.invars]
        uses = Counter(atom for atom in [*atoms, *jaxpr.outvars] if isinstance(atom, core.Var))
        values: dict[Any, Value] = dict(
            zip(jaxpr.constvars, map(self.constant, consts), strict=True)
        )
        for variable, value in zip(jaxpr.invars, inputs, strict=True):
            values[variable] = self._kept(value, uses[variable])
        read = lambda atom: self.literal(atom) if isinstance(atom, core.Literal) else values[atom]
        for equation in jaxpr.eqns:
            path = "/".join(filter(None, [scope, scope_of(equation)]))
            outputs = self.equation(equation, [read(atom) for atom in equation.invars], path)
            for variable, value in zip(equation.outvars, outputs, strict=True):
                values[variable] = self._kept(value, uses[variable])
        return [read(atom) for atom in jaxpr.outvars]

    def _kept(self, value: Value, uses: int) -> Value:
        """The value, stored if it is computed and read more than once."""
        if uses <= 1 or (isinstance(value, Expression) and not value.size):
            return value
        return self.stored(value)

    def equation(self, equation: Any, inputs: list[Value], path: str) -> Sequence[Value]:
        """Write an equation by its rule."""
        name = equation.primitive.name
        for variable in equation.outvars:
            checked(dtype_of(variable.aval), f"{name}{f' in {path}' if path else ''}")
        if name not in RULES:
            raise mistake(
                "javascript",
                got=f"the primitive {name}{f' in {path}' if path else ''}",
                expected="one that there is a rule for",
                remedy=f'Add it: @jnn.web.rule("{name}"), of (emitter, equation, inputs).',
            )
        around, self.path = self.path, path
        outputs = RULES[name](self, equation, inputs)
        self.path = around
        return [
            rounded(value, variable.aval) if _is_new(value, variable, equation, inputs) else value
            for value, variable in zip(outputs, equation.outvars, strict=True)
        ]

    def literal(self, atom: Any) -> Value:
        """A literal of a jaxpr."""
        if np.ndim(atom.val):
            return self.constant(atom.val)
        # a number of Python that goes into a call keeps its 64 bits until it is computed with
        text = literal(atom.val if is_key(atom.aval) else np.asarray(atom.val, atom.aval.dtype))
        return Expression(dtype_of(atom.aval), (), lambda index: text, 0)


def flattened(shape: tuple[int, ...], values: Sequence[Any]) -> tuple[tuple[int, ...], list[Any]]:
    """One axis in place of all, where every value is a contiguous view of this shape."""
    if len(shape) > 1 and all(isinstance(v, View) and v.is_contiguous for v in values):
        n = (math.prod(shape),)
        return n, [v._replace(shape=n, strides=(1,)) for v in values]
    return shape, list(values)


def rounded(value: Value, aval: Any) -> Value:
    """The value, rounded to the dtype that it has in JAX, if that is half as wide as float32."""
    if not is_half(aval):
        return value
    round_to, size = HALVES[str(aval.dtype)], getattr(value, "size", 0) + 1
    return Expression("float32", value.shape, lambda index: round_to.format(value.at(index)), size)


def _is_new(value: Value, variable: Any, equation: Any, inputs: Sequence[Value]) -> bool:
    """Whether an equation computes an output, rather than to show an input of its dtype anew."""
    place = lambda other: other.buffer if isinstance(other, View) else id(other)
    pairs = zip(inputs, equation.invars, strict=True)
    alike = [other for other, atom in pairs if atom.aval.dtype == variable.aval.dtype]
    return all(place(other) != place(value) for other in alike)


def checked(dtype: str, place: str) -> str:
    """The dtype, refused where JavaScript has none of its kind."""
    if dtype not in ARRAYS:
        raise mistake(
            "javascript",
            got=f"{dtype} in {place}",
            expected=f"one of {', '.join(ARRAYS)}",
            remedy="Trace the function in float32 and int32, with jax_enable_x64 off.",
        )
    return dtype
