"""A small multilayer perceptron as circles and weighted lines."""

import itertools
from html import escape
from typing import Any, NamedTuple

import numpy as np

from jnn.explain.diagrams.figures import WIDE, Figure, shape_text
from jnn.explain.diagrams.structure import Box

MOST_UNITS, MOST_LAYERS = 16, 8
_RADIUS, _APART, _HEAD = 11, 34, 52
_THINNEST, _THICKEST = 0.4, 4.0
_BETWEEN = ("identity", "flatten", "reshape")


class Layer(NamedTuple):
    """A column of units."""

    name: str
    units: int
    path: str = ""
    """Of its params; empty for the input."""
    activation: str = ""


def perceptron_layers(box: Box) -> list[Layer] | None:
    """The columns of a perceptron that is small enough to draw each unit; None for other models.

    It is dense layers, one after the other, with activation functions between them.

    >>> import jax, jax.numpy as jnp, jnn
    >>> from jnn.explain.diagrams.structure import structure
    >>> model = jnn.chain(hidden=jnn.dense(3), relu=jax.nn.relu, out=jnn.dense(1))
    >>> for layer in perceptron_layers(structure(model, jnp.ones(2))): print(*layer)
    input 2
    hidden 3 hidden ReLU
    out 1 out
    """
    leaves = _leaves(box)
    inputs = [node for node in box.nodes if node.role == "input"]
    if not leaves or len(inputs) != 1 or len(inputs[0].shapes[0]) != 1:
        return None
    layers = [Layer(inputs[0].path or "input", inputs[0].shapes[0][0])]
    for leaf in leaves:
        kernel = dict(leaf.params).get("kernel", ())
        if leaf.kind == "dense" and kernel == (layers[-1].units, *leaf.shapes[0]):
            layers.append(Layer(leaf.path, leaf.shapes[0][0], leaf.path))
        elif not leaf.params and leaf.kind and layers[-1].path and leaf.kind not in _BETWEEN:
            earlier = layers[-1].activation
            activation = f"{earlier}, {leaf.kind}" if earlier else leaf.kind
            layers[-1] = layers[-1]._replace(activation=activation)
        elif leaf.kind not in _BETWEEN or leaf.shapes[0] != (layers[-1].units,):
            return None
    is_small = max(layer.units for layer in layers) <= MOST_UNITS and len(layers) <= MOST_LAYERS
    return layers if is_small and len(layers) > 1 else None


def perceptron(layers: list[Layer], params: Any = None) -> Figure:
    """The columns from left to right, a circle for each unit, a line for each weight.

    With ``params``, positive weights are orange and negative ones blue, and the width of a line is
    the size of its weight, relative to the largest of the network.
    """
    kernels = [_leaf(params, layer.path, "kernel") for layer in layers[1:]]
    tallest = max(layer.units for layer in layers)
    headings = [_heading(layer) for layer in layers]
    gap = max(130.0, *(WIDE * max(map(len, lines)) + 16 for lines in headings))
    places = [
        [(gap * (i + 0.5), _HEAD + _APART * ((tallest - layer.units) / 2 + j) + _RADIUS)
         for j in range(layer.units)]
        for i, layer in enumerate(layers)
    ]  # fmt: skip
    most = max((np.abs(k).max() for k in kernels if k is not None), default=1.0) or 1.0
    marks = []
    for kernel, (before, after) in zip(kernels, itertools.pairwise(places), strict=True):
        for i, j in np.ndindex(len(before), len(after)):
            weight = None if kernel is None else float(kernel[i, j]) / most
            name = "" if kernel is None else f"{kernel[i, j]:.3g}"
            marks.append(_line(before[i], after[j], weight, name))
    for layer, column, lines in zip(layers, places, headings, strict=True):
        bias = _leaf(params, layer.path, "bias") if layer.path else None
        for j, (x, y) in enumerate(column):
            hint = f"unit {j}" if bias is None else f"unit {j}: bias {bias[j]:.3g}"
            circle = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{_RADIUS}">'
            marks.append(f"{circle}<title>{escape(f'{layer.name} {hint}')}</title></circle>")
        marks += [
            f'<text x="{column[0][0]:.1f}" y="{12 + 14 * i}" class="middle{" name" * (not i)}">'
            f"{escape(line)}</text>"
            for i, line in enumerate(lines)
        ]
    height = _HEAD + _APART * tallest
    return Figure(gap * len(layers), height, height / 2, height / 2, "".join(marks))


def _heading(layer: Layer) -> list[str]:
    """The lines above a column."""
    units = f"{layer.units} {'unit' if layer.units == 1 else 'units'}"
    if not layer.path:
        return [layer.name, shape_text((layer.units,))]
    return [layer.name, f"{units}, {layer.activation}" if layer.activation else units]


def _line(
    start: tuple[float, float], end: tuple[float, float], weight: float | None, name: str
) -> str:
    """A weight between -1 and 1; None where it is not known."""
    kind = "" if weight is None else " positive" if weight > 0 else " negative"
    width = 1.0 if weight is None else max(_THINNEST, _THICKEST * abs(weight))
    (x0, y0), (x1, y1) = start, end
    place = f'x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}" stroke-width="{width:.2f}"'
    hint = f"<title>{escape(name)}</title>" if name else ""
    return f'<line class="weight{kind}" {place}>{hint}</line>'


def _leaves(box: Box) -> list[Box] | None:
    """The layers of a model in order; None where they are no single chain."""
    if box.repeat > 1:
        return None
    if not box.nodes:
        return [box]
    parts = [node for node in box.nodes if node.role == "box"]
    names = [box.nodes[0].id, *(node.id for node in parts), box.nodes[-1].id]
    if list(box.edges) != list(itertools.pairwise(names)):
        return None
    chains = [_leaves(part) for part in parts]
    return None if None in chains else [leaf for chain in chains for leaf in chain or ()]


def _leaf(params: Any, path: str, name: str) -> np.ndarray | None:
    """A param by the path of its layer; None without params, or without one of that name."""
    for part in path.split("/"):
        params = None if params is None else params.get(part)
    leaf = None if params is None else params.get(name)
    return None if leaf is None else np.asarray(leaf, np.float64)
