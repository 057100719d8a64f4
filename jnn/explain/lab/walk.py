"""The parts of a model as the page draws them: in rows from the top down, branches side by side.

What a model consists of is known by `jnn.explain.structure` alone; this puts the captured values
into the parts that make them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jnn.explain.diagrams.figures import shapes_text
from jnn.explain.diagrams.graph import OUTPUT
from jnn.explain.diagrams.ranks import lanes_of, ranks_of
from jnn.explain.diagrams.simplify import unnested, without_shortcuts
from jnn.explain.diagrams.structure import Box, structure
from jnn.model import Model


def walk(
    model: Model, params: Any, state: Any, example: Any, paths: Sequence[str]
) -> dict[str, Any]:
    """The whole model as a part, as plain data for the page; ``paths`` are those of shown values.

    A part has its ``name``, ``kind`` and ``shape``, how often its content runs
    (``repeat``), the ``values`` that it makes itself, and ``rows`` of nodes, each of which reads
    what stands above it. Nodes have the ``role`` of `jnn.explain.diagrams.structure.Box`. ``edges``
    are ``(from, to, lane)`` by the ids of nodes, ``@output`` being the end of a part within the
    model; the lane is -1 where an edge leads to the next row.
    """
    box = structure(model, example, (params, state))
    paths_of = _placed(box, paths)
    box = _with_values(box._replace(values=("", *box.values)), paths_of)
    box = unnested(without_shortcuts(box, _has_values), _is_framed)
    return _part(box, is_whole=True)


def _placed(box: Box, paths: Sequence[str]) -> dict[str, list[str]]:
    """The shown values by the path of one that is known to be made in the same part, or "".

    A value that the structure does not have, as of a branch that it does not follow, is with those
    whose paths begin like its own.
    """
    candidates = [path for part in _parts(box) for path in part.values]
    paths_of: dict[str, list[str]] = {}
    for path in paths:
        near = (
            path
            if path in candidates
            else max(candidates, key=lambda x: _common(path, x), default="")
        )
        paths_of.setdefault(near, []).append(path)
    return paths_of


def _parts(box: Box) -> list[Box]:
    return [box, *(part for node in box.nodes for part in _parts(node))]


def _common(a: str, b: str) -> int:
    """How many parts two paths have in common at their beginnings."""
    pairs = list(zip(a.split("/"), b.split("/"), strict=False))
    return next((i for i, (x, y) in enumerate(pairs) if x != y), len(pairs))


def _with_values(box: Box, paths_of: dict[str, list[str]]) -> Box:
    """The box with shown values alone."""
    values = [path for value in box.values for path in paths_of.get(value, ())]
    nodes = tuple(_with_values(node, paths_of) for node in box.nodes)
    return box._replace(values=tuple(values), nodes=nodes)


def _has_values(box: Box) -> bool:
    return any(part.values for part in _parts(box))


def _is_framed(around: Box, box: Box) -> bool:
    """Whether a chain has a frame of its own: for values that it makes itself, and as a branch."""
    ranks = ranks_of([node.id for node in around.nodes], around.edges)
    return bool(box.values) or [box.id] not in ranks


def _part(box: Box, *, is_whole: bool = False) -> dict[str, Any]:
    """A part with its rows. One that holds nothing but another part is one with it."""
    parts = [node for node in box.nodes if node.role == "box"]
    others = [node for node in box.nodes if node.role == "operation"]
    if len(parts) == 1 and not others and not box.values and box.repeat == 1 and not is_whole:
        inner = _part(parts[0])
        return inner | {"id": box.id, "name": f"{_name(box)}/{inner['name']}"}
    ranks = ranks_of([node.id for node in box.nodes], box.edges) if box.nodes else []
    rank_of = {name: i for i, rank in enumerate(ranks) for name in rank}
    drawn = {
        node.id: node for node in box.nodes if node.role != "output" and _is_drawn(node, is_whole)
    }
    rows = [[_part(drawn[name]) for name in rank if name in drawn] for rank in ranks]
    spans = [(rank_of[a], rank_of[b]) for a, b in box.edges]
    long = [i for i, (a, b) in enumerate(spans) if b - a > 1]
    lanes = dict(zip(long, lanes_of([spans[i] for i in long]), strict=True))
    return {
        "id": box.id,
        "role": box.role,
        "name": _name(box),
        "kind": "" if box.kind.lower() == _name(box).lower() else box.kind,
        "shape": shapes_text(box),
        "repeat": box.repeat,
        "values": list(box.values),
        "rows": [row for row in rows if row],
        "edges": [
            [a, b, lanes.get(i, -1)]
            for i, (a, b) in enumerate(box.edges)
            if not (is_whole and b == OUTPUT)
        ],
    }


def _is_drawn(node: Box, is_whole: bool) -> bool:
    """The inputs of a part within the model are the edges that come in from above."""
    return node.role != "input" or is_whole


def _name(box: Box) -> str:
    if box.role == "input":
        return f"input {box.path}" if box.path.isdigit() else box.path or "input"
    if box.role == "operation":
        return box.kind
    name, _, call = box.id.partition("#")
    return f"{name} (call {call})" if call else name
