"""Beam search: the most probable continuations of a prompt."""

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jnn.decoding.checks import NO_TOKEN, check_chosen, check_prompt, check_stop
from jnn.decoding.generate import logits_shape, model_input, prefill
from jnn.decoding.loop_invariants import hoist_invariants
from jnn.integers import check_integer, check_number
from jnn.model import Model
from jnn.precision import numerics


class Beams(NamedTuple):
    """The best continuations of each prompt, best first."""

    tokens: jax.Array
    """``(..., beams, length)`` int32; zeros after a stop token, -1 where logits were NaN."""
    lengths: jax.Array
    """``(..., beams)`` int32: the number of tokens, the stop token included."""
    scores: jax.Array
    """``(..., beams)``: the log-probability over ``((5 + length) / 6) ** length_penalty``.

    ``-inf`` where there is no continuation.
    """


class _Prefixes(NamedTuple):
    """The K prefixes of one prompt that are still extended, and the K best that have ended."""

    i: jax.Array
    carry: Any
    logits: jax.Array
    tokens: jax.Array
    log_p: jax.Array
    ended: Beams
    failed: jax.Array
    """Whether the logits after one of the prefixes were NaN."""


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
    """The ``beams`` best continuations of at most ``length`` tokens that beam search finds.

    After each token the ``beams`` most probable prefixes that have not ended are kept, and the best
    of those that have, by

        score = log p(tokens | prompt) / ((5 + number of tokens) / 6) ** length_penalty

    Prefixes that have not ended after ``length`` tokens end there. The search ends early where no
    prefix can become better than the continuations that have ended. With one beam and without stop
    tokens it is greedy decoding. ``prompt``, ``stop``, ``mask`` and ``context`` are as in
    `jnn.decoding.generate.generate`.

    Source: Wu et al. 2016, https://arxiv.org/abs/1609.08144, section 7, without the coverage term.

    >>> import jax, jax.numpy as jnp, jnn
    >>> model = jnn.chain(jnn.embedding(5, 8), jnn.dense(5))
    >>> params, state = jax.jit(model.init)(jax.random.key(0), jnp.array([1]))
    >>> beam_search(model, params, state, jnp.array([1, 2]), length=6, beams=3).tokens.shape
    (3, 6)
    """
    caller = "beam_search"
    prompt, length, stop = check_prompt(
        caller, model, params, state, prompt, length, stop, mask, context
    )
    beams = check_integer(caller, "beams", beams)
    exponent = check_number(caller, "length_penalty", length_penalty, least=0)
    settings = {"length": length, "beams": beams, "stop": stop, "exponent": exponent}
    best = _search(model, params, state, prompt, mask, context, **settings)
    logits = functools.partial(logits_shape, model, params, state, prompt, context)
    check_chosen(caller, best.tokens[..., 0, :], prompt, mask, logits)
    return best


@functools.partial(jax.jit, static_argnames=("model", "length", "beams", "stop", "exponent"))
def _search(model, params, state, prompt, mask, context, *, length, beams, stop, exponent) -> Beams:
    penalty = lambda tokens: ((5 + tokens) / 6) ** exponent

    def step_model(fixed, carry, token):
        params, state, context = fixed
        return jax.vmap(
            lambda carry, token: model.step(params, state, carry, model_input(token, context))
        )(carry, token)

    def search(prompt: jax.Array, mask: jax.Array, context: Any) -> Beams:
        def can_improve(search: _Prefixes):
            reachable = jnp.max(search.log_p) / penalty(length)
            return ~search.failed & (search.i < length) & (reachable > jnp.min(search.ended.scores))

        def advance(search: _Prefixes) -> _Prefixes:
            next_log_p = _log_softmax(search.logits)
            failed = jnp.any(jnp.isnan(next_log_p[:, 0]) & (search.log_p > -jnp.inf))
            log_p = search.log_p[:, None] + next_log_p
            parent, token, log_p = _best((1 + len(stop)) * beams, log_p)
            tokens = search.tokens[parent].at[:, search.i].set(token)
            ends = functools.reduce(
                jnp.logical_or, [token == end for end in stop], search.i == length - 1
            )
            scores = jnp.where(ends, log_p / penalty(search.i + 1), -jnp.inf)
            ended = Beams(tokens, jnp.full(token.shape, search.i + 1), scores)
            ended = jax.tree.map(lambda old, new: jnp.concatenate([old, new]), search.ended, ended)
            ended = jax.tree.map(lambda leaf: leaf[jax.lax.top_k(ended.scores, beams)[1]], ended)
            log_p, chosen = jax.lax.top_k(jnp.where(ends, -jnp.inf, log_p), beams)
            carry = jax.tree.map(lambda leaf: leaf[parent[chosen]], search.carry)
            logits, carry = step(carry, token[chosen])
            return _Prefixes(search.i + 1, carry, logits, tokens[chosen], log_p, ended, failed)

        capacity = prompt.shape[-1] + length
        logits, carry = prefill(model, params, state, prompt, mask, context, capacity)
        check_stop("beam_search", stop, logits.shape[-1])
        repeat = lambda leaf: jnp.broadcast_to(leaf[None], (beams, *leaf.shape))
        carry, logits = jax.tree.map(repeat, (carry, logits))
        tokens = jnp.zeros((beams, length), jnp.int32)
        step = hoist_invariants(step_model, (params, state, context), carry, tokens[:, 0])
        impossible = jnp.full(beams, -jnp.inf, numerics(logits).dtype)
        ended = Beams(tokens, jnp.zeros(beams, jnp.int32), impossible)
        log_p = impossible.at[0].set(0)  # the prompt alone, not K copies of it
        start = _Prefixes(jnp.int32(0), carry, logits, tokens, log_p, ended, jnp.array(False))
        end = jax.lax.while_loop(can_improve, advance, start)
        tokens, lengths, scores = end.ended
        return Beams(
            jnp.where(end.failed, NO_TOKEN, tokens),
            lengths,
            jnp.where(end.failed, jnp.nan, scores),
        )

    for _ in prompt.shape[:-1]:
        search = jax.vmap(search)
    return search(prompt, jnp.ones(prompt.shape, bool) if mask is None else mask, context)


def _log_softmax(logits: jax.Array) -> jax.Array:
    return jax.nn.log_softmax(numerics(logits), axis=-1)


def _best(most: int, log_p: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Rows, columns and values of the ``most`` largest entries of ``log_p`` ``(K, V)``."""
    values, index = jax.lax.top_k(log_p.reshape(log_p.size), min(most, log_p.size))
    return index // log_p.shape[1], index % log_p.shape[1], values
