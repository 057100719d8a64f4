"""Draws on a CPU: JAX's hash as it compiles it, and as `jnn.threefry` writes it out."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jnn.threefry import unrolled

FORMS = {"jnn": unrolled, "jax.random": lambda key: key}


def dropout(form: str, shape: tuple[int, ...]) -> Callable[[], Any]:
    """Dropout of an array of ones."""
    of_draw, x = FORMS[form], jnp.ones(shape)

    def drop(key, x):
        return jnp.where(jax.random.bernoulli(of_draw(key), 0.9, x.shape), x / 0.9, 0)

    return partial(jax.jit(drop), jax.random.key(0), x)
