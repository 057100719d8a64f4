"""What a transformer would say after each of its blocks: its own read-out of the features on their
way (nostalgebraist 2020, "Interpreting GPT: the logit lens")."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from jnn.errors import mistake
from jnn.explain import style
from jnn.explain.tokens import readable, ticks
from jnn.model import Model
from jnn.precision import numerics
from jnn.tags import capture, intervene

MOST_TOKENS = 20

ADDED = ("attention/output", "cross_attention/output", "feed_forward/output")
"""What a block adds to the features on their way."""


def layer_logits(
    model: Model, params: Any, state: Any, x: Any, *, path: str = "blocks"
) -> np.ndarray:
    """The logits ``(depth + 1, T, V)`` of one example x if only the first 0, 1, ... depth blocks
    added anything to the features.

    ``path`` is the stack of blocks of a `transformer`. What its other blocks add is set to zero, so
    that with pre-norm the model itself reads out the features as they are after each block; with
    post-norm they are normalized by the later blocks too. Raises `JnnError` where the model has no
    such stack.
    """

    def run(params, state, x):
        _, values = capture(model.apply)(params, state, x)
        added = {
            f"{path}/{name}": values[f"{path}/{name}"]
            for name in ADDED
            if f"{path}/{name}" in values
        }
        if len(added) < 2 or any(value.ndim != 3 for value in added.values()):
            found = (
                ", ".join(f"{name} {value.shape}" for name, value in values.items()) or "nothing"
            )
            expected = f"{path}/attention/output and {path}/feed_forward/output, (depth, T, width) of one example"
            raise mistake("layer_logits", got=found, expected=expected)
        depth = next(iter(added.values())).shape[0]

        def until(block):
            first = (jnp.arange(depth) < block).reshape(-1, 1, 1)
            changes = {
                name: jnp.where(first, value, jnp.zeros_like(value))
                for name, value in added.items()
            }
            return numerics(intervene(model.apply, changes)(params, state, x)[0])

        return jax.vmap(until)(jnp.arange(depth + 1))

    return np.asarray(jax.jit(run)(params, state, x))


def logit_lens(
    logits: ArrayLike, tokens: Sequence[str], vocabulary: Sequence[str], *, most: int = MOST_TOKENS
) -> Figure:
    """The most probable next token after each block, the last on top, coloured by its probability.

    ``logits`` ``(depth + 1, T, V)``, as `layer_logits` gives them; ``tokens`` are the T that were
    read, ``vocabulary`` the V as text. The last ``most`` tokens are shown, and it is said. Beside
    each row stands how often its word is already the last one's, over all tokens.

    >>> figure = logit_lens(np.log([[[0.9, 0.1]], [[0.2, 0.8]]]), "a", "ab")
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['a', 'b', '0 %', '100 %']
    """
    z = np.asarray(logits, np.float64)
    if z.ndim != 3 or z.shape[1:] != (len(tokens), len(vocabulary)):
        got = f"logits {z.shape} for {len(tokens)} tokens and a vocabulary of {len(vocabulary)}"
        raise mistake("logit_lens", got=got, expected="(depth + 1, tokens, vocabulary)")
    p = np.exp(z - z.max(axis=-1, keepdims=True))
    p = (p / p.sum(axis=-1, keepdims=True)).max(axis=-1)
    best = z.argmax(axis=-1)
    agreement = np.mean(best == best[-1], axis=1)
    p, best = p[:, -most:], best[:, -most:]
    cut = f"; the last {most} of {len(tokens):,} tokens" if len(tokens) > most else ""
    widest = max(len(readable(vocabulary[int(i)], 8)) for i in np.unique(best))
    width = 2.6 + max(0.34, 0.1 * widest + 0.12) * p.shape[1]
    figure, axes = style.panels(
        width=max(6.0, width),
        height=1.6 + 0.34 * len(p),
        title=f"What comes next, read out after each block{cut}",
    )
    ax = axes[0, 0]
    image = ax.imshow(
        p,
        cmap=style.MAGNITUDE,
        vmin=0,
        vmax=1,
        aspect="auto",
        interpolation="nearest",
        origin="lower",
    )
    for row, t in np.ndindex(*best.shape):
        word, colour = (
            readable(vocabulary[int(best[row, t])], 8),
            style.INK if p[row, t] > 0.6 else "white",
        )
        ax.text(
            t,
            row,
            word,
            ha="center",
            va="center",
            fontsize=8,
            color=colour,
            family="DejaVu Sans Mono",
            parse_math=False,
        )
    for row, share in enumerate(agreement):
        ax.text(
            p.shape[1] - 0.35,
            row,
            f"{100 * share:.0f} %",
            va="center",
            fontsize=8,
            color=style.QUIET,
        )
    ticks(ax, "x", tokens[-most:])
    ax.set_yticks(range(len(p)), ["embedding", *(f"block {i}" for i in range(len(p) - 1))])
    ax.tick_params(axis="y", length=0)
    ax.spines[:].set_visible(False)
    style.caption(ax, x="what was read; on the right, agreement with the last row")
    style.colour_bar(figure, image, ax, "probability")
    return figure
