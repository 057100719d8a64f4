"""Generating a sequence token by token, with any model that has ``carry``, ``step`` and ``read``.

That is a recurrent network, a transformer, or a composition of both. A prompt is prefilled in one
pass; then each token is drawn from the logits of the last one and fed back to the model. `generate`
is one compiled program for the whole continuation; `stream` yields the same tokens one after the
other; `jnn.decoding.beam_search` searches for the most probable continuation.
"""

import dataclasses
import functools
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jnn.decoding.checks import (
    NO_TOKEN,
    check_chosen,
    check_draws,
    check_prompt,
    check_stop,
    without_nonsense,
)
from jnn.decoding.loop_invariants import hoist_invariants
from jnn.decoding.sampling import Sampling, sample
from jnn.layers.sliding_windows import real_part
from jnn.model import Model, reader
from jnn.precision import numerics

LONGEST_STAGE = 64  # tokens before the cache grows


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
    """What ``jnn generate`` passes to an experiment's ``generate(config, folder, request)``."""

    prompt: str
    """The beginning of a text, a sentence to translate, or what a picture is to show."""
    length: int
    """The most tokens to generate."""
    sampling: Sampling
    """How tokens are chosen."""
    beams: int = 0
    """Candidates of a beam search; 0 for the experiment's own choice."""
    seed: int = 0
    """Seed of the random draws."""


class Generated(NamedTuple):
    """The continuation of each prompt."""

    tokens: jax.Array
    """``(..., length)`` int32; zeros after a stop token, -1 where logits were NaN."""
    lengths: jax.Array
    """``(...)`` int32: the number of tokens generated, the stop token included."""
    log_probabilities: jax.Array
    """``(..., length)``: of each token under the model itself, whatever the sampling was.

    Zeros after a stop token.
    """


class DecodeState(NamedTuple):
    """The state between two tokens."""

    carry: Any
    token: jax.Array
    """The last token, ``(...)``, which the model has not read yet."""
    done: jax.Array
    """``(...)``: whether a stop token was generated."""
    seen: jax.Array | None
    """``(..., V)``: the tokens that occurred, where repetition is penalized."""


def generate(
    model: Model,
    params: Any,
    state: Any,
    prompt: jax.Array,
    *,
    length: int,
    key: jax.Array,
    sampling: Sampling = Sampling(),
    stop: tuple[int, ...] = (),
    mask: jax.Array | None = None,
    context: Mapping[str, Any] | None = None,
) -> Generated:
    """``length`` tokens after each prompt, in one program, which may be part of a larger one.

    Token i is drawn with ``fold_in(key, i)``. The cache starts small and grows in stages, so that
    the first tokens do not attend over the empty slots of the last ones.

    Args:
        model: makes logits ``(..., V)`` from tokens ``(...)``, and has ``carry`` and ``step``.
        prompt: integers ``(..., T)`` in [0, V), T >= 1; those of unequal length are padded.
        mask: ``(..., T)``, True for real tokens, of which each prompt has at least one.
        stop: tokens after which a continuation ends.
        context: further inputs of the model, such as a sentence to translate, with the prompt's
            leading axes: x is then ``{"tokens": tokens, **context}``.

    Raises:
        JnnError: a prompt without a real token or with one outside of the vocabulary, logits that
            are NaN or +inf, a model without ``step``, arguments of another type. Within a
            transformation of JAX, where values cannot raise, the tokens of such a prompt, and from
            such logits on, are -1, and their log-probabilities NaN.

    >>> import jax, jax.numpy as jnp, jnn
    >>> model = jnn.chain(jnn.embedding(5, 8), jnn.dense(5))
    >>> params, state = jax.jit(model.init)(jax.random.key(0), jnp.array([1]))
    >>> prompts = jnp.array([[1, 2], [3, 4]])
    >>> generate(model, params, state, prompts, length=6, key=jax.random.key(1)).tokens.shape
    (2, 6)
    """
    prompt, length, stop = check_prompt(
        "generate", model, params, state, prompt, length, stop, mask, context
    )
    check_draws("generate", key, sampling)
    settings = {"length": length, "sampling": sampling, "stop": stop}
    generated = _generate(model, params, state, prompt, mask, context, key, **settings)
    logits = functools.partial(logits_shape, model, params, state, prompt, context)
    check_chosen("generate", generated.tokens, prompt, mask, logits)
    return generated


@functools.partial(jax.jit, static_argnames=("model", "length", "sampling", "stop"))
def _generate(
    model, params, state, prompt, mask, context, key, *, length, sampling, stop
) -> Generated:
    ends = np.linspace(0, length, 1 + -(-length // LONGEST_STAGE)).round().astype(int)[1:]
    capacities = [prompt.shape[-1] + int(end) for end in ends]
    whole = capacities[-1]
    logits, carry = prefill(model, params, state, prompt, mask, context, capacities[0], whole)
    check_stop("generate", stop, logits.shape[-1])
    choose = functools.partial(_choose, key, sampling, stop)
    decode_state, *first = choose(0, logits, _initial(carry, logits, prompt, mask, sampling))
    chosen = [jax.tree.map(lambda leaf: leaf[None], tuple(first))]

    def step_model(fixed, carry, token):
        params, state, context = fixed
        return model.step(params, state, carry, model_input(token, context))

    starts = [1, *ends[:-1].tolist()]
    for start, end, capacity in zip(starts, ends.tolist(), capacities, strict=True):
        larger = _empty_carry(model, params, model_input(prompt[..., 0], context), capacity, whole)
        decode_state = decode_state._replace(carry=grow_cache(decode_state.carry, larger))
        step = hoist_invariants(
            step_model, (params, state, context), decode_state.carry, decode_state.token
        )

        def advance(decode_state: DecodeState, i, step=step):
            logits, carry = step(decode_state.carry, decode_state.token)
            decode_state, *outputs = choose(i, logits, decode_state._replace(carry=carry))
            return decode_state, tuple(outputs)

        decode_state, outputs = jax.lax.scan(advance, decode_state, jnp.arange(start, end))
        chosen.append(outputs)
    tokens, log_probabilities, alive = (
        jnp.moveaxis(jnp.concatenate(leaves), 0, -1) for leaves in zip(*chosen, strict=True)
    )
    return Generated(tokens, jnp.sum(alive, axis=-1, dtype=jnp.int32), log_probabilities)


def stream(
    model: Model,
    params: Any,
    state: Any,
    prompt: jax.Array,
    *,
    length: int,
    key: jax.Array,
    sampling: Sampling = Sampling(),
    stop: tuple[int, ...] = (),
    mask: jax.Array | None = None,
    context: Mapping[str, Any] | None = None,
) -> Iterator[np.ndarray]:
    """The tokens of `generate`, ``(...)`` at a time, each as soon as it is drawn.

    It ends where all continuations have ended. The arguments are those of `generate`.
    Logits that are NaN are refused when their token is due.

    >>> import jax, jax.numpy as jnp, jnn
    >>> model = jnn.chain(jnn.embedding(5, 8), jnn.dense(5))
    >>> params, state = jax.jit(model.init)(jax.random.key(0), jnp.array([1]))
    >>> tokens = stream(model, params, state, jnp.array([1]), length=3, key=jax.random.key(1))
    >>> [token.shape for token in tokens]
    [(), (), ()]
    """
    prompt, length, stop = check_prompt(
        "stream", model, params, state, prompt, length, stop, mask, context
    )
    check_draws("stream", key, sampling)
    settings = {"sampling": sampling, "stop": stop}
    capacity = prompt.shape[-1] + length
    decode_state = _begin(
        model, params, state, prompt, mask, context, key, capacity=capacity, **settings
    )
    logits = functools.partial(logits_shape, model, params, state, prompt, context)

    def chosen(i: int) -> np.ndarray:
        token = np.asarray(decode_state.token)
        check_chosen("stream", token[..., None], prompt, mask, logits, first=i)
        return token

    yield chosen(0)
    for i in range(1, length):
        if np.all(decode_state.done):
            return
        decode_state = _advance(
            model, params, state, decode_state, context, key, jnp.int32(i), **settings
        )
        yield chosen(i)


# Compiled once for a model, not once for each stream.
@functools.partial(jax.jit, static_argnames=("model", "capacity", "sampling", "stop"))
def _begin(
    model, params, state, prompt, mask, context, key, *, capacity, sampling, stop
) -> DecodeState:
    """The state with the first token of a stream."""
    logits, carry = prefill(model, params, state, prompt, mask, context, capacity)
    check_stop("stream", stop, logits.shape[-1])
    start = _initial(carry, logits, prompt, mask, sampling)
    return _choose(key, sampling, stop, 0, logits, start)[0]


@functools.partial(
    jax.jit, static_argnames=("model", "sampling", "stop"), donate_argnames="decode_state"
)
def _advance(model, params, state, decode_state, context, key, i, *, sampling, stop) -> DecodeState:
    """The state with token i of a stream."""
    token = model_input(decode_state.token, context)
    logits, carry = model.step(params, state, decode_state.carry, token)
    return _choose(key, sampling, stop, i, logits, decode_state._replace(carry=carry))[0]


def grow_cache(carry: Any, larger: Any) -> Any:
    """The contents of ``carry``, in a ``larger`` carry that has room for more elements.

    Along every axis the old elements come first.

    >>> import jax.numpy as jnp
    >>> grow_cache({"key": jnp.ones(2)}, {"key": jnp.zeros(3)})["key"].tolist()
    [1.0, 1.0, 0.0]
    """

    def grow(old, new):
        if old.shape == new.shape:
            return old
        return jax.lax.dynamic_update_slice(new, old.astype(new.dtype), (0,) * new.ndim)

    return jax.tree.map(grow, carry, larger)


def model_input(tokens: jax.Array, context: Mapping[str, Any] | None) -> Any:
    """The model's x: the tokens, and the context they go with."""
    return tokens if context is None else {"tokens": tokens, **context}


def prefill(
    model: Model, params, state, prompt, mask, context, capacity: int, total: int = 0
) -> tuple[jax.Array, Any]:
    """The logits after the last real token of each prompt, and the carry that has read it.

    The carry has room for ``capacity`` of the ``total`` elements of the stream; 0 for as many.
    """
    token = model_input(prompt[..., 0], context)
    carry = _empty_carry(model, params, token, capacity, total or capacity)
    logits, carry = reader(model)(params, state, carry, model_input(prompt, context), mask=mask)
    if mask is None:
        return without_nonsense(logits[..., -1, :], prompt, mask), carry
    first, span = real_part(mask)
    last = jnp.maximum(first + span - 1, 0)
    logits = jnp.take_along_axis(logits, last[..., None, None], axis=-2)[..., 0, :]
    return without_nonsense(logits, prompt, mask), carry


def _empty_carry(model: Model, params, x_t, capacity: int, total: int) -> Any:
    """A carry with room for ``capacity`` of the ``total`` elements of the stream.

    Leaves without elements, which have a length in their shape alone, have that of the stream.
    """
    whole = jax.eval_shape(lambda params, x_t: model.carry(params, x_t, total), params, x_t)
    return jax.tree.map(
        lambda part, whole: part if whole.size else jnp.zeros(whole.shape, whole.dtype),
        model.carry(params, x_t, capacity),
        whole,
    )


def logits_shape(model: Model, params, state, prompt, context) -> tuple[int, ...]:
    """The shape ``(..., V)`` of the logits of one token."""

    def logits(params, state, prompt, context):
        token = model_input(prompt[..., 0], context)
        return model.step(params, state, model.carry(params, token, 1), token)[0]

    return jax.eval_shape(logits, params, state, prompt, context).shape


def _initial(carry, logits, prompt, mask, sampling: Sampling) -> DecodeState:
    """The state after the prompt, before the first token."""
    seen = None
    if sampling.repetition_penalty != 1:
        is_token = jax.nn.one_hot(prompt, logits.shape[-1], dtype=bool)
        real = True if mask is None else mask[..., None]
        seen = jnp.any(is_token & real, axis=-2)
    batch = prompt.shape[:-1]
    return DecodeState(carry, jnp.zeros(batch, jnp.int32), jnp.zeros(batch, bool), seen)


def _choose(key, sampling: Sampling, stop: tuple[int, ...], i, logits, decode_state: DecodeState):
    """The state after token i, the token, its log-probability, and whether it counts."""
    _, last, done, seen = decode_state
    alive = ~done
    token = jnp.where(alive, sample(jax.random.fold_in(key, i), logits, sampling, seen), 0)
    log_p = jax.nn.log_softmax(numerics(logits), axis=-1)
    log_p = jnp.where(alive, jnp.take_along_axis(log_p, token[..., None], axis=-1)[..., 0], 0)
    failed = alive & (jnp.isnan(log_p) | (last == NO_TOKEN))
    token, log_p = jnp.where(failed, NO_TOKEN, token), jnp.where(failed, jnp.nan, log_p)
    for end in stop:
        done = done | (alive & (token == end))
    if seen is not None:
        seen = seen | jax.nn.one_hot(token, logits.shape[-1], dtype=bool)
    return DecodeState(decode_state.carry, token, done, seen), token, log_p, alive
