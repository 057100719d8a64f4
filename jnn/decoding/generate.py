"""Generating a sequence token by token, with any model that has ``carry``, ``step`` and ``read``.

That is a recurrent network, a transformer, or a composition of both. A prompt is prefilled in one
pass; then each token is drawn from the logits of the last one and fed back to the model. `generate`
is one compiled program for the whole continuation; `stream` yields the same tokens one after the
other; `jnn.decoding.beam_search` searches for the most probable continuation.
"""

import dataclasses
import functools
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, NoReturn

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jnn.decoding.loop_invariants import hoist_invariants
from jnn.decoding.sampling import Sampling, sample
from jnn.errors import mistake
from jnn.integers import check_integer
from jnn.layers.sliding_windows import real_part
from jnn.model import Model, reader, streams
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
    """``(..., length)`` int32; zeros after a stop token."""
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
        prompt: integers ``(..., T)``, T >= 1; prompts of unequal length are padded.
        mask: ``(..., T)``, True for real tokens, of which each prompt has at least one.
        stop: tokens after which a continuation ends.
        context: further inputs of the model, such as a sentence to translate, with the prompt's
            leading axes: x is then ``{"tokens": tokens, **context}``.

    Raises:
        JnnError: an empty prompt, or a model without ``step``.

    >>> import jax, jax.numpy as jnp, jnn
    >>> model = jnn.chain(jnn.embedding(5, 8), jnn.dense(5))
    >>> params, state = jax.jit(model.init)(jax.random.key(0), jnp.array([1]))
    >>> prompts = jnp.array([[1, 2], [3, 4]])
    >>> generate(model, params, state, prompts, length=6, key=jax.random.key(1)).tokens.shape
    (2, 6)
    """
    length = check_prompt("generate", model, prompt, length, mask)
    settings = {"length": length, "sampling": sampling, "stop": tuple(stop)}
    return _generate(model, params, state, prompt, mask, context, key, **settings)


@functools.partial(jax.jit, static_argnames=("model", "length", "sampling", "stop"))
def _generate(
    model, params, state, prompt, mask, context, key, *, length, sampling, stop
) -> Generated:
    ends = np.linspace(0, length, 1 + -(-length // LONGEST_STAGE)).round().astype(int)[1:]
    capacities = [prompt.shape[-1] + int(end) for end in ends]
    logits, carry = prefill(model, params, state, prompt, mask, context, capacities[0])
    choose = functools.partial(_choose, key, sampling, stop)
    decode_state, *first = choose(0, logits, _initial(carry, logits, prompt, mask, sampling))
    chosen = [jax.tree.map(lambda leaf: leaf[None], tuple(first))]

    def step_model(fixed, carry, token):
        params, state, context = fixed
        return model.step(params, state, carry, model_input(token, context))

    starts = [1, *ends[:-1].tolist()]
    for start, end, capacity in zip(starts, ends.tolist(), capacities, strict=True):
        larger = model.carry(params, model_input(prompt[..., 0], context), capacity)
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

    >>> import jax, jax.numpy as jnp, jnn
    >>> model = jnn.chain(jnn.embedding(5, 8), jnn.dense(5))
    >>> params, state = jax.jit(model.init)(jax.random.key(0), jnp.array([1]))
    >>> tokens = stream(model, params, state, jnp.array([1]), length=3, key=jax.random.key(1))
    >>> [token.shape for token in tokens]
    [(), (), ()]
    """
    length = check_prompt("stream", model, prompt, length, mask)
    settings = {"sampling": sampling, "stop": tuple(stop)}
    capacity = prompt.shape[-1] + length
    decode_state = _begin(
        model, params, state, prompt, mask, context, key, capacity=capacity, **settings
    )
    yield np.asarray(decode_state.token)
    for i in range(1, length):
        if np.all(decode_state.done):
            return
        decode_state = _advance(
            model, params, state, decode_state, context, key, jnp.int32(i), **settings
        )
        yield np.asarray(decode_state.token)


# Compiled once for a model, not once for each stream.
@functools.partial(jax.jit, static_argnames=("model", "capacity", "sampling", "stop"))
def _begin(
    model, params, state, prompt, mask, context, key, *, capacity, sampling, stop
) -> DecodeState:
    """The state with the first token of a stream."""
    logits, carry = prefill(model, params, state, prompt, mask, context, capacity)
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


def check_prompt(
    caller: str, model: Model, prompt: jax.Array, length: int, mask: jax.Array | None
) -> int:
    """Refuse what cannot be continued; ``length`` as a Python int."""
    if not streams(model):
        got, expected = "a model without carry and step", "one that streams, element by element"
        raise mistake(caller, got=got, expected=expected)
    length = check_integer(caller, "length", length)
    if not hasattr(prompt, "dtype"):
        _refuse_prompt(caller, f"type {type(prompt).__name__}")
    integers = jnp.issubdtype(prompt.dtype, jnp.integer)
    if not integers or prompt.ndim < 1 or prompt.shape[-1] < 1:
        _refuse_prompt(caller, f"shape {prompt.shape} and dtype {prompt.dtype}")
    if mask is not None and mask.shape != prompt.shape:
        expected = f"that of the prompt, {prompt.shape}"
        raise mistake(caller, got=f"mask of shape {mask.shape}", expected=expected)
    if mask is not None and not isinstance(mask, Tracer):
        empty = np.argwhere(~np.any(np.asarray(mask), axis=-1))
        if len(empty):
            got = f"no real token in prompt {tuple(empty[0].tolist())}"
            raise mistake(caller, got=got, expected="a mask that is True for one at least")
    return length


def _refuse_prompt(caller: str, description: str) -> NoReturn:
    raise mistake(
        caller,
        got=f"a prompt of {description}",
        expected="integers (..., T), T >= 1",
        remedy="Begin with a token that starts a text, such as a line break.",
    )


def prefill(
    model: Model, params, state, prompt, mask, context, capacity: int
) -> tuple[jax.Array, Any]:
    """The logits after the last real token of each prompt, and the carry that has read it.

    The carry has room for ``capacity`` elements.
    """
    carry = model.carry(params, model_input(prompt[..., 0], context), capacity)
    logits, carry = reader(model)(params, state, carry, model_input(prompt, context), mask=mask)
    if mask is None:
        return logits[..., -1, :], carry
    first, span = real_part(mask)
    last = jnp.maximum(first + span - 1, 0)
    return jnp.take_along_axis(logits, last[..., None, None], axis=-2)[..., 0, :], carry


def _initial(carry, logits, prompt, mask, sampling: Sampling) -> DecodeState:
    """The state after the prompt, before the first token."""
    seen = None
    if sampling.repetition_penalty != 1:
        is_token = jax.nn.one_hot(prompt, logits.shape[-1], dtype=bool)
        real = True if mask is None else mask[..., None]
        seen = jnp.any(is_token & real, axis=-2)
    return DecodeState(carry, prompt[..., 0], jnp.zeros(prompt.shape[:-1], bool), seen)


def _choose(key, sampling: Sampling, stop: tuple[int, ...], i, logits, decode_state: DecodeState):
    """The state after token i, the token, its log-probability, and whether it counts."""
    _, _, done, seen = decode_state
    alive = ~done
    token = jnp.where(alive, sample(jax.random.fold_in(key, i), logits, sampling, seen), 0)
    log_p = jax.nn.log_softmax(numerics(logits), axis=-1)
    log_p = jnp.where(alive, jnp.take_along_axis(log_p, token[..., None], axis=-1)[..., 0], 0)
    for end in stop:
        done = done | (alive & (token == end))
    if seen is not None:
        seen = seen | jax.nn.one_hot(token, logits.shape[-1], dtype=bool)
    return DecodeState(decode_state.carry, token, done, seen), token, log_p, alive
