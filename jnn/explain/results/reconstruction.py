"""Autoencoders: reconstructions, the error by the size of the code, the classes in its plane."""

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import LogLocator, NullLocator

from jnn.errors import mistake
from jnn.explain import style
from jnn.wording import number

GAP = 8
"""The height of an image over the gap between two."""
COLOURS = 20
"""Of Matplotlib's map tab20, of which every second is strong."""


def image_rows(
    rows: Mapping[str, np.ndarray],
    *,
    columns: Sequence[str] = (),
    low: float = 0.0,
    high: float = 1.0,
) -> Figure:
    """Rows of images, such as originals and their reconstructions, each with its name on the left.

    Each value is ``(N, H, W)``, ``(N, H, W, 1)`` or ``(N, H, W, 3)``, all of one shape; ``low`` is
    black and ``high`` white in all of them. ``columns`` are N names to write above.

    >>> rows = {"original": np.zeros((2, 8, 8)), "decoded": np.ones((2, 8, 8))}
    >>> figure = image_rows(rows, columns=["cat", "dog"])
    >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
    ['original', 'decoded']
    """
    shapes = {name: np.shape(images) for name, images in rows.items()}
    if len(set(shapes.values())) != 1 or not next(iter(shapes.values()))[0]:
        raise mistake(
            "image_rows",
            got=f"rows of {shapes or 'nothing'}",
            expected="equally many images of one size in each, one at least",
        )
    scaled = [style.displayable(images, low=low, high=high) for images in rows.values()]
    tiles = np.stack(scaled)
    _, count, height, width, *_ = tiles.shape
    if columns and len(columns) != count:
        raise mistake(
            "image_rows",
            got=f"{len(columns)} names of columns for {count} images",
            expected="one for each",
        )
    # one picture of all: axes for each would take Matplotlib seconds
    gap = max(1, height // GAP)
    canvas, (down, across) = _montage(tiles, gap), (height + gap, width + gap)
    figure, axes = style.panels(
        width=1.2 + 0.85 * count,
        height=0.85 * len(rows) * down / across + (0.4 if columns else 0.1),
    )
    ax = axes[0, 0]
    style.picture(ax, canvas)
    ax.set_yticks(down * np.arange(len(rows)) + (height - 1) / 2, list(rows), fontsize=9)
    middles = across * np.arange(count) + (width - 1) / 2
    names = [style.cut(name, 10) for name in columns]
    ax.set_xticks(middles if columns else [], names, fontsize=9)
    ax.tick_params(length=0, labeltop=True, labelbottom=False)
    return figure


def _montage(images: np.ndarray, gap: int) -> np.ndarray:
    """Images ``(R, N, H, W)`` or ``(R, N, H, W, 3)`` from 0 to 1 as one, white between them.

    The result is ``(R (H + gap) - gap, N (W + gap) - gap)``, with or without a last axis of 3.
    """
    padding = [(0, 0), (0, 0), (0, gap), (0, gap), *[(0, 0)] * (images.ndim - 4)]
    tiles = np.pad(images, padding, constant_values=1.0)
    rows, count, height, width, *colours = tiles.shape
    return np.moveaxis(tiles, 2, 1).reshape(rows * height, count * width, *colours)[:-gap, :-gap]


def error_by_size(
    sizes: Sequence[int], errors: Mapping[str, Sequence[float]], *, name: str = "error"
) -> Figure:
    """The error of each method against the size of the code, on logarithmic axes.

    ``errors`` has, for each method, one positive error for each of ``sizes``.

    >>> figure = error_by_size([2, 4], {"autoencoder": [0.1, 0.05], "PCA": [0.2, 0.1]})
    >>> figure.get_suptitle()
    'Error by code size: autoencoder 0.05 and PCA 0.1 with 4 numbers'
    """
    for method, values in errors.items():
        if len(values) != len(sizes) or not np.all(np.asarray(values) > 0):
            raise mistake(
                "error_by_size",
                got=f"{method}: {values}",
                expected=f"{len(sizes)} positive errors, one for each size",
            )
    last = [f"{method} {number(float(values[-1]))}" for method, values in errors.items()]
    title = f"Error by code size: {' and '.join(last)} with {sizes[-1]} numbers"
    figure, axes = style.panels(width=6.4, height=4.0, title=title)
    ax = axes[0, 0]
    for i, (method, values) in enumerate(errors.items()):
        look = {**style.line(i, style.METHODS), "marker": "o", "markersize": 5}
        ax.plot(sizes, values, **look, linewidth=1.6, label=method)
    ax.set(xscale="log", yscale="log")
    ax.set_xticks(sizes, [str(size) for size in sizes])
    ax.set_xticks([], minor=True)
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    style.gridded(ax)
    style.legend(ax)
    style.caption(ax, x="numbers in the code", y=name)
    return figure


def class_map(
    codes: Mapping[str, np.ndarray], labels: np.ndarray, classes: Sequence[str]
) -> Figure:
    """Two-dimensional codes ``(N, 2)`` as dots in the colours of their classes.

    There is a panel for each method, with the name of a class above that half of its codes which
    lies closest together: of a class in two clusters, above one of them. ``labels`` are integers
    ``(N,)`` below ``len(classes)``, which is at most 20.

    The frame is around the middle 96 % of each coordinate, so that a few outliers do not push the
    others together; dots beyond it are not shown.

    >>> figure = class_map({"autoencoder": np.eye(2)}, np.array([0, 1]), ["cat", "dog"])
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['cat', 'dog']
    """
    labels = np.asarray(labels)
    for method, points in codes.items():
        if np.shape(points) != (len(labels), 2):
            raise mistake(
                "class_map",
                got=f"{method} of shape {np.shape(points)}",
                expected=f"({len(labels)}, 2), one code for each label",
            )
    if not 1 <= len(classes) <= COLOURS:
        raise mistake(
            "class_map",
            got=f"{len(classes)} classes",
            expected=f"1 to {COLOURS}, each with a colour of its own",
        )
    strong_first = [*range(0, COLOURS, 2), *range(1, COLOURS, 2)]
    colours = [matplotlib.colormaps["tab20"](i) for i in strong_first]
    figure, axes = style.panels(1, len(codes), width=4.8 * len(codes), height=4.6)
    for ax, (method, points) in zip(axes[0], codes.items(), strict=True):
        points = np.asarray(points)
        for k, name in enumerate(classes):
            of_class = points[labels == k]
            if not len(of_class):
                continue
            ax.plot(
                *of_class.T,
                "o",
                color=colours[k],
                markersize=3,
                alpha=0.6,
                markeredgewidth=0,
                rasterized=len(labels) > 1000,
            )
            x, y = _densest_half(of_class).T
            text = ax.annotate(
                style.cut(name),
                (np.median(x), np.quantile(y, 0.9)),
                xytext=(0, 3),
                textcoords="offset points",
                ha="center",
                va="bottom",
                fontsize=10,
                fontweight="bold",
                color=style.INK,
            )
            text.set_path_effects([withStroke(linewidth=3, foreground="white")])
        ax.set(xlim=_middle(points[:, 0]), ylim=_middle(points[:, 1]))
        style.caption(ax, method)
        style.bare(ax)
        ax.spines[:].set(visible=True, color=style.FAINT)
    return figure


def _densest_half(points: np.ndarray) -> np.ndarray:
    """The half of the points ``(N, 2)`` in the smallest circle about one of them.

    Of many points some hundred are tried as its center.
    """
    count = -(-len(points) // 2)
    distances = lambda center: np.hypot(*(points - center).T)
    centers = points[:: -(-len(points) // 200)]
    center = min(centers, key=lambda center: np.sort(distances(center))[count - 1])
    return points[np.argsort(distances(center), kind="stable")[:count]]


def _middle(values: np.ndarray) -> tuple[float, float]:
    """The ends of the middle 96 % of some values, with a margin of a tenth of their distance."""
    low, high = np.quantile(values, [0.02, 0.98])
    margin = 0.1 * (high - low) or 1.0
    return float(low - margin), float(high + margin)
