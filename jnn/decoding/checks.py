"""Checks of what is to be continued, in Python, and the mark of a token that could not be chosen.

What the values of an array decide, such as logits that are NaN, cannot raise in a compiled program.
There the token is `NO_TOKEN` with the log-probability NaN, and so are all after it; a call that is
not itself within a transformation of JAX then raises.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jnn.decoding.sampling import Sampling
from jnn.errors import mistake
from jnn.integers import as_integer, check_integer, spelled
from jnn.layers.checks import check_params
from jnn.model import Model, streams

NO_TOKEN = -1


def check_prompt(
    caller: str,
    model: Model,
    params: Any,
    state: Any,
    prompt: jax.Array,
    length: int,
    stop: Iterable[int],
    mask: jax.Array | None,
    context: Mapping[str, Any] | None,
) -> tuple[jax.Array, int, tuple[int, ...]]:
    """Refuse what cannot be continued.

    Returns the prompt in a type that holds the size of any vocabulary, of which 256 would be 0 in
    uint8, and ``length`` and ``stop`` as Python's integers.
    """
    if not isinstance(model, Model) or not streams(model):
        model_type = "" if isinstance(model, Model) else f" of type {type(model).__name__}"
        got = f"a model{model_type} without carry and step"
        raise mistake(caller, got=got, expected="one that streams, element by element")
    check_params(caller, params)
    if not isinstance(state, Mapping):
        got, expected = f"state of type {type(state).__name__}", "a dict, as init makes it"
        raise mistake(caller, got=got, expected=expected)
    length = check_integer(caller, "length", length)
    _check_tokens(caller, prompt, mask)
    _check_context(caller, prompt, context)
    tokens = prompt if jnp.iinfo(prompt.dtype).bits >= 32 else prompt.astype(jnp.int32)
    return tokens, length, _stop_tokens(caller, stop)


def check_draws(caller: str, key: jax.Array, sampling: Sampling) -> None:
    """Refuse what is no key for one draw, and no `Sampling`."""
    dtype, shape = getattr(key, "dtype", None), getattr(key, "shape", None)
    is_typed = dtype is not None and jnp.issubdtype(dtype, jax.dtypes.prng_key)
    if not (is_typed and shape == ()) and not (dtype == np.uint32 and len(shape or ()) == 1):
        got = f"key of type {type(key).__name__}"
        if dtype is not None:
            got = f"key of shape {shape} and dtype {dtype}"
        expected = "one key, such as jax.random.key(0)"
        raise mistake(caller, got=got, expected=expected)
    if not isinstance(sampling, Sampling):
        got = f"sampling of type {type(sampling).__name__}"
        remedy = "Greedy decoding is Sampling(temperature=0)."
        raise mistake(caller, got=got, expected="a jnn.decoding.sampling.Sampling", remedy=remedy)


def check_stop(caller: str, stop: tuple[int, ...], vocabulary: int) -> None:
    """Refuse tokens that the model cannot make."""
    for token in stop:
        if not 0 <= token < vocabulary:
            expected = f"tokens in [0, {vocabulary}), of which the model makes logits"
            raise mistake(caller, got=f"the stop token {token}", expected=expected)


def without_nonsense(logits: jax.Array, prompt: jax.Array, mask: jax.Array | None) -> jax.Array:
    """The logits ``(..., V)`` after prompts ``(..., T)``; NaN after one that is none.

    That is a prompt without a real token, or with one outside of ``[0, V)``.
    """
    inside = (prompt >= 0) & (prompt < logits.shape[-1])
    if mask is None:
        sound = jnp.all(inside, axis=-1)
    else:
        sound = jnp.all(inside | ~mask, axis=-1) & jnp.any(mask, axis=-1)
    return jnp.where(sound[..., None], logits, jnp.nan)


def check_chosen(
    caller: str,
    tokens: jax.Array | np.ndarray,
    prompt: jax.Array | np.ndarray,
    mask: jax.Array | None,
    logits_shape: Callable[[], tuple[int, ...]],
    *,
    first: int = 0,
) -> None:
    """Refuse tokens ``(..., length)`` with one that could not be chosen, unless they are traced.

    ``first`` is the number of tokens that were chosen before. The shape of the logits is asked for
    where there is a mistake to explain.
    """
    if any(isinstance(array, Tracer) for array in (tokens, prompt, mask)):
        return
    bad = np.argwhere(np.asarray(tokens) == NO_TOKEN)
    if not len(bad):
        return
    written, vocabulary = np.asarray(prompt), logits_shape()[-1]
    outside = (written < 0) | (written >= vocabulary)
    outside = np.argwhere(outside if mask is None else outside & np.asarray(mask))
    if len(outside):
        _refuse_outside(caller, written, outside[0], f"in [0, {vocabulary})")
    *row, place = bad[0].tolist()
    remedy = "Look for NaN in params and in the context; a model that diverged has to be trained."
    raise mistake(
        caller,
        got=f"logits without a distribution for token {first + place}" + _of_prompt(row),
        expected="numbers, none of them NaN or +inf, and one at least above -inf",
        remedy=remedy,
    )


def _of_prompt(row: list[int]) -> str:
    return f" after prompt {tuple(row)}" if row else ""


def _check_tokens(caller: str, prompt: Any, mask: Any) -> None:
    """Refuse a prompt that is none, and a mask that is not its own."""
    if not hasattr(prompt, "dtype"):
        _refuse_prompt(caller, f"type {type(prompt).__name__}")
    integers = jnp.issubdtype(prompt.dtype, jnp.integer)
    if not integers or prompt.ndim < 1 or prompt.shape[-1] < 1:
        _refuse_prompt(caller, f"shape {prompt.shape} and dtype {prompt.dtype}")
    if mask is not None:
        expected = f"bool of the prompt's shape {prompt.shape}, True for real tokens"
        if not hasattr(mask, "dtype"):
            raise mistake(caller, got=f"a mask of type {type(mask).__name__}", expected=expected)
        if mask.shape != prompt.shape or mask.dtype != bool:
            got = f"a mask of shape {mask.shape} and dtype {mask.dtype}"
            raise mistake(caller, got=got, expected=expected)
    if isinstance(mask, Tracer):
        return
    real = np.ones(prompt.shape, bool) if mask is None else np.asarray(mask)
    empty = np.argwhere(~np.any(real, axis=-1))
    if len(empty):
        got = f"no real token in prompt {tuple(empty[0].tolist())}"
        raise mistake(caller, got=got, expected="a mask that is True for one at least")
    if isinstance(prompt, Tracer):
        return
    negative = np.argwhere((np.asarray(prompt) < 0) & real)
    if len(negative):
        _refuse_outside(caller, np.asarray(prompt), negative[0], "of the model's vocabulary, >= 0")


def _refuse_prompt(caller: str, description: str) -> NoReturn:
    raise mistake(
        caller,
        got=f"a prompt of {description}",
        expected="integers (..., T), T >= 1",
        remedy="Begin with a token that starts a text, such as a line break.",
    )


def _refuse_outside(caller: str, prompt: np.ndarray, place: np.ndarray, tokens: str) -> NoReturn:
    got = f"the token {prompt[tuple(place)]} at {tuple(place.tolist())} of the prompt"
    remedy = "Use the tokenizer that the model was trained with; give a mask of the real tokens."
    raise mistake(caller, got=got, expected=f"tokens {tokens}", remedy=remedy)


def _check_context(caller: str, prompt: jax.Array, context: Any) -> None:
    """Refuse further inputs without names, and those that are not one for each prompt."""
    if context is None:
        return
    expected = 'a dict of the model\'s further inputs, such as {"source": tokens}'
    if not isinstance(context, Mapping):
        raise mistake(caller, got=f"context of type {type(context).__name__}", expected=expected)
    if "tokens" in context:
        raise mistake(caller, got="context with 'tokens', which are the prompt", expected=expected)
    batch = prompt.shape[:-1]
    for path, leaf in jax.tree_util.tree_leaves_with_path(dict(context)):
        shape, name = getattr(leaf, "shape", None), jax.tree_util.keystr(path)
        if shape is None:
            got = f"context{name} of type {type(leaf).__name__}"
            raise mistake(caller, got=got, expected="an array")
        if shape[: len(batch)] != batch:
            got = f"context{name} of shape {shape}"
            raise mistake(caller, got=got, expected=f"the prompt's leading axes {batch} in front")


def _stop_tokens(caller: str, stop: Any) -> tuple[int, ...]:
    expected = "integers in a tuple, such as (0,), each a token"
    if isinstance(stop, str | bytes | Mapping) or not isinstance(stop, Iterable):
        raise mistake(caller, got=f"stop={spelled(stop)}", expected=expected)
    if isinstance(stop, jax.Array | np.ndarray) and stop.ndim != 1:
        raise mistake(caller, got=f"stop of shape {stop.shape}", expected=expected)
    tokens = []
    for token in stop:
        integer = as_integer(token)
        if integer is None or integer < 0:
            raise mistake(caller, got=f"the stop token {spelled(token)}", expected=expected)
        tokens.append(integer)
    return tuple(tokens)
