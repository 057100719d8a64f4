"""A learned function beside its target, and the error by the size of the network."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure

from jnn.errors import mistake
from jnn.explain import style


def curve_fit(
    x: np.ndarray,
    target: np.ndarray,
    predictions: Mapping[str, np.ndarray],
    *,
    samples: tuple[np.ndarray, np.ndarray] | None = None,
) -> Figure:
    """Functions of one variable: target and predictions above, ``prediction - target`` below.

    ``x``, ``target`` and each prediction are ``(N,)``; ``samples`` are the points ``(x, y)`` of the
    training set. The legend has each RMSE.

    >>> x = np.linspace(0, 1, 3)
    >>> figure = curve_fit(x, x, {"width 8": x + 0.5})
    >>> figure.axes[1].lines[1].get_ydata().tolist()
    [0.5, 0.5, 0.5]
    """
    x, target = np.asarray(x), np.asarray(target)
    for name, y in {"target": target, **predictions}.items():
        if np.shape(y) != x.shape or x.ndim != 1:
            raise mistake(
                "curve_fit",
                got=f"{name} of shape {np.shape(y)} for x of shape {x.shape}",
                expected="(N,) for each",
            )
    order = np.argsort(x)
    x, target = x[order], target[order]
    figure, axes = style.panels(2, 1, width=6.4, height=5.0, heights=(2.2, 1))
    above, below = axes[:, 0]
    above.plot(
        x, target, color=style.INK, linewidth=4, alpha=0.28, label="target", solid_capstyle="round"
    )
    if samples is not None:
        above.plot(*samples, "o", color=style.QUIET, markersize=3, alpha=0.6, label="samples")
    below.axhline(0, color=style.QUIET, linewidth=0.9)
    for i, (name, y) in enumerate(predictions.items()):
        y, line = np.asarray(y)[order], style.line(i)
        error = y - target
        above.plot(x, y, **line, linewidth=1.6, label=f"{name} (RMSE {_rms(error)})")
        below.plot(x, error, **line, linewidth=1.2)
    for ax, title in ((above, "target and prediction"), (below, "error: prediction − target")):
        style.gridded(ax)
        style.caption(ax, title, x="x" if ax is below else "")
        ax.margins(x=0.01)
    above.tick_params(labelbottom=False)
    above.sharex(below)
    above.legend(
        frameon=False,
        fontsize=9,
        labelcolor=style.INK,
        handlelength=1.4,
        loc="upper left",
        bbox_to_anchor=(1.0, 1.0),
    )
    return figure


def surface(x0: np.ndarray, x1: np.ndarray, target: np.ndarray, prediction: np.ndarray) -> Figure:
    """A function of two variables: target and prediction on one scale, their error on its own.

    ``x0`` ``(N,)`` is horizontal, ``x1`` ``(M,)`` vertical; ``target`` and ``prediction`` are
    ``(M, N)``, as for ``np.meshgrid(x0, x1)``.

    >>> figure = surface(np.arange(3.0), np.arange(2.0), np.zeros((2, 3)), np.ones((2, 3)))
    >>> [ax.get_title(loc="left") for ax in figure.axes[:3]]
    ['target', 'prediction', 'prediction − target (RMSE 1)']
    """
    x0, x1, target, prediction = map(np.asarray, (x0, x1, target, prediction))
    if not target.shape == prediction.shape == (x1.size, x0.size):
        got = f"target {target.shape}, prediction {prediction.shape}, {x0.size} x0 and {x1.size} x1"
        raise mistake("surface", got=got, expected=f"both ({x1.size}, {x0.size})")
    error = prediction - target
    both = np.stack([target, prediction])
    scale = {"cmap": style.MAGNITUDE, "vmin": np.nanmin(both), "vmax": np.nanmax(both)}
    most = float(np.nanmax(np.abs(error))) or 1.0
    signed = {"cmap": style.SIGNED, "vmin": -most, "vmax": most}
    figure, axes = style.panels(1, 3, width=10.4, height=3.5)
    meshes = [
        _mesh(axes[0, 0], x0, x1, target, "target", scale),
        _mesh(axes[0, 1], x0, x1, prediction, "prediction", scale),
        _mesh(axes[0, 2], x0, x1, error, f"prediction − target (RMSE {_rms(error)})", signed),
    ]
    style.colour_bar(figure, meshes[0], axes[0, :2].tolist())
    style.colour_bar(figure, meshes[2], axes[0, 2])
    return figure


def _rms(error: np.ndarray) -> str:
    return f"{np.sqrt(np.mean(error**2)):.3g}"


def _mesh(ax: Axes, x0, x1, values, title: str, colours: Mapping[str, Any]) -> QuadMesh:
    mesh = ax.pcolormesh(x0, x1, values, shading="nearest", rasterized=True, **colours)
    ax.spines[:].set_visible(False)
    style.caption(ax, title, x="x₀", y="x₁")
    return mesh


def error_grid(
    errors: np.ndarray, widths: Sequence[int], depths: Sequence[int], *, name: str = "RMSE"
) -> Figure:
    """Error by the size of a network: a heat map, and a line for each depth against the width.

    ``errors`` is ``(widths, depths)``, or ``(seeds, widths, depths)``: then medians are shown, with
    a band from the least to the greatest seed. Errors are positive and on logarithmic axes; those
    of networks that diverged are NaN or infinite, and count as greater than all others.

    >>> figure = error_grid(np.array([[0.1, 0.01], [0.05, 0.001]]), [8, 16], [1, 2])
    >>> [line.get_label() for line in figure.axes[1].lines]
    ['depth 1', 'depth 2']
    """
    errors = np.asarray(errors, dtype=np.float64)
    seeds = errors[None] if errors.ndim == 2 else errors
    if seeds.ndim != 3 or seeds.shape[1:] != (len(widths), len(depths)):
        raise mistake(
            "error_grid",
            got=f"errors of shape {errors.shape}",
            expected=f"({len(widths)}, {len(depths)}), with or without seeds in front",
        )
    if np.any(seeds <= 0):
        raise mistake(
            "error_grid",
            got=f"an error of {np.nanmin(seeds):g}",
            expected="positive errors, which have a logarithm",
        )
    seeds = np.where(np.isnan(seeds), np.inf, seeds)
    middle = np.median(seeds, axis=0)
    if not np.any(np.isfinite(middle)):
        raise mistake("error_grid", got="no finite error", expected="one at least")
    middle[np.isinf(middle)] = np.nan
    lowest = _lowest_in_words(middle, widths, depths)
    title = f"{name[:1].upper()}{name[1:]} by width and depth: {lowest}"
    figure, axes = style.panels(1, 2, width=9.6, height=3.9, title=title)
    _table(axes[0, 0], middle, widths, depths)
    _lines(axes[0, 1], seeds, middle, widths, depths, name)
    return figure


def _table(ax: Axes, errors: np.ndarray, widths, depths) -> None:
    logs = np.log10(errors).T
    image = ax.imshow(logs, cmap=style.MAGNITUDE, aspect="auto", origin="lower")
    for (i, j), value in np.ndenumerate(logs):
        shade = image.cmap(image.norm(value))
        dark = np.isfinite(value) and 0.3 * shade[0] + 0.59 * shade[1] + 0.11 * shade[2] < 0.5
        text = f"{10**value:.2g}" if np.isfinite(value) else "diverged"
        ax.text(
            j,
            i,
            text.replace("e-0", "e-"),
            ha="center",
            va="center",
            fontsize=8,
            color="white" if dark else style.INK,
        )
    ax.set_xticks(range(len(widths)), [str(width) for width in widths])
    ax.set_yticks(range(len(depths)), [str(depth) for depth in depths])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    style.caption(ax, "darker is better", x="width", y="depth (hidden layers)")


def _lines(ax: Axes, seeds: np.ndarray, middle: np.ndarray, widths, depths, name: str) -> None:
    for j, depth in enumerate(depths):
        line = style.line(j)
        look = {**line, "marker": "o", "markersize": 4}
        ax.plot(widths, middle[:, j], **look, linewidth=1.6, label=f"depth {depth}")
        if len(seeds) > 1:
            finite = np.where(np.isinf(seeds), np.nan, seeds)[:, :, j]
            low, high = np.fmin.reduce(finite), np.fmax.reduce(finite)
            ax.fill_between(widths, low, high, color=line["color"], alpha=0.15, linewidth=0)
    ax.set(xscale="log", yscale="log")
    ax.set_xticks(widths, [str(width) for width in widths])
    ax.set_xticks([], minor=True)
    style.gridded(ax)
    band = f"; median and range of {len(seeds)} seeds" if len(seeds) > 1 else ""
    style.caption(ax, f"{name} against width{band}", x="width")
    style.legend(ax)


def _lowest_in_words(errors: np.ndarray, widths, depths) -> str:
    i, j = np.unravel_index(np.nanargmin(errors), errors.shape)
    return f"lowest {errors[i, j]:.3g}, at width {widths[i]} and depth {depths[j]}"
