"""A model as a picture: an SVG that needs nothing else."""

from typing import Any

from jnn.explain.diagrams import figures
from jnn.explain.diagrams.arrangement import arranged
from jnn.explain.diagrams.figures import PORT, Figure
from jnn.explain.diagrams.perceptron import perceptron, perceptron_layers
from jnn.explain.diagrams.simplify import is_stack, simplified, unnested
from jnn.explain.diagrams.structure import Box, structure
from jnn.explain.diagrams.svg import svg
from jnn.model import Model

_WIDEST, _WIDEST_INSIDE = 1050, (760, 600, 450, 300)
"""The pixels from which on the nodes of a model, and of a part of it, go on in another row: of a
part the first that leave the whole narrow enough."""


def diagram(model: Model, x: Any, params: Any = None) -> str:
    """The text of an SVG with the parts of ``model``, for an input of the shape of ``x``.

    A small multilayer perceptron is drawn as circles and lines; ``params`` give each line the
    colour and width of its weight, orange where it is positive, blue where it is negative. All
    other models are boxes.

    Boxes from left to right have the name, the kind, the shape of the output and the parameters of
    a layer; layers that follow each other within a part stand from the top down; equal parts in a
    row, and those of a `jnn.repeat`, are drawn once, with their number; where parts within parts
    are too wide for a page, chains of parts have no frame around them. Its colours suit light and
    dark pages, and its description says the same in words.

    >>> import jax, jax.numpy as jnp, jnn
    >>> picture = diagram(jnn.chain(hidden=jnn.dense(40), relu=jax.nn.relu), jnp.ones(30))
    >>> picture.startswith("<svg "), "1,240 parameters" in picture
    (True, True)
    """
    box = structure(model, x)
    layers = perceptron_layers(box)
    figure = perceptron(layers, params) if layers else _narrow(simplified(box))
    return svg(figure, "Diagram of a model", description(box))


def description(box: Box, inside: str = "") -> str:
    """The diagram in words: each layer, and what it reads.

    >>> import jax, jax.numpy as jnp, jnn
    >>> model = jnn.chain(hidden=jnn.dense(40), relu=jax.nn.relu)
    >>> print(description(structure(model, jnp.ones(30))))
    A model of 1,240 parameters. Input: 30. hidden, dense: 40 · 1,240 parameters, from input. relu,
    ReLU: 40, from hidden. Output: 40.
    """
    sentences = []
    if not inside:
        sentences.append(f"A model of {box.parameters:,} parameters.")
        inputs = [node for node in box.nodes if node.role == "input"]
        named = (": ".join(filter(None, [n.path, figures.shapes_text(n)])) for n in inputs)
        sentences.append(f"Input: {', '.join(named)}." if inputs else "")
    for node in box.nodes:
        if node.role != "box":
            continue
        start = ", ".join(filter(None, [f"{inside}{node.id}", node.kind]))
        copies = f", {node.repeat} copies" if node.repeat > 1 else ""
        before = [_word(a) for a, b in box.edges if b == node.id]
        source = f", from {' and '.join(before)}" if before else ""
        sentences.append(f"{start}: {figures.details(node)}{copies}{source}.")
        sentences.append(description(node, f"{inside}{node.id}/"))
    if not inside:
        sentences.append(f"Output: {figures.shapes_text(box)}.")
    return " ".join(filter(None, sentences))


def _word(name: str) -> str:
    return name.removeprefix("@").replace("/", " ")


def _narrow(box: Box) -> Figure:
    """The whole model in the first way to draw it that a page has room for, else the narrowest."""
    first, *narrower = _WIDEST_INSIDE
    drawn = [_whole(box, first)]
    for inside in (first, *narrower):
        if drawn[-1].width <= _WIDEST:
            return drawn[-1]
        drawn.append(_whole(unnested(box), inside))
    return min(drawn, key=lambda figure: figure.width)


def _whole(box: Box, inside: float) -> Figure:
    """The whole model, between its inputs and its outputs; a single layer stands alone."""
    if not box.nodes:
        return figures.card(box)
    content = arranged({node.id: _node(node, inside) for node in box.nodes}, box.edges, _WIDEST)
    return content if box.repeat == 1 else figures.frame(box, content)


def _part(box: Box, inside: float) -> Figure:
    """A part with all that is in it."""
    if not box.nodes:
        return figures.card(box)
    if is_stack(box):
        return figures.stack(box)
    names = {name for edge in box.edges for name in edge}
    nodes = [node for node in box.nodes if node.role == "box" or node.id in names]
    ends = ("input", "output")
    drawn = {node.id: PORT if node.role in ends else _node(node, inside) for node in nodes}
    content = arranged(drawn, box.edges, inside)
    return figures.frame(box, content, with_ports=True)


def _node(node: Box, inside: float) -> Figure:
    if node.role == "operation":
        return figures.circle(node.kind)
    if node.role == "box":
        return _part(node, inside)
    name = node.path or node.role
    return figures.pill(name, style="end", rest=figures.shapes_text(node))
