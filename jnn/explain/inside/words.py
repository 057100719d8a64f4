"""The words that moved a decision: what each adds to the log-odds of the answer, by two methods.

    integrated_words   integrated gradients of the words' vectors       Sundararajan et al. 2017, https://arxiv.org/abs/1703.01365
    leave_one_out      the fall when a word is taken out                Li, Monroe, Jurafsky 2016, https://arxiv.org/abs/1612.08220

Log-odds, ``log p_c / (1 - p_c)``, are in nats: 0 is undecided, and with two classes they are the
difference of the two logits.
"""

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
    """What each of the tokens ``(N, T)`` adds to the log-odds of its text's target ``(N,)``, as all
    vectors go straight from ``baseline`` to their own: ``(N, T)``.

    In all, as much as the log-odds are above those of the baseline, up to an error that falls with
    ``steps``. ``model`` makes logits ``(K,)`` of tokens ``(T,)``; ``mask`` ``(N, T)`` is False for
    padding; ``at`` is where the model tags the vectors ``(T, D)``; ``baseline`` is a number or
    vectors of that shape. Raises `JnnError` where shapes do not fit and where there is no such tag.
    """
    tokens, targets, mask = _texts("integrated_words", tokens, targets, mask)

    def one(tokens, target, mask):
        x, f = by_vectors(model, params, state, tokens, at=at, mask=mask)
        odds = lambda x: log_odds(f(x), target)[None]
        return jnp.sum(
            integrated_gradients(odds, x, 0, baseline=jnp.asarray(baseline, x.dtype), steps=steps),
            axis=-1,
        )

    return np.asarray(jax.jit(jax.vmap(one))(tokens, targets, mask))


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
    """How much the log-odds of each text's target fall when each of its tokens in turn is the
    ``replacement``: ``(N, T)``.

    Arguments as for `integrated_words`; the replacement is a token that says nothing, such as the
    unknown one.
    """
    tokens, targets, mask = _texts("leave_one_out", tokens, targets, mask)

    def one(tokens, target, mask):
        odds = lambda tokens: log_odds(model.apply(params, state, tokens, mask=mask)[0], target)
        without = lambda i: odds(tokens.at[i].set(replacement))
        return odds(tokens) - jax.lax.map(without, jnp.arange(tokens.shape[0]), batch_size=AT_ONCE)

    return np.asarray(jax.jit(jax.vmap(one))(tokens, targets, mask))


def _texts(
    where: str, tokens: ArrayLike, targets: ArrayLike, mask: ArrayLike | None
) -> tuple[jax.Array, jax.Array, jax.Array | None]:
    tokens, targets, mask = (
        jnp.asarray(tokens),
        jnp.asarray(targets),
        None if mask is None else jnp.asarray(mask),
    )
    if (
        tokens.ndim != 2
        or targets.shape != tokens.shape[:1]
        or (mask is not None and mask.shape != tokens.shape)
    ):
        got = f"tokens {tokens.shape}, targets {targets.shape}" + (
            "" if mask is None else f", mask {mask.shape}"
        )
        raise mistake(where, got=got, expected="tokens (N, T), targets (N,), mask (N, T)")
    return tokens, targets, mask


class Decision(NamedTuple):
    """A text that was classified, and what each of its words did to it."""

    words: Sequence[str]
    values: ArrayLike
    """``(T,)``: above zero speaks for the answer."""
    answer: str
    probability: float
    """What the model gave the answer."""
    truth: str = ""


def right_and_worst(p: ArrayLike, labels: ArrayLike, most: int = 4) -> np.ndarray:
    """Which texts to show, by probabilities ``p`` ``(N, K)``: the first ``most`` that are
    classified right, then those whose true class got the least.

    >>> right_and_worst([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]], [0, 1, 1], most=1).tolist()
    [0, 1]
    """
    p, labels = np.asarray(p), np.asarray(labels)
    right = np.flatnonzero(p.argmax(axis=1) == labels)[:most]
    return np.concatenate([right, np.argsort(p[np.arange(len(labels)), labels])[:most]])


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
    """What ``model`` says of texts, and what `leave_one_out` says of their words.

    ``examples`` are ``tokens`` and ``mask`` ``(N, T)`` and ``label`` ``(N,)``, and ``p`` ``(N, K)``
    the probabilities that ``model``, which makes logits of tokens, gives them; ``words`` are those
    of each text, one a token; ``replacement`` is a token that says nothing.
    """
    tokens, mask, labels = (np.asarray(examples[name]) for name in ("tokens", "mask", "label"))
    answers = np.argmax(p, axis=-1).astype(np.int32)
    fall = leave_one_out(model, params, state, tokens, answers, mask=mask, replacement=replacement)
    return [
        Decision(own, row[real], classes[int(answer)], float(of_text[answer]), classes[int(label)])
        for own, row, real, answer, of_text, label in zip(
            words, fall, mask, answers, np.asarray(p), labels, strict=True
        )
    ]


def coloured_decisions(decisions: Sequence[Decision], *, most: int = MOST_WORDS) -> Markup:
    """Texts whose words are orange where they speak for the model's answer, and blue where against;
    all on one scale.

    Above each text stand the answer, how sure it is, and what would be right where it is wrong.

    >>> html = coloured_decisions([Decision(["so", "good"], [0.0, 2.0], "positive", 0.9, "positive")])
    >>> "says positive (90 %), which is right" in html, '>good</span>' in html
    (True, True)
    """
    rows = [_checked("coloured_decisions", decision) for decision in decisions]
    scale = max((float(np.abs(row).max(initial=0)) for row in rows), default=0.0) or 1.0
    body = [
        f'<div style="{NOTE}">Orange speaks for the answer, blue against it; full colour is {style.short(scale)} nats of log-odds.</div>'
    ]
    for decision, row in zip(decisions, rows, strict=True):
        cells = " ".join(
            cell(word, value, scale)
            for word, value in zip(decision.words[:most], row[:most], strict=True)
        )
        cut = f" … ({len(row) - most} more words)" if len(row) > most else ""
        verdict = f'<div style="{NOTE};margin-bottom:0.1rem">{escape(_verdict(decision))}</div>'
        body.append(f'{verdict}<div style="{RUNNING}">{cells}{cut}</div>')
    return card("\n".join(body), "words that moved decisions")


def moved(decision: Decision, *, most: int = 12) -> Figure:
    """The words of one text that moved it most, as bars in the order of the text: to the right for
    the answer, to the left against.

    >>> figure = moved(Decision(["not", "so", "good"], [-1.0, 0.1, 2.0], "positive", 0.8), most=2)
    >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
    ['not', 'good']
    """
    row = _checked("moved", decision)
    shown = np.sort(np.argsort(-np.abs(row), kind="stable")[:most])
    some = f"; the {len(shown)} of {len(row)} words that did most" if len(shown) < len(row) else ""
    figure, axes = style.panels(
        width=6.4, height=1.1 + 0.27 * len(shown), title=f"The model {_verdict(decision)}{some}"
    )
    ax = axes[0, 0]
    bars = ax.barh(
        range(len(shown)),
        row[shown],
        height=0.7,
        color=[style.ORANGE if value > 0 else style.BLUE for value in row[shown]],
    )
    ax.bar_label(
        bars,
        [f"{value:+.2f}".replace("-", "−") for value in row[shown]],
        padding=3,
        fontsize=8,
        color=style.INK,
    )
    ax.axvline(0, color=style.QUIET, linewidth=0.8)
    ticks(ax, "y", [decision.words[int(i)] for i in shown], size=9)
    ax.invert_yaxis()
    ax.margins(x=0.16)
    ax.spines[["left", "bottom"]].set_visible(False)
    ax.set_xticks([])
    style.caption(ax, x="against the answer  ←  log-odds (nats)  →  for it")
    return figure


def _verdict(decision: Decision) -> str:
    right = (
        ""
        if not decision.truth
        else ", which is right"
        if decision.truth == decision.answer
        else f", but it is {decision.truth}"
    )
    sure = "over 99" if decision.probability >= 0.995 else f"{100 * decision.probability:.0f}"
    return f"says {decision.answer} ({sure} %){right}"


def _checked(where: str, decision: Decision) -> np.ndarray:
    row = np.asarray(decision.values, np.float64)
    if row.shape != (len(decision.words),):
        raise mistake(
            where,
            got=f"values {row.shape} for {len(decision.words)} words",
            expected="one for each word",
        )
    return row
