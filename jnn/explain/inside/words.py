"""Word attribution: what each word adds to the log-odds of the prediction, by two methods.

    integrated_words   integrated gradients of the words' vectors
    leave_one_out      the decrease when a word is replaced

Log-odds, ``log p_c / (1 - p_c)``, are in nats: 0 is undecided, and with two classes they are the
difference of the two logits.

Sources: Sundararajan et al. 2017, https://arxiv.org/abs/1703.01365; Li, Monroe, Jurafsky 2016,
https://arxiv.org/abs/1612.08220.
"""

import functools
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from jnn.errors import mistake
from jnn.explain import style
from jnn.explain.inside.saliency import AT_ONCE, integrated_gradients
from jnn.explain.inside.vectors import EMBEDDING, by_vectors
from jnn.explain.page.coloured_text import NOTE, RUNNING, card, cell
from jnn.explain.page.markup import Markup
from jnn.explain.tokens import ticks
from jnn.model import Model
from jnn.precision import numerics

MOST_WORDS = 40
"""Words of a text that are shown."""


def log_odds(logits: jax.Array, target: int | jax.Array) -> jax.Array:
    """``log p_c - log(1 - p_c)`` of the class ``target`` by logits ``(K,)``, in float32 at least.

    >>> float(log_odds(jnp.array([1.0, 3.5]), 1))
    2.5
    """
    z = numerics(logits)
    others = jnp.where(jnp.arange(z.shape[-1]) == target, -jnp.inf, z)
    return z[target] - jax.nn.logsumexp(others)


def integrated_words(
    model: Model,
    params: Any,
    state: Any,
    tokens: ArrayLike,
    targets: ArrayLike,
    *,
    mask: ArrayLike | None = None,
    baseline: ArrayLike = 0.0,
    steps: int = 64,
    at: str = EMBEDDING,
) -> np.ndarray:
    """The attribution ``(N, T)`` of each token by integrated gradients of its vector.

    It is what a token of ``tokens`` ``(N, T)`` adds to the log-odds of its text's target ``(N,)``
    while all vectors move straight from ``baseline`` to their values. The sum over a text is the
    difference of its log-odds from those of the baseline, up to an error that falls with ``steps``.

    ``model``     from tokens ``(T,)`` to logits ``(K,)``.
    ``mask``      ``(N, T)``, False for padding.
    ``at``        where the model tags the vectors ``(T, D)``.
    ``baseline``  a number, or vectors of that shape.

    Raises `JnnError` where shapes do not fit and where there is no such tag.
    """
    texts = _texts("integrated_words", tokens, targets, mask)
    return np.asarray(_integrated(model, params, state, texts, baseline, steps, at))


@functools.partial(jax.jit, static_argnames=("model", "steps", "at"))
def _integrated(model, params, state, texts, baseline, steps, at) -> jax.Array:
    def one(tokens, target, mask):
        x, f = by_vectors(model, params, state, tokens, at=at, mask=mask)
        odds = lambda x: log_odds(f(x), target)[None]
        start = jnp.asarray(baseline, x.dtype)
        return jnp.sum(integrated_gradients(odds, x, 0, baseline=start, steps=steps), axis=-1)

    return jax.vmap(one)(*texts)


def leave_one_out(
    model: Model,
    params: Any,
    state: Any,
    tokens: ArrayLike,
    targets: ArrayLike,
    *,
    replacement: int,
    mask: ArrayLike | None = None,
) -> np.ndarray:
    """The decrease ``(N, T)`` of the log-odds of each text's target when one token is replaced.

    Arguments as for `integrated_words`; ``replacement`` is a token without meaning, such as the
    unknown one.
    """
    texts = _texts("leave_one_out", tokens, targets, mask)
    return np.asarray(_left_out(model, params, state, texts, replacement))


@functools.partial(jax.jit, static_argnames="model")
def _left_out(model, params, state, texts, replacement) -> jax.Array:
    def one(tokens, target, mask):
        odds = lambda tokens: log_odds(model.apply(params, state, tokens, mask=mask)[0], target)
        without = lambda i: odds(tokens.at[i].set(replacement))
        return odds(tokens) - jax.lax.map(without, jnp.arange(tokens.shape[0]), batch_size=AT_ONCE)

    return jax.vmap(one)(*texts)


def _texts(
    caller: str, tokens: ArrayLike, targets: ArrayLike, mask: ArrayLike | None
) -> tuple[jax.Array, jax.Array, jax.Array | None]:
    tokens, targets = jnp.asarray(tokens), jnp.asarray(targets)
    mask = None if mask is None else jnp.asarray(mask)
    fits = tokens.ndim == 2 and targets.shape == tokens.shape[:1]
    if not fits or (mask is not None and mask.shape != tokens.shape):
        masked = "" if mask is None else f", mask {mask.shape}"
        raise mistake(
            caller,
            got=f"tokens {tokens.shape}, targets {targets.shape}{masked}",
            expected="tokens (N, T), targets (N,), mask (N, T)",
        )
    return tokens, targets, mask


class Decision(NamedTuple):
    """The prediction of a text, and the attribution of each of its words."""

    words: Sequence[str]
    values: ArrayLike
    """``(T,)``: above zero supports the answer."""
    answer: str
    probability: float
    """That of the answer by the model."""
    truth: str = ""


def right_and_worst(p: ArrayLike, labels: ArrayLike, most: int = 4) -> np.ndarray:
    """Indices of texts to show: the first ``most`` correct ones, then the ``most`` worst others.

    ``p`` ``(N, K)`` are their probabilities; the worst have the lowest one for the true class.

    >>> right_and_worst([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]], [0, 1, 1], most=1).tolist()
    [0, 1]
    """
    p, labels = np.asarray(p), np.asarray(labels)
    right = np.flatnonzero(p.argmax(axis=1) == labels)[:most]
    worst = np.argsort(p[np.arange(len(labels)), labels])
    return np.concatenate([right, worst[~np.isin(worst, right)][:most]])


def decisions(
    model: Model,
    params: Any,
    state: Any,
    examples: Mapping[str, ArrayLike],
    p: ArrayLike,
    *,
    words: Sequence[Sequence[str]],
    classes: Sequence[str],
    replacement: int,
) -> list[Decision]:
    """The predictions of texts, with the attributions of their words by `leave_one_out`.

    ``examples``     ``tokens`` and ``mask`` ``(N, T)`` and ``label`` ``(N,)``.
    ``p``            ``(N, K)``, their probabilities by ``model``, from tokens to logits.
    ``words``        those of each text, one for each token.
    ``replacement``  a token without meaning.
    """
    tokens, mask, labels = (np.asarray(examples[name]) for name in ("tokens", "mask", "label"))
    p = np.asarray(p)
    answers = np.argmax(p, axis=-1).astype(np.int32)
    values = leave_one_out(
        model, params, state, tokens, answers, mask=mask, replacement=replacement
    )
    return [
        Decision(
            words=words[n],
            values=values[n][mask[n]],
            answer=classes[int(answer)],
            probability=float(p[n, answer]),
            truth=classes[int(labels[n])],
        )
        for n, answer in enumerate(answers)
    ]


def coloured_decisions(decisions: Sequence[Decision], *, most: int = MOST_WORDS) -> Markup:
    """Texts whose words are orange where they support the prediction, blue where they oppose it.

    All are on one scale. Above each text are the prediction, its probability, and the true class.

    >>> decision = Decision(["so", "good"], [0.0, 2.0], "positive", 0.9, "positive")
    >>> html = coloured_decisions([decision])
    >>> "predicted positive (90 %), correct" in html, '>good</span>' in html
    (True, True)
    """
    rows = [_checked("coloured_decisions", decision) for decision in decisions]
    scale = max((float(np.abs(row).max(initial=0)) for row in rows), default=0.0) or 1.0
    legend = (
        "Orange supports the prediction, blue opposes it; "
        f"full colour is {style.short(scale)} nats of log-odds."
    )
    body = [f'<div style="{NOTE}">{legend}</div>']
    for decision, row in zip(decisions, rows, strict=True):
        cells = " ".join(
            cell(word, value, scale)
            for word, value in zip(decision.words[:most], row[:most], strict=True)
        )
        cut = f" … ({len(row) - most} more words)" if len(row) > most else ""
        verdict = f'<div style="{NOTE};margin-bottom:0.1rem">{escape(_verdict(decision))}</div>'
        body.append(f'{verdict}<div style="{RUNNING}">{cells}{cut}</div>')
    return card("\n".join(body), "word attributions")


def attribution_bars(decision: Decision, *, most: int = 12) -> Figure:
    """Bars of the largest word attributions of one text, in its order.

    To the right a word supports the prediction, to the left it opposes it.

    >>> decision = Decision(["not", "so", "good"], [-1.0, 0.1, 2.0], "positive", 0.8)
    >>> figure = attribution_bars(decision, most=2)
    >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
    ['not', 'good']
    """
    row = _checked("attribution_bars", decision)
    largest = np.sort(np.argsort(-np.abs(row), kind="stable")[:most])
    cut = f"; the largest {len(largest)} of {len(row)}" if len(largest) < len(row) else ""
    title = f"Word attributions: {_verdict(decision)}{cut}"
    figure, axes = style.panels(width=6.4, height=1.1 + 0.27 * len(largest), title=title)
    ax = axes[0, 0]
    bars = ax.barh(
        range(len(largest)),
        row[largest],
        height=0.7,
        color=[style.ORANGE if value > 0 else style.BLUE for value in row[largest]],
    )
    ax.bar_label(
        bars,
        [f"{value:+.2f}".replace("-", "−") for value in row[largest]],
        padding=3,
        fontsize=8,
        color=style.INK,
    )
    ax.axvline(0, color=style.QUIET, linewidth=0.8)
    ticks(ax, "y", [decision.words[int(i)] for i in largest], size=9)
    ax.invert_yaxis()
    ax.margins(x=0.16)
    ax.spines[["left", "bottom"]].set_visible(False)
    ax.set_xticks([])
    style.caption(ax, x="opposes the prediction  ←  log-odds (nats)  →  supports it")
    return figure


def _verdict(decision: Decision) -> str:
    truth = f", true class {decision.truth}" if decision.truth else ""
    if decision.truth == decision.answer:
        truth = ", correct"
    p = "over 99" if decision.probability >= 0.995 else f"{100 * decision.probability:.0f}"
    return f"predicted {decision.answer} ({p} %){truth}"


def _checked(caller: str, decision: Decision) -> np.ndarray:
    row = np.asarray(decision.values, np.float64)
    if row.shape != (len(decision.words),):
        raise mistake(
            caller,
            got=f"values {row.shape} for {len(decision.words)} words",
            expected="one for each word",
        )
    return row
