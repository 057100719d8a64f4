"""Two players on a plane: where the discriminator believes in real points, how the generator bends its noise, and where it is sent next."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from jnn.errors import mistake
from jnn.explain import style

CELLS = 80  # of the map along each side
LINES, POINTS = 13, 61  # of the bent grid, and of each line
REACH = 2.0  # standard deviations of the noise that the grid covers
LONGEST = 0.12  # of an arrow, over the side of the plane


def plane(
    real: np.ndarray,
    noise: np.ndarray,
    generate: Callable[[jax.Array], jax.Array],
    score: Callable[[jax.Array], jax.Array],
    *,
    title: str = "",
) -> Figure:
    """A game of two players in two dimensions, in one panel.

    The map is the discriminator's probability of "real", ``σ(score(x))``, orange above a half and blue below; grey dots are real points,
    dark ones generated; the lines are a square grid of noise as the generator bends it, close where it makes many points; arrows show where
    the score of a generated point grows, by ``∇ score(x)``, the longest a fixed part of the panel.

    ``real``      points ``(N, 2)``.
    ``noise``     ``(M, 2)``, from which the generated points are made.
    ``generate``  noise ``(..., 2)`` -> points ``(..., 2)``.
    ``score``     points ``(..., 2)`` -> logits ``(...)``; points must not influence each other.

    After GAN Lab (Kahng et al. 2019, https://arxiv.org/abs/1809.01587). Raises `JnnError` for other shapes.

    >>> points = np.random.default_rng(0).normal(size=(20, 2))
    >>> figure = plane(points, points[:5], lambda z: 0.5 * z, lambda x: -jnp.sum(x**2, axis=-1))
    >>> [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    ['real', 'generated']
    """
    for name, points in (("real", real), ("noise", noise)):
        if np.ndim(points) != 2 or np.shape(points)[1] != 2:
            raise mistake("plane", got=f"{name} of shape {np.shape(points)}", expected="(N, 2): points on a plane")
    made = np.asarray(generate(jnp.asarray(noise)))
    if made.shape != np.shape(noise):
        raise mistake("plane", got=f"a generator that makes {made.shape} of {np.shape(noise)}", expected="a point for each noise")
    low, high = _frame(np.concatenate([real, made]))
    figure, axes = style.panels(width=5.6, height=5.0, title=title)
    ax = axes[0, 0]
    image = _map(ax, score, low, high)
    _bent_grid(ax, generate)
    ax.plot(*np.asarray(real).T, "o", color="#98a2b3", markersize=3.5, markeredgewidth=0, label="real")
    ax.plot(*made.T, "o", color=style.INK, markersize=3.5, markeredgewidth=0, label="generated")
    _arrows(ax, score, made, LONGEST * (high - low))
    ax.set(xlim=(low, high), ylim=(low, high), aspect="equal")
    style.bare(ax)
    style.legend(ax)
    style.colour_bar(figure, image, ax, "probability of real")
    return figure


def _frame(points: np.ndarray) -> tuple[float, float]:
    """The ends of a square around the middle 98 % of points, a fifth larger."""
    low, high = np.quantile(points, [0.01, 0.99])
    margin = 0.1 * (high - low) or 1.0
    return float(low - margin), float(high + margin)


def _map(ax: Axes, score: Callable, low: float, high: float):
    centres = low + (np.arange(CELLS) + 0.5) * (high - low) / CELLS
    x = np.stack(np.meshgrid(centres, centres), axis=-1).astype(np.float32)
    probability = np.asarray(jax.nn.sigmoid(score(jnp.asarray(x))))
    return ax.imshow(
        probability, cmap=style.SIGNED, vmin=0, vmax=1, alpha=0.55, origin="lower", extent=(low, high, low, high), interpolation="bilinear"
    )


def _bent_grid(ax: Axes, generate: Callable) -> None:
    along, across = np.linspace(-REACH, REACH, POINTS), np.linspace(-REACH, REACH, LINES)
    one_way = np.stack(np.meshgrid(along, across), axis=-1)
    lines = np.concatenate([one_way, one_way[..., ::-1]]).astype(np.float32)
    ax.add_collection(LineCollection(list(np.asarray(generate(jnp.asarray(lines)))), colors=style.PURPLE, linewidths=0.7, alpha=0.8))


def _arrows(ax: Axes, score: Callable, points: np.ndarray, longest: float) -> None:
    slope = np.asarray(jax.grad(lambda x: jnp.sum(score(x)))(jnp.asarray(points)))
    most = np.linalg.norm(slope, axis=1).max(initial=0.0)
    if most > 0:
        step = slope / most * longest
        ax.quiver(*points.T, *step.T, color=style.GREEN, angles="xy", scale_units="xy", scale=1, width=0.004)
