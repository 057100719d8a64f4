"""The loss of language models: the cross entropy of each next token."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from jnn.losses import by_rows, cross_entropy
from jnn.model import Model, Params, State


def next_token_losses(model: Model) -> Callable[..., tuple[jax.Array, State]]:
    """``(params, state, batch, key=, train=) -> losses, state``, in nats, ``(..., T)``.

    ``model`` takes ``batch["tokens"]`` and gives logits; ``batch["targets"]`` are the tokens that
    follow them, both ``(..., T)``.

    >>> import jax.numpy as jnp, jnn
    >>> losses_of = next_token_losses(jnn.function(lambda x: jnp.zeros((*x.shape, 10))))
    >>> tokens = jnp.arange(4)
    >>> losses, _ = losses_of({}, {}, {"tokens": tokens, "targets": tokens + 1})
    >>> [round(float(loss), 3) for loss in losses]  # log 10 each
    [2.303, 2.303, 2.303, 2.303]
    """

    def losses(
        params: Params,
        state: State,
        batch: Mapping[str, Any],
        key: jax.Array | None = None,
        train: bool = False,
    ) -> tuple[jax.Array, State]:
        logits, state = model.apply(params, state, batch["tokens"], key=key, train=train)
        return cross_entropy(logits, batch["targets"]), state

    return losses


def next_token_losses_by_rows(
    features: Model, read_out: Model, rows: int
) -> Callable[..., tuple[jax.Array, State]]:
    """`next_token_losses` of a model in two, as `features_and_read_out` makes it of a transformer.

    Logits are made for ``rows`` elements at a time, forward and backward: for a batch of B windows
    of T tokens they take ``rows / (B T)`` of the memory, and are computed twice. The losses and
    gradients are the same but for the order of sums.
    """

    def losses(
        params: Params,
        state: State,
        batch: Mapping[str, Any],
        key: jax.Array | None = None,
        train: bool = False,
    ) -> tuple[jax.Array, State]:
        h, state = features.apply(params, state, batch["tokens"], key=key, train=train)
        of_rows = lambda h, y: cross_entropy(read_out.apply(params, {}, h)[0], y)
        targets = batch["targets"]
        return by_rows(of_rows, h, targets, rows=rows, axes=targets.ndim), state

    return losses


@functools.lru_cache(maxsize=8)  # of one model one program, for all calls of `predict`
def likelihood(model: Model) -> Model:
    """How probable texts are: tokens ``(..., T)`` -> two numbers for each text, ``(...)``.

    ``nats_per_token`` is the mean negative log-probability of its tokens but the first, which is
    only read; ``perplexity`` is e to the power of it. Masked tokens, those of padding, do not
    count. Without a token to predict both are NaN.

    >>> import jnn
    >>> of_texts = likelihood(jnn.function(lambda x: jnp.zeros((*x.shape, 10))))
    >>> mask = jnp.array([True, True, True, False])
    >>> scores, _ = of_texts.apply({}, {}, jnp.array([1, 2, 3, 0]), mask=mask)
    >>> {name: round(float(value), 3) for name, value in scores.items()}  # as if of ten tokens
    {'nats_per_token': 2.303, 'perplexity': 10.0}
    """

    def apply(params, state, x, *, key=None, train=False, mask=None):
        logits, state = model.apply(params, state, x, key=key, train=train, mask=mask)
        is_counted = jnp.ones(x.shape, bool)[..., 1:] if mask is None else mask[..., 1:]
        nats = cross_entropy(logits[..., :-1, :], x[..., 1:])
        mean = jnp.mean(nats, axis=-1, where=is_counted)
        return {"nats_per_token": mean, "perplexity": jnp.exp(mean)}, state

    return Model(model.init, apply)
