"""Feature maps of one image in every layer, and the kernels of a convolution."""

import math
from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jnn.errors import mistake
from jnn.explain import style

GAP = 0.08
"""Between two tiles, in tiles."""


def feature_maps(
    values: Mapping[str, np.ndarray], *, image: np.ndarray | None = None, maps: int = 12
) -> Figure:
    """A row for each layer: its feature maps of one image, or its vector of activations.

    ``values``  what `jnn.capture` returned for one image: ``{path: (H, W, C)}``, or ``(D,)`` for
                layers after the maps. Other ranks are omitted.
    ``image``   the image itself ``(H, W)`` or ``(H, W, 1 or 3)``, for the first row.
    ``maps``    how many maps of a layer are shown, the first ones.

    Each layer has a colour scale of its own, printed below its path: orange above zero and blue
    below, or from dark to light where nothing is negative. Raises `JnnError` where no value is a
    map or a vector.

    >>> figure = feature_maps({"conv/output": np.ones((4, 4, 3)), "out/output": np.ones(5)})
    >>> [row.texts[0].get_text().strip() for row in figure.axes[::2]], len(figure.axes[1].images)
    (['conv', 'out'], 3)
    """
    layers = {
        path: np.asarray(value).astype(np.float32)
        for path, value in values.items()
        if np.ndim(value) in (1, 3)
    }
    if not layers:
        shapes = [f"{path} {np.shape(value)}" for path, value in values.items()]
        raise mistake(
            "feature_maps",
            got=", ".join(shapes) or "no values",
            expected="maps (H, W, C) or vectors (D,)",
            remedy="Capture the values for one image, without a batch.",
        )
    heights = [1.0 if value.ndim == 3 else 0.45 for value in layers.values()]
    heights = [1.0, *heights] if image is not None else heights
    counts = [value.shape[-1] for value in layers.values() if value.ndim == 3]
    columns = max(1, min(maps, max(counts, default=1)))
    tile = min(0.8, 9.0 / columns)
    width = 2.1 + columns * tile * (1 + GAP)
    figure, axes = style.panels(
        len(heights),
        2,
        width=width,
        height=sum(heights) * (tile + 0.22) + 0.5,
        title="Feature maps of each layer",
        widths=(2.0, width - 2.1),
        heights=heights,
    )
    for ax in axes.ravel():
        style.bare(ax)
    rows = iter(axes)
    if image is not None:
        label, ax = next(rows)
        _label(label, "image", _product(np.shape(image)))
        grey = {"cmap": "gray", "vmin": 0, "vmax": 1}
        _tiles(ax, style.displayable(np.asarray(image)[None]), columns, grey)
    for (label, ax), (path, value) in zip(rows, layers.items(), strict=True):
        _layer(label, ax, path, value, columns)
    return figure


def _layer(label: Axes, ax: Axes, path: str, value: np.ndarray, columns: int) -> None:
    cmap, low, high = style.colour_range(value)
    cut = f", first {columns}" if value.ndim == 3 and value.shape[-1] > columns else ""
    extent = f"{style.short(value.min())} … {style.short(value.max())}" if value.size else "empty"
    _label(label, path.removesuffix("/output"), f"{_product(value.shape)}{cut}\n{extent}")
    colours = {"cmap": cmap, "vmin": low, "vmax": high}
    if value.ndim == 3:
        _tiles(ax, np.moveaxis(value, -1, 0)[:columns], columns, colours)
    else:
        ax.imshow(
            value[None],
            extent=(0, columns * (1 + GAP) - GAP, 0, 0.4),
            aspect="auto",
            interpolation="nearest",
            **colours,
        )
        ax.set(xlim=(0, columns * (1 + GAP) - GAP), ylim=(0, 0.4))


def _label(ax: Axes, name: str, detail: str) -> None:
    ax.text(
        0,
        0.98,
        f"{_shortened(name)}\n",
        transform=ax.transAxes,
        va="top",
        fontsize=9,
        fontweight="bold",
        color=style.INK,
    )
    ax.text(
        0,
        0.98,
        f"\n{detail}",
        transform=ax.transAxes,
        va="top",
        fontsize=8,
        color=style.QUIET,
        linespacing=1.25,
    )


def _product(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))


def _shortened(path: str, most: int = 24) -> str:
    """A path without its middle where it is long: its first part and as much of the end as fits."""
    first, _, _ = path.partition("/")
    return path if len(path) <= most else f"{first}/…{path[len(first) + 2 - most :]}"


def _tiles(ax: Axes, images: np.ndarray, columns: int, colours: dict) -> None:
    """Images of any size as tiles of the same size, side by side."""
    for i, image in enumerate(images):
        left, aspect = i * (1 + GAP), image.shape[0] / image.shape[1]
        wide, high = min(1, 1 / aspect), min(1, aspect)
        ax.imshow(
            image, extent=(left, left + wide, 1 - high, 1), interpolation="nearest", **colours
        )
    ax.set(xlim=(0, columns * (1 + GAP) - GAP), ylim=(0, 1), aspect="equal", anchor="NW")


def filters(kernel: np.ndarray, *, most: int | None = None) -> Figure:
    """The kernels of a convolution ``(height, width, in, out)`` as images, the first ``most``.

    With three input channels each is a colour image, grey where the weights are zero; with one it
    is orange where the weight is positive and blue where it is negative, on one scale for all. With
    more, each kernel is a row of its first 12 input channels. ``most`` is 64 by default, and 12
    where kernels are rows.

    >>> len(filters(np.ones((3, 3, 1, 8))).axes[0].images)
    8
    """
    kernel = np.asarray(kernel).astype(np.float32)
    if kernel.ndim != 4 or not kernel.size:
        raise mistake(
            "filters", got=f"a kernel of shape {kernel.shape}", expected="(height, width, in, out)"
        )
    largest = float(np.abs(kernel).max()) or 1.0
    channels, out = kernel.shape[2], kernel.shape[3]
    most = (64 if channels in (1, 3) else 12) if most is None else most
    kernels = np.moveaxis(kernel, -1, 0)[:most]
    if channels == 3:
        tiles, columns, colours = 0.5 + kernels / (2 * largest), _columns(len(kernels)), {}
    else:
        columns = min(channels, 12) if channels > 1 else _columns(len(kernels))
        tiles = np.moveaxis(kernels, -1, 1)[:, :12].reshape(-1, *kernel.shape[:2])
        colours = {"cmap": style.SIGNED, "vmin": -largest, "vmax": largest}
    rows = -(-len(tiles) // columns)
    count = f"the first {len(kernels)} of {out}" if len(kernels) < out else f"{out}"
    rows_are = ""
    if channels not in (1, 3):
        rows_are = f"; a row is one kernel, its first {columns} of {channels} input channels"
    weights = f"weights from {style.short(kernel.min())} to {style.short(kernel.max())}"
    title = f"Kernels: {count}, {kernel.shape[0]} × {kernel.shape[1]}{rows_are}; {weights}"
    width = max(4.2, 0.62 * columns)
    figure, axes = style.panels(
        width=width,
        height=0.62 * rows + 0.3 + 0.24 * len(style.wrapped(title, width).splitlines()),
        title=title,
    )
    style.bare(axes[0, 0])
    for i, tile in enumerate(tiles):
        x, y = i % columns * (1 + GAP), -(i // columns) * (1 + GAP)
        axes[0, 0].imshow(tile, extent=(x, x + 1, y - 1, y), interpolation="nearest", **colours)
    axes[0, 0].set(
        xlim=(0, columns * (1 + GAP)), ylim=(-rows * (1 + GAP), 0), aspect="equal", anchor="NW"
    )
    return figure


def _columns(tiles: int) -> int:
    """Of a grid about twice as wide as high."""
    return max(1, min(16, math.ceil(math.sqrt(2 * tiles))))
