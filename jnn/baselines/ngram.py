"""The interpolated n-gram model, a baseline of language models."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from jnn.errors import mistake


def ngram_nats(train: ArrayLike, test: ArrayLike, order: int) -> np.ndarray:
    """``-ln p`` of each token of ``test[order:]`` given those before it, by Witten-Bell smoothing.

    The n-gram model is fitted to ``train``. With h the last k tokens, c(h, x) how often x follows h
    in ``train``, n(h) = Σ_x c(h, x) and u(h) the number of different such x, the probabilities are
    interpolated from no context to one of ``order - 1`` tokens:

        p_k(x | h) = (c(h, x) + u(h) p_{k-1}(x | h without its first token)) / (n(h) + u(h))
        p_{-1} = 1 / V

    and p_k = p_{k-1} for h that ``train`` does not have. V is the number of different tokens in
    ``train`` and one more, for all others. ``order`` counts the predicted token.

    Tokens are integers ``(N,)``. Returns (len(test) - order,) float64, whose mean is the loss in
    nats a token. Raises JnnError for an order below 1, and for texts that are not longer.

    Source: Witten and Bell 1991; Chen and Goodman 1999.

    >>> ngram_nats([0, 1, 0, 1, 0], [0, 1, 0], 2).round(3).tolist()
    [0.173]
    """
    train, test = np.asarray(train), np.asarray(test)
    if not 1 <= order < min(len(train), len(test)):
        got = f"order={order}, {len(train)} and {len(test)} tokens"
        raise mistake("ngram_nats", got=got, expected="order >= 1, and longer texts")
    both = _numbered(np.concatenate([train, test]))
    at = len(train) + np.arange(order, len(test))
    p = np.full(len(at), 1 / (len(np.unique(train)) + 1))
    # A number for the last k tokens before each place, equal where the tokens are.
    context = np.zeros(len(both), np.int64)
    for k in range(order):
        fitted = np.arange(k, len(train))
        follows = _numbered(context * (both.max() + 1) + both)
        c = np.bincount(follows[fitted], minlength=follows.max() + 1)
        n = np.bincount(context[fitted], minlength=context.max() + 1)
        _, first = np.unique(follows[fitted], return_index=True)
        u = np.bincount(context[fitted][first], minlength=len(n))
        h = context[at]
        p = np.where(n[h] > 0, (c[follows[at]] + u[h] * p) / np.maximum(n[h] + u[h], 1), p)
        context = np.concatenate([[0], follows[:-1]])
    return -np.log(p)


def character_ngrams(train: str, test: str, orders: Sequence[int] = (1, 3, 5)) -> dict[str, float]:
    """Nats per character of ``test`` by n-gram models of these orders, by name.

    They are means of `ngram_nats`, which leaves out the first characters, as many as the order.

    >>> scores = character_ngrams("abababab", "abab", orders=(1, 2))
    >>> {name: round(nats, 3) for name, nats in scores.items()}
    {'1-gram': 0.762, '2-gram': 0.128}
    """
    codes = lambda text: np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
    a, b = codes(train), codes(test)
    return {f"{order}-gram": float(np.mean(ngram_nats(a, b, order))) for order in orders}


def _numbered(x: np.ndarray) -> np.ndarray:
    """Equal values as equal numbers from 0 on."""
    return np.unique(x, return_inverse=True)[1]
