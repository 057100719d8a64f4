"""Gradients of a convolution: jnn's bilinear primitive and ``lax.conv_general_dilated``."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jnn.layers.bilinear_convolution import convolution
from jnn.layers.convolution_forms import Geometry

BATCH, SIDE, STEPS, MEMBERS = 32, 28, 2, 16


def of_jnn(x, kernel, groups=1):
    """A 3x3 convolution by jnn's primitive."""
    return convolution(x, kernel, Geometry((1, 1), ((1, 1), (1, 1)), (1, 1), (1, 1), groups))


def of_lax(x, kernel, groups=1):
    """The same by ``lax.conv_general_dilated``."""
    dimensions = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(
        x, kernel, (1, 1), "SAME", feature_group_count=groups, dimension_numbers=dimensions
    )


FORMS = {"jnn": of_jnn, "lax": of_lax}


def gradients(convolve: Callable) -> Callable:
    """Value and both gradients of the mean square of a convolution."""
    square = lambda x, kernel: jnp.mean(jnp.square(convolve(x, kernel)))
    return jax.value_and_grad(square, argnums=(0, 1))


def operands(batch: int, channels: int, features: int, groups: int, side: int = SIDE):
    """Random images and a random kernel."""
    x = jax.random.normal(jax.random.key(0), (batch, side, side, channels))
    return x, jax.random.normal(jax.random.key(1), (3, 3, channels // groups, features)) / 9


def once(
    form: str, channels: int, features: int, groups: int = 1, batch: int = BATCH, side: int = SIDE
) -> Callable[[], Any]:
    """One call of the gradients."""
    f = gradients(partial(FORMS[form], groups=groups))
    return partial(jax.jit(f), *operands(batch, channels, features, groups, side))


def patches(form: str, size: int, channels: int, features: int) -> Callable[[], Any]:
    """Value and gradients of a convolution into patches; those of 1x1 are pointwise."""
    x = jax.random.normal(jax.random.key(0), (BATCH, SIDE, SIDE, channels))
    kernel = jax.random.normal(jax.random.key(1), (size, size, channels, features)) / 9
    geometry = Geometry((size, size), ((0, 0), (0, 0)), (1, 1), (1, 1), 1)
    return _of_any(form, x, kernel, geometry)


def transposed(form: str, channels: int, features: int) -> Callable[[], Any]:
    """Value and gradients of a transposed convolution, 4x4 with strides of 2, of 14x14."""
    x = jax.random.normal(jax.random.key(0), (BATCH, SIDE // 2, SIDE // 2, channels))
    kernel = jax.random.normal(jax.random.key(1), (4, 4, channels, features)) / 9
    return _of_any(form, x, kernel, Geometry((1, 1), ((2, 2), (2, 2)), (2, 2), (1, 1), 1))


def volume(form: str, channels: int, features: int) -> Callable[[], Any]:
    """Value and gradients over three axes, 3x3x3, of 4 volumes of 16x16x16."""
    x = jax.random.normal(jax.random.key(0), (4, 16, 16, 16, channels))
    kernel = jax.random.normal(jax.random.key(1), (3, 3, 3, channels, features)) / 9
    ones = (1, 1, 1)
    return _of_any(form, x, kernel, Geometry(ones, ((1, 1),) * 3, ones, ones, 1))


def _of_any(form: str, x, kernel, geometry: Geometry) -> Callable[[], Any]:
    orders = ("NHWC", "HWIO", "NHWC") if x.ndim == 4 else ("NDHWC", "DHWIO", "NDHWC")
    forms = {
        "jnn": lambda x, kernel: convolution(x, kernel, geometry),
        "lax": lambda x, kernel: lax.conv_general_dilated(x, kernel, *geometry[:4], orders),
    }
    return partial(jax.jit(gradients(forms[form])), x, kernel)


def in_a_loop(form: str, channels: int, features: int, groups: int = 1) -> Callable[[], Any]:
    """The gradients in ``lax.scan``, as in several training steps of one dispatch."""
    f = gradients(partial(FORMS[form], groups=groups))

    def descend(operands, _):
        return jax.tree.map(lambda a, g: a - 0.1 * g, operands, f(*operands)[1]), None

    loop = jax.jit(lambda operands: lax.scan(descend, operands, None, length=STEPS)[0])
    return partial(loop, operands(BATCH, channels, features, groups))


def members(form: str, how: str) -> Callable[[], Any]:
    """The gradients of many small networks that see the same images."""
    conv, x = FORMS[form], jax.random.normal(jax.random.key(0), (BATCH, SIDE, SIDE, 1))
    shapes = {"first": (MEMBERS, 3, 3, 1, 16), "second": (MEMBERS, 3, 3, 16, 32)}
    kernels = {
        name: 0.1 * jax.random.normal(jax.random.key(i), shape)
        for i, (name, shape) in enumerate(shapes.items())
    }

    def loss(kernels):
        h = jax.nn.relu(conv(x, kernels["first"]))
        h = h.reshape(BATCH, SIDE // 2, 2, SIDE // 2, 2, 16).max((2, 4))
        return jnp.mean(jnp.square(jax.nn.relu(conv(h, kernels["second"]))))

    gradient = jax.grad(loss)
    all_of_them = jax.vmap(gradient) if how == "vmap" else partial(lax.map, gradient)
    return partial(jax.jit(all_of_them), kernels)
