"""Pieces of a diagram as SVG: a card, a stack of layers, a circle, and their arrangement."""

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from jnn.explain.diagrams.structure import Box

LINE, PADDING, GAP = 15, 10, 34
WIDE, NARROW = 7.6, 6.2
"""The width of a character of the larger and of the smaller text, on the safe side."""


class Figure(NamedTuple):
    """A drawn piece, whose upper left corner is the origin."""

    width: float
    height: float
    entry: float
    """Where edges come in from the left, from the top."""
    exit: float
    """Where they go out to the right."""
    marks: str
    """The elements of SVG."""
    is_round: bool = False
    """Whether an edge that comes from above ends in its middle."""


PORT = Figure(0, 0, 0, 0, "")
"""The border of a frame, where edges come in or go out."""


def shape_text(shape: Sequence[int]) -> str:
    """A shape for people.

    >>> shape_text((8, 8, 32)), shape_text(())
    ('8 × 8 × 32', 'scalar')
    """
    return " × ".join(map(str, shape)) or "scalar"


def shapes_text(box: Box) -> str:
    """The shapes of a box, each once."""
    return ", ".join(dict.fromkeys(map(shape_text, box.shapes)))


def details(box: Box) -> str:
    """The shape of the output, and the number of parameters if it has some."""
    return " · ".join(filter(None, [shapes_text(box), parameters_text(box)]))


def parameters_text(box: Box) -> str:
    """Their number; empty where there are none."""
    if not box.parameters:
        return ""
    return f"{box.parameters:,} parameter{'s' if box.parameters > 1 else ''}"


def card(box: Box) -> Figure:
    """A layer: its name, what it is, its shape and parameters."""
    if box.kind == "identity":
        return pill(_title(box), style="identity", hint=hint(box))
    lines = [line for line in (_kind(box), shapes_text(box), parameters_text(box)) if line]
    width = max(WIDE * len(_title(box)), *(NARROW * len(line) for line in lines)) + 2 * PADDING
    height = LINE * (1 + len(lines)) + 2 * PADDING - 4
    texts = [_text(width / 2, PADDING + 10, _title(box), "name middle")]
    texts += [
        _text(width / 2, PADDING + 10 + LINE * (i + 1), line, "middle")
        for i, line in enumerate(lines)
    ]
    sheets = _sheets(width, height, box.repeat)
    body = _rectangle(width, height, f"part {family(box)}", hint(box))
    return _centered(width, height, "".join([sheets, body, *texts]))


def stack(box: Box) -> Figure:
    """Layers one after the other, from the top down, in a frame."""
    layers = [node for node in box.nodes if node.role == "box"]
    rows = [(_row_title(layer), details(layer), layer) for layer in layers]
    inner = max(max(WIDE * len(name), NARROW * len(rest)) for name, rest, _ in rows) + 2 * PADDING
    marks, y = [], 0.0
    for i, (name, rest, layer) in enumerate(rows):
        if i:
            marks.append(f'<path class="edge" d="M{inner / 2:g} {y - 10:g}v8"/>')
        height = 22 if layer.kind == "identity" else LINE * 2 + 8
        style = "identity" if layer.kind == "identity" else f"part {family(layer)}"
        row = _rectangle(inner, height, style, hint(layer))
        row += _text(inner / 2, 15, name, "middle" if style == "identity" else "name middle")
        if style != "identity":
            row += _text(inner / 2, 15 + LINE, rest, "middle")
        marks.append(moved(row, 0, y))
        y += height + 10
    return frame(box, _centered(inner, y - 10, "".join(marks)))


def frame(box: Box, content: Figure, *, with_ports: bool = False) -> Figure:
    """A part with its content: a title above it, how often it runs, and its parameters.

    ``with_ports`` draws the edges of the content on to the border.
    """
    title = _title(box) + (f" × {box.repeat}" if box.repeat > 1 else "")
    rest = parameters_text(box)
    room = WIDE * len(title) + NARROW * len(rest) + 3 * PADDING
    width, height = max(content.width + 2 * PADDING, room), content.height + 22 + 2 * PADDING
    left, top = (width - content.width) / 2, 22 + PADDING
    marks = _sheets(width, height, box.repeat) + _rectangle(width, height, "frame", hint(box))
    marks += _text(PADDING, 18, title, "name") + _text(width - PADDING, 18, rest, "end")
    marks += moved(content.marks, left, top)
    entry, exit = content.entry + top, content.exit + top
    if with_ports:
        ends = f"M0 {entry:.1f}h{left:.1f}M{width - left:.1f} {exit:.1f}h{left:.1f}"
        marks += f'<path class="edge" d="{ends}"/>'
    return Figure(width, height, entry, exit, marks)


def pill(text: str, *, style: str, rest: str = "", hint: str = "") -> Figure:
    """A small rounded box with a line of text, or two."""
    width = max(WIDE * len(text), NARROW * len(rest)) + 2 * PADDING + 4
    height = 24 + (LINE if rest else 0)
    marks = _rectangle(width, height, style, hint, radius=12)
    marks += _text(width / 2, 16, text, "middle")
    if rest:
        marks += _text(width / 2, 16 + LINE, rest, "middle")
    return _centered(width, height, marks)


def circle(symbol: str) -> Figure:
    """An operation that joins values."""
    if len(symbol) > 1:
        return pill(symbol, style="operation")._replace(is_round=True)
    marks = '<circle class="operation" cx="12" cy="12" r="12"/>' + _text(12, 17, symbol, "sign")
    return Figure(24, 24, 12, 12, marks, is_round=True)


def moved(marks: str, x: float, y: float) -> str:
    """The marks at another place."""
    return f'<g transform="translate({x:.1f} {y:.1f})">{marks}</g>'


def hint(box: Box) -> str:
    """What a pointer that rests on a part is told: its path, shape and params."""
    params = [f"{name} {shape_text(shape)}" for name, shape in box.params]
    return "\n".join(filter(None, [box.path, box.kind, details(box), *params]))


def family(box: Box) -> str:
    """The class of its colour."""
    kind = box.kind
    if "convolution" in kind or kind in ("dense", "product"):
        return "weights"
    if kind in ("LSTM", "GRU", "recurrent"):
        return "recurrent"
    if kind in ("attention", "embedding", "normalization"):
        return kind
    return "plain" if kind in ("", "pooling", "reshape", "flatten") else "activation"


def _centered(width: float, height: float, marks: str) -> Figure:
    return Figure(width, height, height / 2, height / 2, marks)


def _title(box: Box) -> str:
    name = box.id.partition("#")[0]
    return box.kind if name.isdigit() and box.kind else name


def _kind(box: Box) -> str:
    return "" if box.kind.lower() in (_title(box).lower(), "identity") else box.kind


def _row_title(box: Box) -> str:
    return " · ".join(filter(None, [_title(box), _kind(box)]))


def _sheets(width: float, height: float, repeat: int) -> str:
    """Sheets behind a part that is there several times."""
    return "".join(
        moved(_rectangle(width, height, "frame", ""), 4 * i, 4 * i)
        for i in range(min(repeat, 3) - 1, 0, -1)
    )


def _rectangle(width: float, height: float, style: str, hint: str, radius: int = 6) -> str:
    inside = f"<title>{escape(hint)}</title>" if hint else ""
    size = f'width="{width:.1f}" height="{height:.1f}" rx="{radius}"'
    return f'<rect class="{style}" {size}>{inside}</rect>'


def _text(x: float, y: float, text: str, style: str) -> str:
    return f'<text x="{x:.1f}" y="{y:g}" class="{style}">{escape(text)}</text>' if text else ""
