"""Writing a sequence token by token, with any model that has ``carry``, ``step`` and ``read``: a
recurrent network, a transformer, or a composition of both.

A prompt is read at once, then each token is drawn from the logits of the last one and given back to
the model. `generate` is one compiled program for the whole continuation; `stream` yields the same
tokens one after the other; `jnn.decoding.beam_search` looks for the most probable continuation.
"""

import dataclasses
import functools
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jnn.decoding.hoist import hoisted
from jnn.decoding.sampling import Sampling, sample
from jnn.errors import mistake
from jnn.model import Model, reader, streams

LONGEST_STAGE = 64  # tokens before the memory grows


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
    """What the command line asks an experiment's ``generate(config, folder, request)`` to write."""

    prompt: str
    """What the text begins with, what is to be translated, or what a picture is to show."""
    length: int
    """The most tokens to write."""
    sampling: Sampling
    """How tokens are chosen."""
    beams: int = 0
    """Candidates of a beam search; 0 for the experiment's own choice."""
    seed: int = 0
    """Seed of what is drawn."""


class Generated(NamedTuple):
    """What was written, for each prompt."""

    tokens: jax.Array
    """``(..., length)`` int32; zeros after a stop token."""
    lengths: jax.Array
    """``(...)`` int32: how many tokens were written, the stop token included."""
    log_probabilities: jax.Array
    """``(..., length)``: of each token under the model itself, whatever the sampling was; zeros
    after a stop token.
    """


class Writing(NamedTuple):
    """The state between two tokens."""

    carry: Any
    token: jax.Array
    """The last token, ``(...)``, which the model has not read yet."""
    done: jax.Array
    """``(...)``: whether a stop token was written."""
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
    """``length`` tokens after each prompt, in one program that one may jit.

    ``model``    makes logits ``(..., V)`` from tokens ``(...)``, and has ``carry`` and ``step``.
    ``prompt``   integers ``(..., T)``, T >= 1; where prompts are of unequal length, padded at the
                 end, and ``mask`` ``(..., T)`` is True for what is real, at least the first.
    ``stop``     tokens after which a continuation ends.
    ``context``  what the model takes beside tokens, such as a sentence to translate, with the
                 prompt's leading axes: x is then ``{"tokens": tokens, **context}``.

    Token i is drawn with ``fold_in(key, i)``. The memory begins small and grows on the way, so that
    the first tokens need not look through the room of the last ones. Raises `JnnError` for an empty
    prompt, and a model without ``step``.

    >>> import jax, jax.numpy as jnp, jnn
    >>> model = jnn.chain(jnn.embedding(5, 8), jnn.dense(5))
    >>> params, state = model.init(jax.random.key(0), jnp.array([1]))
    >>> generate(model, params, state, jnp.array([[1, 2], [3, 4]]), length=6, key=jax.random.key(1)).tokens.shape
    (2, 6)
    """
    check_prompt("generate", model, prompt, length, mask)
    ends = np.linspace(0, length, 1 + -(-length // LONGEST_STAGE)).round().astype(int)[1:]
    room = [prompt.shape[-1] + int(end) for end in ends]
    logits, carry = read_prompt(model, params, state, prompt, mask, context, room[0])
    seen = _tokens_of(prompt, mask, logits.shape[-1]) if sampling.repetition_penalty != 1 else None
    choose = functools.partial(_choose, key, sampling, stop)
    writing, *first = choose(
        0, logits, Writing(carry, prompt[..., 0], jnp.zeros(prompt.shape[:-1], bool), seen)
    )
    written = [jax.tree.map(lambda leaf: leaf[None], tuple(first))]

    def read(fixed, carry, token):
        params, state, context = fixed
        return model.step(params, state, carry, model_input(token, context))

    for start, end, capacity in zip([1, *ends[:-1].tolist()], ends.tolist(), room, strict=True):
        larger = model.carry(params, model_input(prompt[..., 0], context), capacity)
        writing = writing._replace(carry=grown(writing.carry, larger))
        step = hoisted(read, (params, state, context), writing.carry, writing.token)

        def write(writing: Writing, i, step=step):
            logits, carry = step(writing.carry, writing.token)
            writing, *chosen = choose(i, logits, writing._replace(carry=carry))
            return writing, tuple(chosen)

        writing, tokens = jax.lax.scan(write, writing, jnp.arange(start, end))
        written.append(tokens)
    tokens, log_probabilities, alive = (
        jnp.moveaxis(jnp.concatenate(leaves), 0, -1) for leaves in zip(*written, strict=True)
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
    """The tokens of `generate`, ``(...)`` at a time, as soon as each is known; it ends where all
    continuations have ended.

    >>> import jax, jax.numpy as jnp, jnn
    >>> model = jnn.chain(jnn.embedding(5, 8), jnn.dense(5))
    >>> params, state = model.init(jax.random.key(0), jnp.array([1]))
    >>> [token.shape for token in stream(model, params, state, jnp.array([1, 2]), length=3, key=jax.random.key(1))]
    [(), (), ()]
    """
    check_prompt("generate", model, prompt, length, mask)
    choose = functools.partial(_choose, key, sampling, stop)

    @jax.jit
    def begin(params, prompt, mask):
        logits, carry = read_prompt(
            model, params, state, prompt, mask, context, prompt.shape[-1] + length
        )
        seen = (
            _tokens_of(prompt, mask, logits.shape[-1]) if sampling.repetition_penalty != 1 else None
        )
        return choose(
            0, logits, Writing(carry, prompt[..., 0], jnp.zeros(prompt.shape[:-1], bool), seen)
        )[0]

    @functools.partial(jax.jit, donate_argnums=1)
    def advance(params, writing, i):
        logits, carry = model.step(
            params, state, writing.carry, model_input(writing.token, context)
        )
        return choose(i, logits, writing._replace(carry=carry))[0]

    writing = begin(params, prompt, mask)
    yield np.asarray(writing.token)
    for i in range(1, length):
        if np.all(writing.done):
            return
        writing = advance(params, writing, jnp.int32(i))
        yield np.asarray(writing.token)


def grown(carry: Any, larger: Any) -> Any:
    """The memory ``carry`` in one that was made for more elements: what is new comes after what
    there was, along every axis.

    >>> import jax.numpy as jnp
    >>> grown({"key": jnp.ones(2)}, {"key": jnp.zeros(3)})["key"].tolist()
    [1.0, 1.0, 0.0]
    """

    def into(old, new):
        return (
            old
            if old.shape == new.shape
            else jax.lax.dynamic_update_slice(new, old.astype(new.dtype), (0,) * new.ndim)
        )

    return jax.tree.map(into, carry, larger)


def model_input(tokens: jax.Array, context: Mapping[str, Any] | None) -> Any:
    """The model's x: the tokens, and what they go with."""
    return tokens if context is None else {"tokens": tokens, **context}


def check_prompt(
    where: str, model: Model, prompt: jax.Array, length: int, mask: jax.Array | None
) -> None:
    """Refuse what cannot be continued."""
    if not streams(model):
        raise mistake(
            where,
            got="a model without carry and step",
            expected="one that can be read element by element",
        )
    if not isinstance(length, int) or length < 1:
        raise mistake(where, got=f"length={length!r}", expected="an integer >= 1")
    if (
        not hasattr(prompt, "dtype")
        or not jnp.issubdtype(prompt.dtype, jnp.integer)
        or prompt.ndim < 1
        or prompt.shape[-1] < 1
    ):
        shape = (
            f"shape {prompt.shape} and dtype {prompt.dtype}"
            if hasattr(prompt, "dtype")
            else f"type {type(prompt).__name__}"
        )
        remedy = "Begin with a token that starts a text, such as a line break."
        raise mistake(
            where, got=f"a prompt of {shape}", expected="integers (..., T), T >= 1", remedy=remedy
        )
    if mask is not None and mask.shape != prompt.shape:
        raise mistake(
            where, got=f"mask of shape {mask.shape}", expected=f"that of the prompt, {prompt.shape}"
        )


def read_prompt(
    model: Model, params, state, prompt, mask, context, capacity: int
) -> tuple[jax.Array, Any]:
    """The logits after the last real token of each prompt, and the memory of it."""
    carry = model.carry(params, model_input(prompt[..., 0], context), capacity)
    logits, carry = reader(model)(params, state, carry, model_input(prompt, context), mask=mask)
    if mask is None:
        return logits[..., -1, :], carry
    last = jnp.sum(mask, axis=-1, dtype=jnp.int32) - 1
    return jnp.take_along_axis(logits, last[..., None, None], axis=-2)[..., 0, :], carry


def _tokens_of(prompt: jax.Array, mask: jax.Array | None, vocabulary: int) -> jax.Array:
    found = jax.nn.one_hot(prompt, vocabulary, dtype=bool)
    return jnp.any(found if mask is None else found & mask[..., None], axis=-2)


def _choose(key, sampling: Sampling, stop: tuple[int, ...], i, logits, writing: Writing):
    """The state after token i, the token, its logarithm of probability, and whether the
    continuation still went on.
    """
    alive = ~writing.done
    token = jnp.where(alive, sample(jax.random.fold_in(key, i), logits, sampling, writing.seen), 0)
    log_p = jax.nn.log_softmax(logits.astype(jnp.promote_types(logits.dtype, jnp.float32)), axis=-1)
    log_p = jnp.where(alive, jnp.take_along_axis(log_p, token[..., None], axis=-1)[..., 0], 0)
    done = (
        writing.done
        | functools.reduce(jnp.logical_or, [token == end for end in stop], jnp.zeros_like(alive))
        & alive
    )
    seen = (
        None
        if writing.seen is None
        else writing.seen | jax.nn.one_hot(token, logits.shape[-1], dtype=bool)
    )
    return Writing(writing.carry, token, done, seen), token, log_p, alive
