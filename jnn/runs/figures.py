"""Figures of Matplotlib as files: laid out once and drawn once, however often they are kept."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable, Iterator
from typing import Any

RESOLUTION = 144
"""Dots per inch of a figure that is kept."""

_laid_out: dict[Any, dict[Any, Any]] = {}
"""What is known of the figures that do not change: their bounds, and their files by resolution."""


@contextlib.contextmanager
def laid_out(figures: Iterable[Any]) -> Iterator[None]:
    """Within the block each figure stays as it is laid out and drawn now.

    Matplotlib lays a figure out, and draws it once more, whenever it is saved.
    """
    engines = {}
    for figure in figures:
        if hasattr(figure, "get_layout_engine") and figure not in _laid_out:
            engines[figure] = figure.get_layout_engine()
            if engines[figure] is not None:
                figure.draw_without_rendering()
                figure.set_layout_engine(None)
            _laid_out[figure] = {}
    try:
        yield
    finally:
        for figure, engine in engines.items():
            del _laid_out[figure]
            figure.set_layout_engine(engine)


def png(figure: Any, resolution: int = RESOLUTION) -> bytes:
    """The figure as a PNG of so many dots per inch."""
    kept = _laid_out.get(figure, {})
    if resolution not in kept:
        stream = io.BytesIO()
        figure.savefig(stream, format="png", dpi=resolution, bbox_inches=bounds(figure))
        kept[resolution] = stream.getvalue()
    return kept[resolution]


def bounds(figure: Any) -> Any:
    """What of a figure is saved: its contents, and a margin.

    Those of a figure that is laid out are known before it is drawn.
    """
    if figure not in _laid_out:
        return "tight"
    kept = _laid_out[figure]
    if "bounds" not in kept:
        kept["bounds"] = figure.get_tightbbox().padded(0.1)
    return kept["bounds"]
