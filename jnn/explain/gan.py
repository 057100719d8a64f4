"""Two players on a plane: where the discriminator believes in real points, how the generator bends its noise, and where it is sent next."""

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

CELLS = 80  # of the map along each side
SHADES = 31  # of the map: few, so that contours show and pictures stay small
LINES, POINTS = 13, 121  # of the bent grid, and of each line
REACH = 2.0  # standard deviations of the noise that the grid covers
LONGEST = 0.12  # of an arrow, over the side of the plane
GREY = "#98a2b3"

Generate = Callable[[jax.Array], jax.Array]
"""Noise ``(..., 2)`` -> points ``(..., 2)``."""
Score = Callable[[jax.Array], jax.Array]
"""Points ``(..., 2)`` -> logits ``(...)`` of "real"; points must not influence each other."""


def plane(
    real: np.ndarray, noise: np.ndarray, generate: Generate, score: Score, *, loss: Callable = jnp.negative, title: str = ""
) -> Figure:
    """A game of two players in two dimensions, in one panel.

    The map is the discriminator's probability of "real", ``σ(score(x))``, orange above a half and blue below; grey dots are real points,
    dark ones generated; the lines are a square grid of noise as the generator bends it, close where it makes many points; arrows show where
    the generator's loss sends a generated point, ``-∇ₓ loss(score(x))``, the longest a fixed part of the panel.

    ``real``      points ``(N, 2)``.
    ``noise``     ``(M, 2)``, from which the generated points are made.
    ``generate``  noise ``(..., 2)`` -> points ``(..., 2)``.
    ``score``     points ``(..., 2)`` -> logits ``(...)``; points must not influence each other.
    ``loss``      logits -> the generator's loss of each, as in `jnn.losses.adversarial`; by default ``-score``.

    After GAN Lab (Kahng et al. 2019, https://arxiv.org/abs/1809.01587). Raises `JnnError` for other shapes.

    >>> points = np.random.default_rng(0).normal(size=(20, 2))
    >>> figure = plane(points, points[:5], lambda z: 0.5 * z, lambda x: -jnp.sum(x**2, axis=-1))
    >>> [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    ['real', 'generated']
    """
    made = _made("plane", real, noise, generate)
    frame = _frame(np.concatenate([real, made]))
    figure, axes = style.panels(width=5.6, height=5.0, title=title)
    ax = axes[0, 0]
    image = _map(ax, score, *frame)
    _bent_grid(ax, generate)
    _points(ax, real, made)
    _arrows(ax, score, loss, made, LONGEST * (frame[1] - frame[0]))
    _framed(ax, frame)
    style.legend(ax)
    style.colour_bar(figure, image, ax, "probability of real")
    return figure


def film(
    real: np.ndarray,
    noise: np.ndarray,
    moments: Mapping[str, tuple[Generate, Score]],
    *,
    loss: Callable = jnp.negative,
    columns: int = 4,
    title: str = "",
) -> Figure:
    """The game at several moments: as `plane`, without the grid, a panel for each ``(generate, score)``, in one frame.

    Arrows are as long as they can be in their own panel: they compare within a moment, not between moments.

    >>> points = np.random.default_rng(0).normal(size=(20, 2))
    >>> moments = {"start": (lambda z: 0 * z, lambda x: x[..., 0]), "end": (lambda z: z, lambda x: 0 * x[..., 0])}
    >>> figure = film(points, points[:5], moments)
    >>> [ax.get_title(loc="left") for ax in figure.axes[:2]]
    ['start', 'end']
    """
    made = {name: _made("film", real, noise, generate) for name, (generate, _) in moments.items()}
    frame = _frame(np.concatenate([real, *made.values()]))
    figure, used = _strip(len(moments), columns, title)
    for ax, (name, (_, score)) in zip(used, moments.items(), strict=True):
        image = _map(ax, score, *frame)
        _points(ax, real, made[name], size=2.0)
        _arrows(ax, score, loss, made[name], LONGEST * (frame[1] - frame[0]))
        _framed(ax, frame)
        style.caption(ax, name)
    style.colour_bar(figure, image, used, "probability of real")
    return figure


def manifolds(real: np.ndarray, generators: Mapping[str, Generate], *, columns: int = 4, title: str = "") -> Figure:
    """The square grid of noise as each generator bends it, over the real points ``(N, 2)``: all that it can make, and how densely.

    >>> figure = manifolds(np.eye(2), {"untrained": lambda z: 0 * z, "trained": lambda z: z})
    >>> len(figure.axes)
    2
    """
    frame = _frame(np.concatenate([real, *(_made("manifolds", real, real, generate) for generate in generators.values())]))
    figure, used = _strip(len(generators), columns, title)
    for ax, (name, generate) in zip(used, generators.items(), strict=True):
        ax.plot(*np.asarray(real).T, "o", color=GREY, markersize=2.0, markeredgewidth=0)
        _bent_grid(ax, generate)
        _framed(ax, frame)
        style.caption(ax, name)
    return figure


def _made(where: str, real: np.ndarray, noise: np.ndarray, generate: Generate) -> np.ndarray:
    """What the generator makes of the noise, with all shapes checked."""
    for name, points in (("real", real), ("noise", noise)):
        if np.ndim(points) != 2 or np.shape(points)[1] != 2:
            raise mistake(where, got=f"{name} of shape {np.shape(points)}", expected="(N, 2): points on a plane")
    made = np.asarray(generate(jnp.asarray(noise)))
    if made.shape != np.shape(noise):
        raise mistake(where, got=f"a generator that makes {made.shape} of {np.shape(noise)}", expected="a point for each noise")
    return made


def _strip(count: int, columns: int, title: str) -> tuple[Figure, list[Axes]]:
    """A figure of so many square panels in rows."""
    columns = min(columns, count)
    rows = -(-count // columns)
    figure, axes = style.panels(rows, columns, width=2.3 * columns + 0.6, height=2.4 * rows + 0.4, title=title)
    for ax in axes.ravel()[count:]:
        ax.remove()
    return figure, list(axes.ravel()[:count])


def _frame(points: np.ndarray) -> tuple[float, float]:
    """The ends of a square around the middle 98 % of points, a fifth larger."""
    low, high = np.quantile(points, [0.01, 0.99])
    margin = 0.1 * (high - low) or 1.0
    return float(low - margin), float(high + margin)


def _framed(ax: Axes, frame: tuple[float, float]) -> None:
    ax.set(xlim=frame, ylim=frame, aspect="equal")
    style.bare(ax)


def _map(ax: Axes, score: Score, low: float, high: float) -> AxesImage:
    centres = low + (np.arange(CELLS) + 0.5) * (high - low) / CELLS
    x = np.stack(np.meshgrid(centres, centres), axis=-1).astype(np.float32)
    probability = np.asarray(jax.nn.sigmoid(score(jnp.asarray(x))))
    colours, extent = style.SIGNED.resampled(SHADES), (low, high, low, high)
    return ax.imshow(probability, cmap=colours, vmin=0, vmax=1, alpha=0.55, origin="lower", extent=extent, interpolation="nearest")


def _points(ax: Axes, real: np.ndarray, made: np.ndarray, size: float = 3.5) -> None:
    ax.plot(*np.asarray(real).T, "o", color=GREY, markersize=size, markeredgewidth=0, label="real")
    ax.plot(*made.T, "o", color=style.INK, markersize=size, markeredgewidth=0, label="generated")


def _bent_grid(ax: Axes, generate: Generate) -> None:
    along, across = np.linspace(-REACH, REACH, POINTS), np.linspace(-REACH, REACH, LINES)
    one_way = np.stack(np.meshgrid(along, across), axis=-1)
    lines = np.concatenate([one_way, one_way[..., ::-1]]).astype(np.float32)
    ax.add_collection(LineCollection(list(np.asarray(generate(jnp.asarray(lines)))), colors=style.PURPLE, linewidths=0.7, alpha=0.8))


def _arrows(ax: Axes, score: Score, loss: Callable, points: np.ndarray, longest: float) -> None:
    slope = -np.asarray(jax.grad(lambda x: jnp.sum(loss(score(x))))(jnp.asarray(points)))
    most = np.linalg.norm(slope, axis=1).max(initial=0.0)
    if most > 0:
        step = slope / most * longest
        ax.quiver(*points.T, *step.T, color=style.GREEN, angles="xy", scale_units="xy", scale=1, width=0.004)
