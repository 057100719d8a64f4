"""The logit lens: the next token that a transformer would predict after each of its blocks.

Source: nostalgebraist 2020, "Interpreting GPT: the logit lens".
"""

import functools
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
"""What a block adds to the residual stream."""


def layer_logits(
    model: Model, params: Any, state: Any, x: Any, *, path: str = "blocks"
) -> np.ndarray:
    """The logits ``(depth + 1, T, V)`` of one example x after 0, 1, ... depth blocks.

    ``path`` is the stack of blocks of a `transformer`. What its later blocks add to the residual
    stream is set to zero, so that with pre-norm the model unembeds the features as they are after
    each block; with post-norm they are normalized by the later blocks too. Raises `JnnError` where
    the model has no such stack.
    """
    return np.asarray(_layer_logits(model, params, state, x, path))


@functools.partial(jax.jit, static_argnames=("model", "path"))
def _layer_logits(model: Model, params: Any, state: Any, x: Any, path: str) -> jax.Array:
    _, values = capture(model.apply)(params, state, x)
    paths = [f"{path}/{name}" for name in ADDED]
    added = {name: values[name] for name in paths if name in values}
    if len(added) < 2 or any(value.ndim != 3 for value in added.values()):
        shapes = [f"{name} {value.shape}" for name, value in values.items()]
        raise mistake(
            "layer_logits",
            got=", ".join(shapes) or "nothing",
            expected=f"{path}/attention/output and {path}/feed_forward/output, "
            "(depth, T, width) of one example",
        )
    depth = next(iter(added.values())).shape[0]

    def until(block):
        first = (jnp.arange(depth) < block).reshape(-1, 1, 1)
        changes = {
            name: jnp.where(first, value, jnp.zeros_like(value)) for name, value in added.items()
        }
        return numerics(intervene(model.apply, changes)(params, state, x)[0])

    return jax.vmap(until)(jnp.arange(depth + 1))


def logit_lens(
    logits: ArrayLike, tokens: Sequence[str], vocabulary: Sequence[str], *, most: int = MOST_TOKENS
) -> Figure:
    """The most probable next token after each block, the last on top, coloured by its probability.

    ``logits`` ``(depth + 1, T, V)``, as `layer_logits` gives them; ``tokens`` are the T of the
    input, ``vocabulary`` the V as text. The last ``most`` tokens are shown, and the title says so.
    Beside each row is how often it agrees with the last block, over all tokens.

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
        title=f"Logit lens: the most probable next token after each block{cut}",
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
        ax.text(
            t,
            row,
            readable(vocabulary[int(best[row, t])], 8),
            ha="center",
            va="center",
            fontsize=8,
            color=style.INK if p[row, t] > 0.6 else "white",
            family="DejaVu Sans Mono",
        )
    for row, share in enumerate(agreement):
        text = f"{100 * share:.0f} %"
        ax.text(p.shape[1] - 0.35, row, text, va="center", fontsize=8, color=style.QUIET)
    ticks(ax, "x", tokens[-most:])
    ax.set_yticks(range(len(p)), ["embedding", *(f"block {i}" for i in range(len(p) - 1))])
    ax.tick_params(axis="y", length=0)
    ax.spines[:].set_visible(False)
    style.caption(ax, x="input; on the right, agreement with the last block")
    style.colour_bar(figure, image, ax, "probability")
    return figure
