"""What flows between the parts directly within one part."""

import itertools
from collections.abc import Callable
from typing import NamedTuple

from jnn.explain.diagrams.parts import Parts
from jnn.explain.diagrams.tracing import Array, Location, Operation

Edge = tuple[str, str]
OUTPUT = "@output"
MANY = 6
"""From so many operations on, neighbours are one node."""
SYMBOLS = {
    "add": "+",
    "add_any": "+",
    "concatenate": "concat",
    "div": "÷",
    "dot_general": "matmul",
    "gather": "look up",
    "max": "max",
    "mul": "×",
    "sub": "−",
}


class Graph(NamedTuple):
    """Nodes are names: those of parts, and others, which begin with ``@``."""

    edges: tuple[Edge, ...]
    operations: dict[str, str]
    """The symbol of each operation that is a node."""
    inputs: dict[str, tuple[str, tuple[int, ...]]]
    """The path within x, in the whole model, and the shape of each input."""


def graph(parts: Parts, location: Location) -> Graph:
    """The flow between the parts within the part at ``location``.

    An operation that is in none of them is a node where it joins several values, or one with a
    param; other operations are part of the edge. Masks, which are boolean, are no edges.
    """
    flow = _Flow(parts, location)
    edges, operations = _used(_forward(flow.edges)), flow.operations
    if len(operations) > MANY:
        edges, operations = _merged(edges, operations, lambda a, b: True)
    edges, operations = _merged(edges, operations, lambda a, b: a == b and a in ("+", "×"))
    names = {name for edge in edges for name in edge}
    return Graph(
        edges,
        {name: symbol for name, symbol in operations.items() if name in names},
        {name: leaf for name, leaf in flow.inputs.items() if name in names},
    )


class _Flow:
    """Edges, operations and inputs, as the operations of a part are gone through."""

    def __init__(self, parts: Parts, location: Location) -> None:
        self.operations: dict[str, str] = {}
        self.inputs: dict[str, tuple[str, tuple[int, ...]]] = {}
        self._parts, self._location = parts, location
        self._nodes: dict[int, list[str]] = {}
        """The nodes that each value comes from."""
        edges: list[Edge] = []
        for at, operation in parts.operations:
            if at[: len(location)] == location:
                edges += self._edges(at, operation)
        for array in parts.outputs(location):
            edges += [(node, OUTPUT) for node in self._sources(array)]
        self.edges = tuple(dict.fromkeys(edges))

    def _edges(self, at: Location, operation: Operation) -> list[Edge]:
        arrays = [self._sources(array) for array in operation.inputs]
        nodes, edges = list(dict.fromkeys(itertools.chain(*arrays))), []
        takes_param = any(array.id in self._parts.of_params for array in operation.inputs)
        if at != self._location:
            target = self._child(at)
        elif len(nodes) > 1 or (nodes and takes_param):
            target = self._operation(operation)
        else:
            target = None
        if target:
            edges = [(node, target) for node in nodes if node != target]
            nodes = [target]
        self._nodes |= {array.id: nodes for array in operation.outputs}
        return edges

    def _child(self, at: Location) -> str:
        while self._parts.parent(at) != self._location:
            at = self._parts.parent(at)
        return self._parts.name(at)

    def _sources(self, array: Array) -> list[str]:
        """The nodes that a value comes from; none for masks, params and constants."""
        parts, start = self._parts, self._location
        if array.dtype == "bool" or array.id in parts.of_params:
            return []
        if array.id in self._nodes:
            return self._nodes[array.id]
        maker = parts.maker.get(array.id)
        is_inside = maker is not None and maker[: len(start)] == start
        is_constant = maker is None and array.id not in parts.trace.inputs
        if is_inside or is_constant:
            return []
        path = "" if start else parts.trace.inputs[array.id]
        name = f"@input/{path}" if path else "@input"
        self.inputs.setdefault(name, (path, array.shape))
        return [name]

    def _operation(self, operation: Operation) -> str:
        symbol = SYMBOLS.get(operation.kind, "f")
        of_params = self._parts.of_params
        paths = [of_params[array.id] for array in operation.inputs if array.id in of_params]
        if paths:
            *_, around, last = ["", *paths[0].split("/")]
            symbol = f"{symbol} {around if last == 'kernel' and around else last}"
        taken = sum(other == symbol for other in self.operations.values())
        name = f"@{symbol}#{taken + 1}" if taken else f"@{symbol}"
        self.operations[name] = symbol
        return name


def _forward(edges: tuple[Edge, ...]) -> tuple[Edge, ...]:
    """Without edges that lead back, as from one step in time to the next, in the order of edges.

    >>> _forward((("a", "b"), ("b", "c"), ("c", "a"), ("c", "d")))
    (('a', 'b'), ('b', 'c'), ('c', 'd'))
    """
    kept: list[Edge] = []
    for start, end in edges:
        reached = [end]
        for name in reached:
            reached += [b for a, b in kept if a == name and b not in reached]
        if start not in reached:
            kept.append((start, end))
    return tuple(kept)


def _used(edges: tuple[Edge, ...]) -> tuple[Edge, ...]:
    """Without nodes whose value nothing reads."""
    while True:
        read = {a for a, _ in edges} | {OUTPUT}
        kept = tuple(edge for edge in edges if edge[1] in read)
        if kept == edges:
            return edges
        edges = kept


def _merged(
    edges: tuple[Edge, ...], operations: dict[str, str], fits: Callable[[str, str], bool]
) -> tuple[tuple[Edge, ...], dict[str, str]]:
    """Two operations as one, where the first gives its value to the second alone."""
    operations = dict(operations)

    def next_pair() -> Edge | None:
        for a, b in edges:
            is_pair = a in operations and b in operations and fits(operations[a], operations[b])
            if is_pair and [edge[0] for edge in edges].count(a) == 1:
                return a, b
        return None

    while pair := next_pair():
        a, b = pair
        if operations.pop(a) != operations[b]:
            operations[b] = "f"
        renamed = ((b if x == a else x, b if y == a else y) for x, y in edges)
        edges = tuple(dict.fromkeys(edge for edge in renamed if edge[0] != edge[1]))
    return edges, operations
