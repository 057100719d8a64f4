"""From logits to a token: jnn's draws without a sort, and what JAX has."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jnn.decoding.sampling import Sampling, adjusted, sample

SAMPLINGS = {"all": Sampling(), "top_k": Sampling(top_k=50), "top_p": Sampling(top_p=0.9)}
DRAWS = 20


def draws(form: str, kind: str, rows: int, vocabulary: int) -> Callable[[], Any]:
    """Several draws, one after the other, each from logits of its own."""
    sampling = SAMPLINGS[kind]
    forms = {"jnn": partial(sample, sampling=sampling), "JAX": partial(_by_sorting, kind=kind)}
    draw = forms[form]
    logits = 3 * jax.random.normal(jax.random.key(0), (DRAWS, rows, vocabulary))

    def draw_all(logits):
        keys = jax.random.split(jax.random.key(1), DRAWS)
        return jax.lax.map(lambda of_one: draw(*of_one), (keys, logits))

    return partial(jax.jit(draw_all), logits)


def _by_sorting(key: jax.Array, logits: jax.Array, kind: str) -> jax.Array:
    logits = adjusted(logits, SAMPLINGS["all"])
    if kind == "top_k":
        least = jax.lax.top_k(logits, SAMPLINGS[kind].top_k)[0][..., -1:]
        logits = jnp.where(logits < least, -jnp.inf, logits)
    if kind == "top_p":
        ordered = jnp.sort(logits, axis=-1, descending=True)
        p = jax.nn.softmax(ordered, axis=-1)
        is_kept = jnp.cumsum(p, axis=-1) - p < SAMPLINGS[kind].top_p
        least = jnp.min(jnp.where(is_kept, ordered, jnp.inf), axis=-1, keepdims=True)
        logits = jnp.where(logits < least, -jnp.inf, logits)
    return jax.random.categorical(key, logits)
