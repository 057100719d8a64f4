"""Formulas as people write them, of the operations that a value is computed by."""

from __future__ import annotations

import collections
import dataclasses
from typing import Any, NamedTuple

LONGEST_LINE, MOST_LINES, MOST_READ = 70, 8, 15
MOST_NODES, DEEPEST = 300, 100


class Formula(NamedTuple):
    """``lines`` such as ``p = max(a, 0)`` and last the value itself, ``log_softmax(p + 0.5 · b)``.

    ``reads`` has for each of the letters a, b, c, ... in the order of their first use what it
    stands for: ``value``, ``param`` or ``input``, and its path. There are no lines where they would
    be too many, or nothing but a letter; ``reads`` has values alone then.
    """

    lines: tuple[str, ...]
    reads: tuple[tuple[str, str], ...]


@dataclasses.dataclass(frozen=True, eq=False)
class Node:
    """An operation on other nodes; a leaf has its kind, its path or number, and no inputs.

    Equal ones are the same object, as `formulas` makes them.
    """

    operation: str
    inputs: tuple[Node, ...] = ()
    detail: Any = ""
    settings: str = ""
    """What tells it from others of its kind, such as the axes of a sum."""


INFIX = {
    "add": (" + ", 0, 0),
    "add_any": (" + ", 0, 0),
    "sub": (" − ", 0, 1),
    "dot_general": (" @ ", 1, 3),
    "mul": (" · ", 2, 2),
    "div": (" / ", 2, 3),
    "lt": (" < ", -1, -1),
    "le": (" ≤ ", -1, -1),
    "gt": (" > ", -1, -1),
    "ge": (" ≥ ", -1, -1),
    "eq": (" = ", -1, -1),
    "ne": (" ≠ ", -1, -1),
    "and": (" and ", -2, -2),
    "or": (" or ", -2, -2),
}
"""How operations of two inputs are written, how strongly they bind, and what is right of them.

A matrix product binds less than ``·``, so that it is in parentheses wherever it is a factor.
"""

LOOSEST, TIGHTEST = -3, 4

NAMES = {
    "reduce_sum": "sum",
    "reduce_max": "max",
    "reduce_min": "min",
    "reduce_prod": "product",
    "reduce_or": "any",
    "reduce_and": "all",
    "logistic": "sigmoid",
    "concatenate": "joined",
    "rev": "reversed",
    "iota": "index",
    "dynamic_slice": "part",
    "conv_general_dilated": "convolution",
    "reduce_window_max": "max of windows",
    "reduce_window_sum": "sum of windows",
    "shift_right_logical": "shifted",
    "rem": "remainder",
    "sqrt": "√",
}
"""What operations are called where it is not the name of the primitive."""


def written(node: Node) -> Formula:
    """The formula of a node."""
    writer = _Writer(node)
    try:
        last = writer.text(node, LOOSEST)
    except _TooLong:
        return Formula((), tuple(("value", path) for path in _values(node)[:MOST_READ]))
    is_same = node.operation == "value"
    return Formula(() if is_same else (*writer.lines, last), tuple(writer.letters))


class _TooLong(Exception):  # noqa: N818, as it is no error
    """A formula has more lines, letters or operations than one reads."""


def _uses(node: Node) -> dict[Node, int]:
    """How often each node is read on the way to one, the nearest ones first."""
    counts, waiting = {node: 1}, collections.deque([node])
    while waiting:
        for other in waiting.popleft().inputs:
            if other not in counts:
                waiting.append(other)
            counts[other] = counts.get(other, 0) + 1
    return counts


def _values(node: Node) -> list[str]:
    """The paths of the captured values that a node is computed of."""
    return [other.detail for other in _uses(node) if other.operation == "value"]


class _Writer:
    """Writes nodes; what is long, or is read twice, has a line of its own, and a letter."""

    def __init__(self, node: Node) -> None:
        self.lines: list[str] = []
        self.letters: dict[tuple[str, str], str] = {}
        self.texts: dict[Node, tuple[str, int]] = {}
        self.uses = _uses(node)
        self.depth = 0

    def text(self, node: Node, binding: int) -> str:
        """A node, in parentheses where it binds less than what is around it."""
        if node not in self.texts:
            self.depth += 1
            if self.depth > DEEPEST or len(self.texts) > MOST_NODES:
                raise _TooLong
            text, strength = self._new(node)
            self.depth -= 1
            is_often = self.uses[node] > 1 and len(text) > 12 and node.operation != "number"
            named = len(text) > LONGEST_LINE or is_often
            self.texts[node] = (
                (self._line(text), TIGHTEST) if named and self.depth else (text, strength)
            )
        text, strength = self.texts[node]
        return f"({text})" if strength < binding else text

    def _line(self, text: str) -> str:
        if len(self.lines) == MOST_LINES:
            raise _TooLong
        name = chr(ord("p") + len(self.lines))
        self.lines.append(f"{name} = {text}")
        return name

    def _letter(self, kind: str, path: str) -> str:
        if len(self.letters) == MOST_READ and (kind, path) not in self.letters:
            raise _TooLong
        return self.letters.setdefault((kind, path), chr(ord("a") + len(self.letters)))

    def _new(self, node: Node) -> tuple[str, int]:
        """The text of a node, and how strongly it binds."""
        kind, inputs, detail = node.operation, node.inputs, node.detail
        if kind in ("value", "param", "input"):
            return self._letter(kind, detail), TIGHTEST
        if kind == "number":
            return _short(detail), TIGHTEST if detail >= 0 else 0
        if kind in INFIX and len(inputs) == 2:
            sign, binding, right_binding = INFIX[kind]
            left, right = self.text(inputs[0], binding), self.text(inputs[1], right_binding)
            return f"{left}{sign}{right}", binding
        if kind == "neg":
            return f"−{self.text(inputs[0], 1)}", 0
        if kind == "rsqrt":
            return f"1 / √({self.text(inputs[0], LOOSEST)})", 2
        if kind in ("integer_pow", "square"):
            power = {2: "²", 3: "³"}.get(detail or 2, f"^{detail}")
            return f"{self.text(inputs[0], TIGHTEST)}{power}", 3
        if kind == "gather":
            return f"{self.text(inputs[0], TIGHTEST)}[{self.text(inputs[1], LOOSEST)}]", TIGHTEST
        if kind == "slice":
            return f"{self.text(inputs[0], TIGHTEST)}{detail}", TIGHTEST
        name = NAMES.get(kind, kind)
        of = ", ".join(self.text(other, LOOSEST) for other in inputs)
        part = detail if isinstance(detail, str) else ""
        return (f"{name}({of}){part}" if inputs else name), TIGHTEST


def _short(number: float) -> str:
    if isinstance(number, bool):
        return "yes" if number else "no"
    is_whole = abs(number) < 1e6 and number == int(number)
    text = f"{int(number):,}" if is_whole or isinstance(number, int) else f"{number:.4g}"
    return text.replace("-", "−").replace("inf", "∞")
