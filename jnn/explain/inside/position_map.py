"""How a model tells places apart: the vectors of positions, and how alike any two are."""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from jnn.errors import mistake
from jnn.explain import style

MOST = 256


def position_map(vectors: ArrayLike, *, most: int = MOST) -> Figure:
    """The vectors ``(length, features)`` as a picture, and beside it their cosines
    ``v_s · v_t / (|v_s| |v_t|)``.

    The params of `learned_positions` are such vectors; those of `sinusoidal_positions` are what it
    adds to zeros. The first ``most`` positions are shown, and it is said. Raises `JnnError` for
    another rank.

    >>> figure = position_map(np.eye(3))
    >>> figure.axes[1].images[0].get_array().tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    v = np.asarray(vectors, np.float64)
    if v.ndim != 2 or not v.size:
        raise mistake(
            "position_map", got=f"vectors of shape {v.shape}", expected="(length, features)"
        )
    cut = f"; the first {most} of {len(v):,}" if len(v) > most else ""
    v = v[:most]
    unit = v / np.maximum(np.linalg.norm(v, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    figure, axes = style.panels(
        1, 2, width=9.6, height=4.2, title=f"The vectors of {len(v)} positions{cut}"
    )
    left, right = axes[0]
    most_colour = float(np.abs(v).max()) or 1.0
    shown = left.imshow(
        v,
        cmap=style.SIGNED,
        vmin=-most_colour,
        vmax=most_colour,
        aspect="auto",
        interpolation="nearest",
    )
    style.caption(left, "value", x="feature", y="position")
    style.colour_bar(figure, shown, left)
    alike = right.imshow(unit @ unit.T, cmap=style.SIGNED, vmin=-1, vmax=1, interpolation="nearest")
    style.caption(right, "how alike two positions are (cosine)", x="position", y="position")
    style.colour_bar(figure, alike, right)
    return figure
