"""The gradient of max pooling: jnn's slices with strides beside ``lax.reduce_window``."""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from measure import Comparison, main

import jnn

WINDOWS = {"2x2": (2, 2, 0), "3x3, strides of 2": (3, 2, 1)}


def gradient(name: str) -> Comparison:
    """The gradient of the mean square of what a pooling gives, 32 images of 28x28 with 64
    channels.
    """
    size, stride, padding = WINDOWS[name]
    layer = jnn.max_pool((size, size), strides=stride, padding=padding)
    by_slices = lambda x: layer.apply({}, {}, x)[0]
    edges = ((0, 0), (padding, padding), (padding, padding), (0, 0))
    by_window = lambda x: lax.reduce_window(
        x, -jnp.inf, lax.max, (1, size, size, 1), (1, stride, stride, 1), edges
    )
    x = jax.random.normal(jax.random.key(0), (32, 28, 28, 64))
    way = lambda pool: partial(jax.jit(jax.grad(lambda x: jnp.mean(jnp.square(pool(x))))), x)
    return Comparison(
        f"gradient of max pooling, {name}",
        {"jnn": way(by_slices), "`lax.reduce_window`": way(by_window)},
    )


if __name__ == "__main__":
    main(__file__, [partial(gradient, name) for name in WINDOWS])
