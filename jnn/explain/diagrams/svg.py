"""A figure as an SVG of its own, which suits light and dark pages."""

import zlib
from html import escape

from jnn.explain.diagrams.figures import Figure, moved

_MARGIN = 20
_LIGHT = {
    "ink": "#1f2430",
    "quiet": "#525c6b",
    "line": "#667085",
    "paper": "#ffffff",
    "frame": "#f6f7f9",
    "border": "#b8c0cc",
    "weights": "#d6e8f7",
    "activation": "#fde3cf",
    "normalization": "#e6e9ee",
    "attention": "#ecdcf3",
    "recurrent": "#d3eee2",
    "embedding": "#fbeec3",
    "plain": "#ffffff",
    "positive": "#d55e00",
    "negative": "#0072b2",
}
_DARK = {
    "ink": "#eef1f6",
    "quiet": "#b3bccb",
    "line": "#98a2b3",
    "paper": "#14171d",
    "frame": "#1c2028",
    "border": "#465063",
    "weights": "#143a58",
    "activation": "#5a3212",
    "normalization": "#333a46",
    "attention": "#47284f",
    "recurrent": "#0f4734",
    "embedding": "#52430f",
    "plain": "#14171d",
    "positive": "#ff9d5c",
    "negative": "#6db8f0",
}
_FILLED = (
    "frame",
    "weights",
    "activation",
    "normalization",
    "attention",
    "recurrent",
    "embedding",
    "plain",
)
_RULES = {
    "text": "font:11px system-ui,sans-serif;fill:var(--quiet)",
    ".name": "font-size:12px;font-weight:600;fill:var(--ink)",
    ".middle": "text-anchor:middle",
    ".end": "text-anchor:end",
    ".sign": "font-size:16px;text-anchor:middle;fill:var(--ink)",
    "rect": "stroke:var(--border);fill:var(--paper)",
    "circle": "stroke:var(--border);fill:var(--paper)",
    **{f".{name}": f"fill:var(--{name})" for name in _FILLED},
    ".identity": "fill:none;stroke-dasharray:3 3",
    ".edge": "fill:none;stroke:var(--line);stroke-width:1.4",
    ".head": "fill:var(--line)",
    ".weight": "stroke:var(--line)",
    ".positive": "stroke:var(--positive)",
    ".negative": "stroke:var(--negative)",
}


def svg(figure: Figure, title: str, description: str) -> str:
    """The text of an SVG; screen readers are given its title and its description.

    Colours and names are its own, so that it can be put into any page, several times too.
    """
    width, height = (round(side + 2 * _MARGIN + 6) for side in (figure.width, figure.height))
    name = f"d{zlib.crc32((description + figure.marks).encode()):08x}"
    marks = moved(figure.marks, _MARGIN, _MARGIN).replace("url(#arrow)", f"url(#{name}-arrow)")
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" \
width="{width}" height="{height}" role="img" class="{name}" \
aria-labelledby="{name}-title {name}-description">
<title id="{name}-title">{escape(title)}</title>
<desc id="{name}-description">{escape(description)}</desc>
<style>{_style(name)}</style>
<defs><marker id="{name}-arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" \
markerHeight="7" orient="auto"><path class="head" d="M0 0L8 4L0 8z"/></marker></defs>
{marks}
</svg>
"""


def _style(name: str) -> str:
    """The rules, for the elements of this picture alone."""
    variables = lambda colours: ";".join(f"--{word}:{value}" for word, value in colours.items())
    rules = "".join(f".{name} {selector}{{{rule}}}" for selector, rule in _RULES.items())
    dark = f"@media screen and (prefers-color-scheme:dark){{.{name}{{{variables(_DARK)}}}}}"
    return f".{name}{{{variables(_LIGHT)};background:var(--paper)}}{dark}{rules}"
