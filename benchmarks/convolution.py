"""Gradients of a convolution: jnn's bilinear primitive beside ``lax.conv_general_dilated``, outside
and inside of ``lax.scan``.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from measure import Comparison, main

from jnn.layers.bilinear_convolution import Geometry, convolution

BATCH, SIDE, STEPS = 32, 28, 2
SIZES = {
    "32 -> 64 features": (32, 64, 1),
    "32 -> 64 features, 4 groups": (32, 64, 4),
    "32 features, depthwise": (32, 32, 32),
}
MEMBERS = 16


def of_jnn(x, kernel, groups=1):
    """A 3x3 convolution by jnn's primitive."""
    return convolution(x, kernel, Geometry((1, 1), ((1, 1), (1, 1)), (1, 1), (1, 1), groups))


def of_lax(x, kernel, groups=1):
    """The same by ``lax.conv_general_dilated``."""
    return lax.conv_general_dilated(
        x,
        kernel,
        (1, 1),
        "SAME",
        feature_group_count=groups,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def operands(channels: int, features: int, groups: int):
    """Random images and a random kernel."""
    x = jax.random.normal(jax.random.key(0), (BATCH, SIDE, SIDE, channels))
    return x, jax.random.normal(jax.random.key(1), (3, 3, channels // groups, features)) / 9


def gradients(conv):
    """Value and both gradients of the mean square of a convolution."""
    return jax.value_and_grad(
        lambda x, kernel: jnp.mean(jnp.square(conv(x, kernel))), argnums=(0, 1)
    )


def outside(name: str) -> Comparison:
    """One call of the gradients."""
    x, kernel = operands(*SIZES[name])
    way = lambda conv: partial(jax.jit(gradients(partial(conv, groups=SIZES[name][2]))), x, kernel)
    return Comparison(name, {"jnn": way(of_jnn), "lax": way(of_lax)})


def inside(name: str) -> Comparison:
    """The gradients in a loop, as in several training steps of one dispatch."""
    operand = operands(*SIZES[name])

    def way(conv):
        f = gradients(partial(conv, groups=SIZES[name][2]))
        descend = lambda operand, _: (
            jax.tree.map(lambda a, g: a - 0.1 * g, operand, f(*operand)[1]),
            None,
        )
        return partial(
            jax.jit(lambda operand: lax.scan(descend, operand, None, length=STEPS)[0]), operand
        )

    return Comparison(
        f"{name}, inside `lax.scan`", {"jnn": way(of_jnn), "lax": way(of_lax)}, units=STEPS
    )


def members() -> Comparison:
    """The gradients of many small networks that see the same images."""
    x = jax.random.normal(jax.random.key(0), (BATCH, SIDE, SIDE, 1))
    shapes = {"first": (MEMBERS, 3, 3, 1, 16), "second": (MEMBERS, 3, 3, 16, 32)}
    kernels = {
        name: 0.1 * jax.random.normal(jax.random.key(i), shape)
        for i, (name, shape) in enumerate(shapes.items())
    }

    def gradient(conv):
        def loss(kernels):
            h = jax.nn.relu(conv(x, kernels["first"]))
            h = h.reshape(BATCH, SIDE // 2, 2, SIDE // 2, 2, 16).max((2, 4))
            return jnp.mean(jnp.square(jax.nn.relu(conv(h, kernels["second"]))))

        return jax.grad(loss)

    side_by_side = lambda conv: partial(jax.jit(jax.vmap(gradient(conv))), kernels)
    in_turn = lambda conv: partial(
        jax.jit(lambda kernels: lax.map(gradient(conv), kernels)), kernels
    )
    ways = {
        "jnn, vmap": side_by_side(of_jnn),
        "lax, vmap": side_by_side(of_lax),
        "lax, lax.map": in_turn(of_lax),
    }
    return Comparison(f"{MEMBERS} small networks", ways)


if __name__ == "__main__":
    main(
        __file__,
        [*(partial(where, name) for name in SIZES for where in (outside, inside)), members],
    )
