"""The most probable continuation of a prompt, looked for with a few candidates side by side."""

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jnn.decoding.generate import check_prompt, model_input, read_prompt
from jnn.errors import mistake
from jnn.model import Model


class Beams(NamedTuple):
    """The best continuations of each prompt, best first."""

    tokens: jax.Array
    """``(..., beams, length)`` int32; zeros after a stop token."""
    lengths: jax.Array
    """``(..., beams)`` int32: how many tokens were written, the stop token included."""
    scores: jax.Array
    """``(..., beams)``: the logarithm of the probability over
    ``((5 + length) / 6) ** length_penalty``; ``-inf`` where there is none.
    """


class _Search(NamedTuple):
    """The prefixes of one prompt that go on, K of them, and the K best that have ended."""

    i: jax.Array
    carry: Any
    logits: jax.Array
    tokens: jax.Array
    log_p: jax.Array
    ended: Beams


def beam_search(
    model: Model,
    params: Any,
    state: Any,
    prompt: jax.Array,
    *,
    length: int,
    beams: int = 4,
    stop: tuple[int, ...] = (),
    length_penalty: float = 0.6,
    mask: jax.Array | None = None,
    context: Mapping[str, Any] | None = None,
) -> Beams:
    """The ``beams`` best continuations of at most ``length`` tokens that a search over prefixes
    finds.

    After each token the ``beams`` most probable prefixes that have not ended are kept, and the best
    of those that have, by

        score = log p(tokens | prompt) / ((5 + number of tokens) / 6) ** length_penalty

    Prefixes that have not ended after ``length`` tokens end there. ``prompt``, ``stop``, ``mask``
    and ``context`` are as in `jnn.decoding.generate.generate`. It ends early where no prefix can
    become better than what has ended. With one beam and without stop tokens it is the greedy
    choice. Source: Wu et al. 2016, https://arxiv.org/abs/1609.08144, section 7, without the term
    for coverage.

    >>> import jax, jax.numpy as jnp, jnn
    >>> model = jnn.chain(jnn.embedding(5, 8), jnn.dense(5))
    >>> params, state = model.init(jax.random.key(0), jnp.array([1]))
    >>> beam_search(model, params, state, jnp.array([1, 2]), length=6, beams=3).tokens.shape
    (3, 6)
    """
    check_prompt("beam_search", model, prompt, length, mask)
    if not isinstance(beams, int) or beams < 1:
        raise mistake("beam_search", got=f"beams={beams!r}", expected="an integer >= 1")
    if length_penalty < 0:
        raise mistake(
            "beam_search", got=f"length_penalty={length_penalty!r}", expected="a number >= 0"
        )
    penalty = lambda tokens: ((5 + tokens) / 6) ** length_penalty

    def search(prompt: jax.Array, mask: jax.Array, context: Any) -> Beams:
        step = jax.vmap(
            lambda carry, token: model.step(params, state, carry, model_input(token, context))
        )

        def goes_on(found: _Search):
            reachable = jnp.max(found.log_p) / penalty(length)
            return (found.i < length) & (reachable > jnp.min(found.ended.scores))

        def advance(found: _Search) -> _Search:
            parent, token, log_p = _best(
                (1 + len(stop)) * beams, found.log_p[:, None] + _log_softmax(found.logits)
            )
            tokens = found.tokens[parent].at[:, found.i].set(token)
            ends = functools.reduce(
                jnp.logical_or, [token == end for end in stop], found.i == length - 1
            )
            scores = jnp.where(ends, log_p / penalty(found.i + 1), -jnp.inf)
            ended = Beams(tokens, jnp.full(token.shape, found.i + 1), scores)
            ended = jax.tree.map(lambda old, new: jnp.concatenate([old, new]), found.ended, ended)
            ended = jax.tree.map(lambda leaf: leaf[jax.lax.top_k(ended.scores, beams)[1]], ended)
            log_p, chosen = jax.lax.top_k(jnp.where(ends, -jnp.inf, log_p), beams)
            logits, carry = step(
                jax.tree.map(lambda leaf: leaf[parent[chosen]], found.carry), token[chosen]
            )
            return _Search(found.i + 1, carry, logits, tokens[chosen], log_p, ended)

        logits, carry = read_prompt(
            model, params, state, prompt, mask, context, prompt.shape[-1] + length
        )
        carry, logits = jax.tree.map(
            lambda leaf: jnp.broadcast_to(leaf[None], (beams, *leaf.shape)), (carry, logits)
        )
        tokens = jnp.zeros((beams, length), jnp.int32)
        none = jnp.full(beams, -jnp.inf, jnp.promote_types(logits.dtype, jnp.float32))
        first = _Search(
            jnp.int32(0),
            carry,
            logits,
            tokens,
            none.at[0].set(0),
            Beams(tokens, jnp.zeros(beams, jnp.int32), none),
        )
        return jax.lax.while_loop(goes_on, advance, first).ended

    for _ in prompt.shape[:-1]:
        search = jax.vmap(search)
    return search(prompt, jnp.ones(prompt.shape, bool) if mask is None else mask, context)


def _log_softmax(logits: jax.Array) -> jax.Array:
    return jax.nn.log_softmax(logits.astype(jnp.promote_types(logits.dtype, jnp.float32)), axis=-1)


def _best(most: int, log_p: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The row, the column and the value of the ``most`` largest entries of ``log_p`` ``(K, V)``, or
    of all where there are fewer.
    """
    values, index = jax.lax.top_k(log_p.reshape(log_p.size), min(most, log_p.size))
    return index // log_p.shape[1], index % log_p.shape[1], values
