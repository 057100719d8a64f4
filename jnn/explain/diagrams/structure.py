"""The structure of a model as data: its parts, what flows between them, shapes and parameters."""

import math
from typing import Any, Literal, NamedTuple

from jnn.explain.diagrams.graph import OUTPUT, Edge, graph
from jnn.explain.diagrams.kinds import kind_of
from jnn.explain.diagrams.parts import Parts
from jnn.explain.diagrams.tracing import Location, trace, without_numbers
from jnn.model import Model


class Box(NamedTuple):
    """A part of a model, an operation that joins parts, or an input or output."""

    id: str
    """Its name among the nodes of the box around it: that of a second call ends in ``#2``, and that
    of a node that is no part begins with ``@``."""
    role: Literal["box", "operation", "input", "output"]
    kind: str
    """A word for what it does, as "dense"; empty where none is sure. The symbol of an operation."""
    path: str = ""
    """Of a part, that in params and captured values; of an input, that within x."""
    shapes: tuple[tuple[int, ...], ...] = ()
    """Of its outputs; inside a `jnn.repeat`, of one copy."""
    params: tuple[tuple[str, tuple[int, ...]], ...] = ()
    """The names and shapes of the params that it holds itself."""
    parameters: int = 0
    """The number of all parameters in it."""
    repeat: int = 1
    """How many copies of its content run one after the other."""
    nodes: "tuple[Box, ...]" = ()
    edges: tuple[Edge, ...] = ()
    """From node to node, by their ids."""
    values: tuple[str, ...] = ()
    """The paths of the values that it tags itself, as `jnn.capture` has them."""

    def record(self) -> dict[str, Any]:
        """The box as plain data, for JSON."""
        return self._asdict() | {
            "shapes": [list(shape) for shape in self.shapes],
            "params": {name: list(shape) for name, shape in self.params},
            "nodes": [node.record() for node in self.nodes],
            "edges": [list(edge) for edge in self.edges],
        }


def structure(model: Model, x: Any, variables: tuple[Any, Any] | None = None) -> Box:
    """The parts of ``model`` for an input of the shape of ``x``, as a tree of boxes.

    Nothing is computed: the model is traced, parts are known by the scopes in which they run, and
    edges by the values that they pass on. So a chain, a residual connection, parallel branches,
    `jnn.repeat` and `jnn.wired` need no rule of their own. A part that is called twice is two
    nodes, of which the first has its parameters. The model is as it is in evaluation, where dropout
    is the identity.

    ``variables`` are params and state, where they are not such as ``model.init`` makes.

    >>> import jax, jax.numpy as jnp, jnn
    >>> model = jnn.chain(skip=jnn.residual(jnn.dense(4)), relu=jax.nn.relu, out=jnn.dense(2))
    >>> box = structure(model, jnp.ones(4))
    >>> [(node.id, node.kind, node.parameters) for node in box.nodes if node.role == "box"]
    [('skip', '', 20), ('relu', 'ReLU', 0), ('out', 'dense', 10)]
    >>> for edge in box.nodes[1].edges: print(*edge)
    @input body
    @input shortcut
    body @+
    shortcut @+
    @+ @output
    """
    return _box(Parts(trace(model, x, variables)), ())


def _box(parts: Parts, location: Location) -> Box:
    children = tuple(_box(parts, child) for child in parts.children(location))
    params, shapes = parts.params(location), tuple(a.shape for a in parts.outputs(location))
    kind = "" if children else kind_of(parts.params_below(location), parts.own(location))
    nodes, edges = _inside(parts, location, children, shapes) if children else ((), ())
    return Box(
        id=parts.name(location) or "model",
        role="box",
        kind=kind,
        path=without_numbers(location),
        shapes=shapes,
        params=tuple(params.items()),
        parameters=sum(map(math.prod, params.values())) + sum(box.parameters for box in children),
        repeat=parts.repeats.get(location, 1),
        nodes=nodes,
        edges=edges,
        values=tuple(operation.path for operation in parts.own(location) if operation.tag),
    )


def _inside(
    parts: Parts, location: Location, children: tuple[Box, ...], shapes: tuple
) -> tuple[tuple[Box, ...], tuple[Edge, ...]]:
    """The nodes of a part in which there are others, inputs first, and the edges between them."""
    flow = graph(parts, location)
    inputs = (Box(name, "input", "", path, (shape,)) for name, (path, shape) in flow.inputs.items())
    operations = (Box(name, "operation", symbol) for name, symbol in flow.operations.items())
    output = Box(OUTPUT, "output", "", shapes=shapes)
    return (*inputs, *children, *operations, output), flow.edges
