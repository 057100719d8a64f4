"""Figures as data that a page embeds."""

import base64
import io
from collections.abc import Sequence

import matplotlib
from matplotlib.figure import Figure

from jnn.errors import mistake
from jnn.runs.figures import RESOLUTION, bounds, laid_out, png

MOST = 1_900_000
"""Characters of all images of a page, so that the page with its text is under 2 MB."""

SMALL = 60_000
"""Bytes up to which a figure is kept as SVG, which is sharp at every size."""

RESOLUTIONS = (RESOLUTION, 110, 84, 60, 42)
"""Dots per inch of the other figures; the first at which all images fit."""


def inline_images(figures: Sequence[object]) -> list[str | None]:
    """A ``data:`` URL for each figure, and None for anything else; at most `MOST` characters.

    Raises `JnnError` where even the lowest resolution makes them too large.
    """
    with laid_out(figures):
        vectors = [_svg(figure) if isinstance(figure, Figure) else None for figure in figures]
        for resolution in RESOLUTIONS:
            urls = [
                vector or (_png(figure, resolution) if isinstance(figure, Figure) else None)
                for figure, vector in zip(figures, vectors, strict=True)
            ]
            if sum(len(url) for url in urls if url) <= MOST:
                return urls
    raise mistake(
        "report",
        got=f"{len(figures)} figures of more than {MOST:,} characters",
        expected="less",
        remedy="Give fewer or smaller figures.",
    )


def _svg(figure: Figure) -> str | None:
    """The figure as SVG where that is small; equal figures give equal text."""
    stream = io.BytesIO()
    with matplotlib.rc_context({"svg.fonttype": "path", "svg.hashsalt": "jnn"}):
        figure.savefig(stream, format="svg", bbox_inches=bounds(figure), metadata={"Date": None})
    return _url("image/svg+xml", stream.getvalue()) if len(stream.getvalue()) <= SMALL else None


def _png(figure: Figure, resolution: int) -> str:
    return _url("image/png", png(figure, resolution))


def _url(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
