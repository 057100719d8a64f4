"""Next-token probabilities of a language model, and with temperature, top-k and top-p."""

from collections.abc import Mapping, Sequence

import jax.numpy as jnp
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from jnn.decoding.sampling import Sampling, adjusted
from jnn.errors import mistake
from jnn.explain import style
from jnn.explain.tokens import readable, ticks

CHOICES = {
    "unchanged": Sampling(),
    "temperature 0.5": Sampling(temperature=0.5),
    "top-k 5": Sampling(top_k=5),
    "top-p 0.8": Sampling(top_p=0.8),
}


def next_token(
    logits: ArrayLike,
    vocabulary: Sequence[str],
    *,
    after: str = "",
    choices: Mapping[str, Sampling] = CHOICES,
    most: int = 12,
) -> Figure:
    """The most probable next tokens, a panel for each way to sample one.

    Its probabilities are orange bars, on grey ones of the model itself. ``logits`` ``(V,)`` come
    after the text ``after``, of which the end is shown; ``vocabulary`` is the V tokens as text. All
    panels have the same ``most`` tokens, in the order of the model; the last row is the sum of all
    others.

    >>> figure = next_token([2.0, 1.0, 0.0], "abc", choices={"greedy": Sampling(temperature=0)})
    >>> [float(bar.get_width()) for bar in figure.axes[0].containers[1]]
    [1.0, 0.0, 0.0]
    """
    logits = np.asarray(logits, np.float64)
    if logits.shape != (len(vocabulary),):
        raise mistake(
            "next_token",
            got=f"logits {logits.shape}",
            expected=f"({len(vocabulary)},), one for each token",
        )
    p = distribution(logits, Sampling())
    top = np.argsort(-p, kind="stable")[:most]
    names = [vocabulary[int(i)] for i in top]
    others = len(p) - len(top)
    if others:
        names.append(f"{others:,}\N{NO-BREAK SPACE}others")
    rows = lambda p: np.append(p[top], p.sum() - p[top].sum()) if others else p[top]
    end = f" after “{readable(after[-32:], 32)}”" if after else ""
    figure, axes = style.panels(
        1,
        len(choices),
        width=1.2 + 2.1 * len(choices),
        height=1.1 + 0.26 * len(names),
        title=f"Next-token probabilities{end}",
    )
    for i, (ax, (name, sampling)) in enumerate(zip(axes[0], choices.items(), strict=True)):
        _bars(ax, rows(p), rows(distribution(logits, sampling)))
        style.caption(ax, name)
        ticks(ax, "y", [] if i else names)
    return figure


def distribution(logits: ArrayLike, sampling: Sampling) -> np.ndarray:
    """The probabilities ``(..., V)`` from which `jnn.decoding.sampling.sample` draws.

    They are those without penalties, and 0 for a token that is ruled out.

    >>> distribution(np.log([0.5, 0.4, 0.1]), Sampling(top_k=1)).tolist()
    [1.0, 0.0, 0.0]
    """
    z = jnp.asarray(logits)
    if sampling.temperature == 0:
        return np.eye(z.shape[-1])[np.asarray(jnp.argmax(z, axis=-1))]
    z = np.asarray(adjusted(z, sampling), np.float64)
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def _bars(ax: Axes, model: np.ndarray, adjusted: np.ndarray) -> None:
    y = np.arange(len(model))
    ax.barh(y, model, height=0.8, color=style.FAINT)
    ax.barh(y, adjusted, height=0.5, color=style.ORANGE)
    most = max(model.max(), adjusted.max())
    for i, p in enumerate(adjusted):
        end = max(p, model[i]) + 0.03 * most
        colour = style.INK if p else style.QUIET
        ax.text(end, i, f"{100 * p:.1f} %" if p else "—", va="center", fontsize=8, color=colour)
    ax.set(xlim=(0, 1.35 * most), xticks=[])
    ax.invert_yaxis()
    ax.spines["bottom"].set_visible(False)
