"""Gradients through time: those of the last loss by every earlier input of a sequence model.

For a recurrent network such a gradient is a product of as many Jacobians as there are steps
between, which vanishes or explodes; the gates of LSTM and GRU are there to preserve it.

Sources: Hochreiter 1991; Bengio, Simard, Frasconi 1994, https://doi.org/10.1109/72.279181;
character by character: Madsen 2019, https://doi.org/10.23915/distill.00016.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from jnn import losses
from jnn.errors import mistake
from jnn.explain import style
from jnn.explain.inside.vectors import EMBEDDING, by_vectors
from jnn.layers.checks import check_float
from jnn.model import Model
from jnn.precision import numerics

REACH = 0.01
"""The part of the last input's gradient down to which an input counts as reached."""


def gradient_norms(loss: Callable[[jax.Array], jax.Array], x: jax.Array) -> jax.Array:
    """``|∂ loss(x) / ∂x_t|`` for each element of x ``(T, D)``: ``(T,)``, in float32 at least.

    >>> gradient_norms(lambda x: x[0, 0] + 3 * x[1, 0] + 4 * x[1, 1], jnp.ones((2, 2))).tolist()
    [1.0, 5.0]
    """
    check_float("gradient_norms", x, min_rank=2, axes="(T, features)")
    return jnp.linalg.norm(numerics(jax.grad(loss)(x)), axis=-1)


def loss_gradients(
    model: Model,
    params: Any,
    state: Any,
    tokens: ArrayLike,
    targets: ArrayLike,
    *,
    at: str = EMBEDDING,
) -> np.ndarray:
    """Gradient norms ``(N, T)`` of the last target's cross entropy, by the vectors of the tokens.

    ``tokens`` ``(N, T)``; ``targets`` ``(N,)``, the token after the last; ``at`` is where the model
    tags the vectors ``(T, D)``. Raises `JnnError` where it does not.
    """
    tokens, targets = jnp.asarray(tokens), jnp.asarray(targets)
    if tokens.ndim != 2 or targets.shape != tokens.shape[:1]:
        raise mistake(
            "loss_gradients",
            got=f"tokens {tokens.shape} and targets {targets.shape}",
            expected="(N, T) and (N,)",
        )
    return np.asarray(_loss_gradients(model, params, state, tokens, targets, at))


@functools.partial(jax.jit, static_argnames=("model", "at"))
def _loss_gradients(model, params, state, tokens, targets, at) -> jax.Array:
    def one(tokens, target):
        x, f = by_vectors(model, params, state, tokens, at=at)
        return gradient_norms(lambda x: losses.cross_entropy(f(x)[-1], target), x)

    return jax.vmap(one)(tokens, targets)


def gradient_through_time(norms: Mapping[str, ArrayLike], *, most: int = 400) -> Figure:
    """Gradient norms against the steps back in time, a line for each model, on a logarithmic axis.

    ``norms`` is ``{name: (T,) or (N, T)}``, as `loss_gradients` gives them. A line is the geometric
    mean over N sequences of their norms, each divided by its norm at the last input, so that models
    whose gradients differ as a whole are on one scale. The legend says how many steps back it
    stays above 1 %. Of long sequences the last ``most`` steps are shown.

    >>> figure = gradient_through_time({"halves": [0.25, 0.5, 1.0]})
    >>> figure.axes[0].lines[0].get_ydata().tolist()
    [1.0, 0.5, 0.25]
    """
    lines = {name: relative(value) for name, value in norms.items()}
    length = max((len(line) for line in lines.values()), default=0)
    cut = f" (the last {most} of {length:,} inputs)" if length > most else ""
    title = f"Gradient through time: from the last prediction to its inputs{cut}"
    figure, axes = style.panels(width=7.2, height=4.2, title=title)
    ax = axes[0, 0]
    for i, (name, line) in enumerate(lines.items()):
        steps = reach(line)
        how_far = f"below 1 % after {steps} steps" if steps < len(line) else "above 1 % all the way"
        ax.plot(
            line[:most],
            **style.line(i),
            linewidth=1.8,
            label=f"{name}: {how_far}",
        )
    ax.axhline(REACH, color=style.QUIET, linewidth=1, linestyle=(0, (3, 3)))
    smallest = min((float(np.nanmin(line)) for line in lines.values()), default=REACH)
    ax.set_yscale("log")
    ax.set(xlim=(0, max(1, min(length, most) - 1)), ylim=(max(smallest, 1e-9) / 2, None))
    style.gridded(ax)
    style.caption(
        ax, x="steps back from the last input", y="gradient norm, relative to the last input"
    )
    style.legend(ax)
    return figure


def relative(norms: ArrayLike) -> np.ndarray:
    """The geometric mean over N of ``norm_{T-1-k} / norm_{T-1}``, by steps back k.

    ``norms`` are ``(T,)`` or ``(N, T)``; zeros count as 1e-30.
    """
    g = np.atleast_2d(np.asarray(norms, np.float64))
    if g.ndim != 2 or not g.size or not np.all(g[:, -1] > 0):
        remedy = "The last prediction must depend on the last input."
        raise mistake(
            "gradient_through_time",
            got=f"norms {g.shape}",
            expected="(T,) or (N, T), above 0 at the last input",
            remedy=remedy,
        )
    return np.exp(np.mean(np.log(np.maximum(g[:, ::-1], 1e-30)) - np.log(g[:, -1:]), axis=0))


def reach(line: np.ndarray) -> int:
    """How many steps back a line of `relative` gradients stays above `REACH`: at most its length.

    >>> reach(np.array([1.0, 0.5, 0.001, 0.2]))
    2
    """
    below = np.flatnonzero(line < REACH)
    return int(below[0]) if len(below) else len(line)
