"""A GAN in two dimensions: the discriminator's map, the generator's manifold and gradients."""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from jnn.errors import mistake
from jnn.explain import style

CELLS = 50
"""Of the map along each side."""
SHADES = 15
"""Of the map: few, so that contours show and pictures stay small."""
LINES, POINTS = 9, 121
"""Of the grid of noise, and of each of its lines."""
REACH = 2.0
"""Standard deviations of the noise that the grid covers."""
LONGEST = 0.12
"""Length of the longest arrow, over the side of the plane."""

Generate = Callable[[jax.Array], jax.Array]
"""Noise ``(..., 2)`` -> points ``(..., 2)``."""
Score = Callable[[jax.Array], jax.Array]
"""Points ``(..., 2)`` -> logits ``(...)`` of "real", each by its own point alone."""


def film(
    real: np.ndarray,
    noise: np.ndarray,
    moments: Mapping[str, tuple[Generate, Score]],
    *,
    loss: Callable[[jax.Array], jax.Array] = jnp.negative,
    columns: int = 4,
    title: str = "",
) -> Figure:
    """The training of a GAN in two dimensions, a panel for each moment, all in one frame.

    The map is the discriminator's probability of "real", ``σ(score(x))``, orange above a half and
    blue below; white dots are real points, dark ones generated; arrows are the negative gradients
    of the generator's loss at the generated points, ``-∇ₓ loss(score(x))``. The longest arrow of
    each panel has the same length, so they compare within a moment, not between moments.

    ``real``     points ``(N, 2)``.
    ``noise``    ``(M, 2)``, from which points are generated.
    ``moments``  ``{name: (generate, score)}``; a score depends on its own point alone.
    ``loss``     logits -> the generator's loss of each, as in `jnn.losses.adversarial`; by default
                 ``-score``.

    Raises `JnnError` for other shapes. Source: GAN Lab, Kahng et al. 2019,
    https://arxiv.org/abs/1809.01587.

    >>> points = np.random.default_rng(0).normal(size=(20, 2))
    >>> start = (lambda z: 0 * z, lambda x: x[..., 0])
    >>> end = (lambda z: z, lambda x: 0 * x[..., 0])
    >>> figure = film(points, points[:5], {"start": start, "end": end})
    >>> [ax.get_title(loc="left") for ax in figure.axes[:2]]
    ['start', 'end']
    """
    generated = {
        name: _generated("film", real, noise, generate) for name, (generate, _) in moments.items()
    }
    low, high = _frame(np.concatenate([real, *generated.values()]))
    figure, used = _strip(len(moments), columns, title)
    for ax, (name, (_, score)) in zip(used, moments.items(), strict=True):
        image = _map(ax, score, low, high)
        ax.plot(
            *np.asarray(real).T,
            "o",
            color="white",
            markersize=3,
            markeredgecolor=style.INK,
            markeredgewidth=0.4,
            label="real",
        )
        ax.plot(
            *generated[name].T,
            "o",
            color=style.INK,
            markersize=2.5,
            markeredgewidth=0,
            label="generated",
        )
        _arrows(ax, score, loss, generated[name], LONGEST * (high - low))
        _framed(ax, low, high, name)
    dots = used[0].get_lines()
    figure.legend(
        handles=dots,
        loc="outside lower left",
        ncols=2,
        frameon=False,
        fontsize=9,
        labelcolor=style.INK,
        handlelength=1.0,
    )
    style.colour_bar(figure, image, used, "probability of real")
    return figure


def manifolds(
    real: np.ndarray, generators: Mapping[str, Generate], *, columns: int = 4, title: str = ""
) -> Figure:
    """The image of a square grid of noise under each generator, over the real points ``(N, 2)``.

    Lines are close where the generator has a high density. The grid covers two standard deviations
    of normal noise to each side. Raises `JnnError` for other shapes.

    >>> figure = manifolds(np.eye(2), {"untrained": lambda z: 0 * z, "trained": lambda z: z})
    >>> [ax.get_title(loc="left") for ax in figure.axes]
    ['untrained', 'trained']
    """
    grid = _grid()
    bent = {
        name: _generated("manifolds", real, grid.reshape(-1, 2), generate)
        for name, generate in generators.items()
    }
    low, high = _frame(np.concatenate([real, *bent.values()]))
    figure, used = _strip(len(generators), columns, title)
    for ax, (name, points) in zip(used, bent.items(), strict=True):
        ax.plot(*np.asarray(real).T, "o", color=style.GREY, markersize=3, markeredgewidth=0)
        ax.add_collection(
            LineCollection(list(points.reshape(grid.shape)), colors=style.PURPLE, linewidths=0.7)
        )
        _framed(ax, low, high, name)
    return figure


def _generated(caller: str, real: np.ndarray, noise: np.ndarray, generate: Generate) -> np.ndarray:
    """The points that the generator makes of the noise, with all shapes checked."""
    for name, points in (("real", real), ("noise", noise)):
        if np.ndim(points) != 2 or np.shape(points)[1] != 2:
            raise mistake(
                caller,
                got=f"{name} of shape {np.shape(points)}",
                expected="(N, 2): points on a plane",
            )
    generated = np.asarray(generate(jnp.asarray(noise)))
    if generated.shape != np.shape(noise):
        raise mistake(
            caller,
            got=f"a generator that makes {generated.shape} of {np.shape(noise)}",
            expected="a point for each noise",
        )
    return generated


def _strip(count: int, columns: int, title: str) -> tuple[Figure, list[Axes]]:
    """A figure of ``count`` square panels in rows."""
    if not count:
        raise mistake("gan", got="nothing to draw", expected="one moment at least")
    columns = min(columns, count)
    rows = -(-count // columns)
    figure, axes = style.panels(
        rows, columns, width=1.8 * columns + 0.6, height=2.0 * rows + 0.5, title=title
    )
    for ax in axes.ravel()[count:]:
        ax.remove()
    return figure, list(axes.ravel()[:count])


def _frame(points: np.ndarray) -> tuple[float, float]:
    """The ends of a square around the middle 98 % of points, a fifth larger."""
    low, high = np.quantile(points, [0.01, 0.99])
    margin = 0.1 * (high - low) or 1.0
    return float(low - margin), float(high + margin)


def _framed(ax: Axes, low: float, high: float, name: str) -> None:
    ax.set(xlim=(low, high), ylim=(low, high), aspect="equal")
    style.bare(ax)
    style.caption(ax, name)


def _map(ax: Axes, score: Score, low: float, high: float) -> AxesImage:
    centres = low + (np.arange(CELLS) + 0.5) * (high - low) / CELLS
    x = np.stack(np.meshgrid(centres, centres), axis=-1).astype(np.float32)
    probability = np.asarray(jax.nn.sigmoid(score(jnp.asarray(x))))
    colours, extent = style.SIGNED.resampled(SHADES), (low, high, low, high)
    return ax.imshow(
        probability,
        cmap=colours,
        vmin=0,
        vmax=1,
        alpha=0.55,
        origin="lower",
        extent=extent,
        interpolation="nearest",
    )


def _grid() -> np.ndarray:
    """The lines of a square grid, ``(2 LINES, POINTS, 2)``, first those along the first axis."""
    along, across = np.linspace(-REACH, REACH, POINTS), np.linspace(-REACH, REACH, LINES)
    one_way = np.stack(np.meshgrid(along, across), axis=-1)
    return np.concatenate([one_way, one_way[..., ::-1]]).astype(np.float32)


def _arrows(ax: Axes, score: Score, loss: Callable, points: np.ndarray, longest: float) -> None:
    downhill = -np.asarray(jax.grad(lambda x: jnp.sum(loss(score(x))))(jnp.asarray(points)))
    largest = np.linalg.norm(downhill, axis=1).max(initial=0.0)
    if largest > 0:
        step = downhill / largest * longest
        ax.quiver(
            *points.T,
            *step.T,
            color=style.GREEN,
            angles="xy",
            scale_units="xy",
            scale=1,
            width=0.004,
        )
