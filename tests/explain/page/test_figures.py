"""Figures are laid out once, however often they are saved."""

import io

import numpy as np
from matplotlib.figure import Figure

from jnn.explain.page.figures import inline_images
from jnn.explain.results.classification import confusion
from jnn.runs.figures import bounds, laid_out, png

MATRIX = np.array([[9, 1], [2, 8]])


def test_saving_draws_once_and_in_the_same_place(monkeypatch):
    drawn = []
    draw = Figure.draw
    monkeypatch.setattr(
        Figure, "draw", lambda self, renderer: drawn.append(1) or draw(self, renderer)
    )
    figure = confusion(MATRIX)
    engine, sizes = figure.get_layout_engine(), []
    with laid_out([figure, None]):
        for _ in range(3):
            figure.savefig(io.BytesIO(), bbox_inches=bounds(figure))
            sizes.append(bounds(figure).size)
        assert len(drawn) == 4
        assert png(figure) == png(figure)
        assert len(drawn) == 5
        inline_images([figure])
        assert len(drawn) == 6  # as SVG alone: as PNG it is there
    assert png(figure) != png(figure, 42)
    np.testing.assert_allclose(sizes, [sizes[0]] * 3)
    assert figure.get_layout_engine() is engine
    assert bounds(figure) == "tight"
    alone = confusion(MATRIX)
    alone.draw_without_rendering()
    np.testing.assert_allclose(sizes[0], alone.get_tightbbox().padded(0.1).size, rtol=0.02)
