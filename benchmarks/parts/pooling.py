"""The gradient of max pooling: jnn's slices with strides and ``lax.reduce_window``."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

import jnn


def gradient(form: str, size: int, stride: int, padding: int) -> Callable[[], Any]:
    """The gradient of the mean square of what a pooling gives, 32 images of 28x28 with 64
    channels.
    """
    layer = jnn.max_pool((size, size), strides=stride, padding=padding)
    edges = ((0, 0), (padding, padding), (padding, padding), (0, 0))
    forms = {
        "jnn": lambda x: layer.apply({}, {}, x)[0],
        "lax": lambda x: lax.reduce_window(
            x, -jnp.inf, lax.max, (1, size, size, 1), (1, stride, stride, 1), edges
        ),
    }
    pool, x = forms[form], jax.random.normal(jax.random.key(0), (32, 28, 28, 64))
    return partial(jax.jit(jax.grad(lambda x: jnp.mean(jnp.square(pool(x))))), x)
