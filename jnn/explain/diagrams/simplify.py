"""What a picture of a structure leaves out."""

import itertools
from collections.abc import Callable

from jnn.explain.diagrams.graph import Edge
from jnn.explain.diagrams.structure import Box


def simplified(box: Box) -> Box:
    """The box without identities beside other branches, equal parts in a row being one.

    The shortcut of a residual connection is then an edge, and a stage of three equal blocks is one
    block with ``repeat=3``, whose id says from where to where: ``block0 … block2``.
    """
    return _merged(without_shortcuts(box))


def without_shortcuts(box: Box, is_kept: Callable[[Box], bool] = lambda box: False) -> Box:
    """The box without identities beside other branches, which become edges; some may be kept."""
    nodes = {node.id: without_shortcuts(node, is_kept) for node in box.nodes}
    edges = list(box.edges)
    for node in box.nodes:
        if _is_shortcut(node, edges) and not is_kept(node):
            edges = _without(node.id, edges)
            del nodes[node.id]
    return box._replace(nodes=tuple(nodes.values()), edges=tuple(edges))


def _merged(box: Box) -> Box:
    """The box with equal parts in a row as one."""
    nodes = {node.id: _merged(node) for node in box.nodes}
    edges = list(box.edges)
    while pair := _equal_pair(nodes, edges):
        first, second = (nodes[name] for name in pair)
        start, end = first.id.partition(" … ")[0], second.id.rpartition(" … ")[2]
        merged = first._replace(
            id=f"{start} … {end}",
            repeat=first.repeat + second.repeat,
            parameters=first.parameters + second.parameters,
        )
        renamed = dict.fromkeys(pair, merged.id)
        edges = [(renamed.get(a, a), renamed.get(b, b)) for a, b in edges if (a, b) != pair]
        nodes = {
            (merged.id if name == first.id else name): merged if name == first.id else node
            for name, node in nodes.items()
            if name != second.id
        }
    return box._replace(nodes=tuple(nodes.values()), edges=tuple(edges))


def is_stack(box: Box) -> bool:
    """Whether its nodes are layers, one after the other."""
    inner = [node for node in box.nodes if node.role != "output"]
    inputs = [node for node in inner if node.role == "input"]
    layers = inner[len(inputs) :]
    in_order = [*(node.id for node in inputs), *(node.id for node in layers), box.nodes[-1].id]
    return (
        len(inputs) == 1
        and len(layers) > 1
        and all(node.role == "box" and not node.nodes for node in layers)
        and list(box.edges) == list(itertools.pairwise(in_order))
    )


def _is_shortcut(node: Box, edges: list[Edge]) -> bool:
    """Whether it is an identity beside other branches, which an operation joins."""
    if node.role != "box" or node.kind != "identity":
        return False
    before, after = ([edge[side] for edge in edges if edge[1 - side] == node.id] for side in (0, 1))
    branches = [a for a, _ in edges if a in before]
    return len(after) == 1 and after[0].startswith("@") and len(branches) > len(before)


def _without(name: str, edges: list[Edge]) -> list[Edge]:
    before = [a for a, b in edges if b == name]
    return [
        kept
        for a, b in edges
        if b != name
        for kept in ([(source, b) for source in before] if a == name else [(a, b)])
    ]


def _equal_pair(nodes: dict[str, Box], edges: list[Edge]) -> Edge | None:
    """Two equal parts, of which the second reads nothing but the first, and alone reads it."""
    for a, b in edges:
        if nodes[a].role != "box" or nodes[b].role != "box":
            continue
        alone = sum(x == a for x, _ in edges) == 1 and sum(y == b for _, y in edges) == 1
        if alone and _form(nodes[a]) == _form(nodes[b]):
            return a, b
    return None


def _form(box: Box) -> Box:
    """What equal parts have in common."""
    return _without_paths(box)._replace(id="", repeat=1, parameters=0)


def _without_paths(box: Box) -> Box:
    return box._replace(path="", values=(), nodes=tuple(map(_without_paths, box.nodes)))


def unnested(box: Box, is_kept: Callable[[Box, Box], bool] = lambda around, box: False) -> Box:
    """The box with the nodes of chains in place of the chains, at all levels.

    A chain of layers alone stays, since it is drawn as one; so does one with copies, and what
    ``is_kept(box around it, box)``. Parts keep their paths, and have ids such as ``stage/block0``.
    """
    nodes: list[Box] = []
    edges = list(box.edges)
    for node in box.nodes:
        node = unnested(node, is_kept)
        if not _is_open(node) or is_kept(box, node):
            nodes.append(node)
            continue
        inner = [part._replace(id=f"{node.id}/{part.id}") for part in node.nodes[1:-1]]
        first, last = inner[0].id, inner[-1].id
        edges = [(last if a == node.id else a, first if b == node.id else b) for a, b in edges]
        edges += itertools.pairwise(part.id for part in inner)
        nodes += inner
    return box._replace(nodes=tuple(nodes), edges=tuple(edges))


def _is_open(box: Box) -> bool:
    """Whether it is a chain of parts, of which some have parts of their own."""
    names = [node.id for node in box.nodes]
    in_order = set(box.edges) == set(itertools.pairwise(names)) and len(names) > 2
    return in_order and box.repeat == 1 and any(node.nodes for node in box.nodes)
