"""The interpolated n-gram, the baseline of language models."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from jnn.errors import mistake


def ngram_nats(train: ArrayLike, test: ArrayLike, order: int) -> np.ndarray:
    """-ln p of each of ``test[order:]`` given the tokens before it, (len(test) - order,) float64,
    under an n-gram learned from ``train``.

    With h the last k tokens, c(h, x) how often x follows h in ``train``, n(h) = Σ_x c(h, x) and
    u(h) the number of different such x, the probabilities are interpolated from no context to order
    - 1 tokens of it (Witten and Bell 1991; Chen and Goodman 1999):

        p_k(x | h) = (c(h, x) + u(h) p_{k-1}(x | h without its first token)) / (n(h) + u(h)),   p_{-1}
                                                                                                = 1
                                                                                                / V,

    and p_k = p_{k-1} for h that ``train`` does not have. V is the number of different tokens in
    ``train`` and one more, for all others. ``order`` counts the predicted token. The mean is the
    loss in nats a token. Tokens are integers ``(N,)``.

    Raises JnnError for an order below 1, and for texts that are not longer.

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
    # The number of the last k tokens before each place, equal where these are.
    context = np.zeros(len(both), np.int64)
    for k in range(order):
        seen = np.arange(k, len(train))
        follows = _numbered(context * (both.max() + 1) + both)
        c = np.bincount(follows[seen], minlength=follows.max() + 1)
        n = np.bincount(context[seen], minlength=context.max() + 1)
        u = np.bincount(
            context[seen][np.unique(follows[seen], return_index=True)[1]], minlength=len(n)
        )
        h = context[at]
        p = np.where(n[h] > 0, (c[follows[at]] + u[h] * p) / np.maximum(n[h] + u[h], 1), p)
        context = np.concatenate([[0], follows[:-1]])
    return -np.log(p)


def _numbered(x: np.ndarray) -> np.ndarray:
    """Equal values as equal numbers from 0 on."""
    return np.unique(x, return_inverse=True)[1]
