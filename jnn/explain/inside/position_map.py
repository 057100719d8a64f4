"""Position encodings: the vectors of positions, and their similarities."""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from jnn.errors import mistake
from jnn.explain import style

MOST = 256


def position_map(vectors: ArrayLike, *, most: int = MOST) -> Figure:
    """The vectors ``(length, features)`` as a heat map, and beside it their cosines.

    A cosine is ``v_s · v_t / (|v_s| |v_t|)``. The params of `learned_positions` are such vectors;
    those of `sinusoidal_positions` are its output for zeros. The first ``most`` positions are
    shown, and the title says so. Raises `JnnError` for another rank.

    >>> figure = position_map(np.eye(3))
    >>> figure.axes[1].images[0].get_array().tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    v = np.asarray(vectors, np.float64)
    if v.ndim != 2 or not v.size:
        raise mistake(
            "position_map", got=f"vectors of shape {v.shape}", expected="(length, features)"
        )
    count = f"the first {most} of {len(v):,}" if len(v) > most else f"{len(v)}"
    v = v[:most]
    unit = v / np.maximum(np.linalg.norm(v, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    title = f"Position encoding: {count} positions"
    figure, axes = style.panels(1, 2, width=9.6, height=4.2, title=title)
    left, right = axes[0]
    largest = float(np.abs(v).max()) or 1.0
    signed = {"cmap": style.SIGNED, "interpolation": "nearest"}
    values = left.imshow(v, vmin=-largest, vmax=largest, aspect="auto", **signed)
    style.caption(left, "value", x="feature", y="position")
    style.colour_bar(figure, values, left)
    cosines = right.imshow(unit @ unit.T, vmin=-1, vmax=1, **signed)
    style.caption(right, "cosine similarity", x="position", y="position")
    style.colour_bar(figure, cosines, right)
    return figure
