"""The data of the playground: points in the plane with classes or values, and functions.

All are in the square from -3 to 3. A class is -1 or 1, and a value is between -1 and 1.
"""

from typing import Any

import jax
import jax.numpy as jnp

from jnn.model import child_key

POINTS = 200
"""The most that a set has, for training as for testing."""
EDGE = 3.0
"""Half the side of the square."""
CLASSES = ("circles", "xor", "clusters", "spirals", "moons")
SURFACES = ("slope", "hills", "saddle")
CURVES = ("sine", "bump", "steps", "kink", "wave")
SETS = (*CLASSES, *SURFACES, *CURVES)
"""The names of all sets; the number of one is its place here."""


def make_points(arguments: dict[str, Any]) -> dict[str, dict[str, jax.Array]]:
    """Training and test points of a set.

    ``set`` is the number of one of `SETS`, ``seed`` that of the draws. ``noise`` from 0 to 1 moves
    points of two classes, and is the standard deviation of the values of others. ``flips`` is the
    fraction of training points that get the other class, or for values one drawn at random; test
    points stay right.

    Returns for ``train`` and ``test`` ``x (200, 2)`` and ``y (200,)``. Of functions of one variable
    the second coordinate of x is 0.
    """
    key = jax.random.key(arguments["seed"])
    make = lambda part: _draw(child_key(key, part), arguments["set"], arguments["noise"])
    train, test = make("train"), make("test")
    flip_key, value_key = jax.random.split(child_key(key, "flips"))
    is_flipped = jax.random.bernoulli(flip_key, arguments["flips"], (POINTS,))
    is_class = arguments["set"] < len(CLASSES)
    drawn = jax.random.uniform(value_key, (POINTS,), minval=-1.0, maxval=1.0)
    other = jnp.where(is_class, -train["y"], drawn)
    return {"train": train | {"y": jnp.where(is_flipped, other, train["y"])}, "test": test}


def _draw(key, which, noise):
    shape_key, noise_key = jax.random.split(key)
    u = jax.random.uniform(shape_key, (POINTS, 2))
    n = noise * jax.random.normal(noise_key, (POINTS, 2))
    is_class = jnp.arange(POINTS) % 2 == 0
    x, y = jax.lax.switch(which, _MAKERS, u, n, jnp.where(is_class, 1.0, -1.0))
    return {"x": jnp.clip(x, -EDGE, EDGE), "y": y}


def _polar(radius, angle):
    return jnp.stack([radius * jnp.cos(angle), radius * jnp.sin(angle)], -1)


def _circles(u, n, c):
    radius = jnp.where(c > 0, 1.1 * jnp.sqrt(u[:, 0]), 1.8 + 0.9 * u[:, 0])
    return _polar(radius, 2 * jnp.pi * u[:, 1]) + n, c


def _xor(u, n, c):
    size = 0.2 + 2.5 * u
    sign = jnp.where(jnp.arange(POINTS) % 4 < 2, 1.0, -1.0)
    return size * jnp.stack([sign, c * sign], -1) + n, c


def _clusters(u, n, c):
    spread = 0.6 * jax.scipy.special.ndtri(jnp.clip(u, 1e-3, 1 - 1e-3))
    return 1.2 * c[:, None] + spread + 2 * n, c


def _spirals(u, n, c):
    t = 0.1 + 0.9 * u[:, 0]
    return _polar(2.8 * t, 1.75 * 2 * jnp.pi * t + jnp.where(c > 0, 0, jnp.pi)) + n, c


def _moons(u, n, c):
    x = 1.6 * _polar(1.0, jnp.pi * u[:, 0]) * c[:, None]
    return x + jnp.where(c > 0, 0.8, -0.8)[:, None] * jnp.array([-1.0, -0.5]) + n, c


def _plane(value):
    """A set of values at points spread over the square."""

    def make(u, n, c):
        x = EDGE * (2 * u - 1)
        return x, value(x[:, 0], x[:, 1]) + n[:, 0]

    return make


def _hills(a, b):
    hill = lambda x, y: jnp.exp(-((a - x) ** 2 + (b - y) ** 2) / 1.5)
    return hill(-1.4, 1.2) + hill(1.5, -1.3) - hill(1.5, 1.5) - hill(-1.3, -1.5)


def _curve(value):
    """A function of the first coordinate alone."""

    def make(u, n, c):
        x = EDGE * (2 * u[:, 0] - 1)
        return jnp.stack([x, 0 * x], -1), value(x) + n[:, 0]

    return make


_VALUES = {
    "slope": _plane(lambda a, b: (a + b) / 6),
    "hills": _plane(_hills),
    "saddle": _plane(lambda a, b: a * b / 9),
    "sine": _curve(lambda x: 0.8 * jnp.sin(2 * x)),
    "bump": _curve(lambda x: 1.6 * jnp.exp(-2 * x**2) - 0.8),
    "steps": _curve(lambda x: 0.7 * jnp.round(jnp.clip(x, -2.4, 2.4) / 1.5) / 1.5),
    "kink": _curve(lambda x: jnp.abs(x) / 2 - 0.7),
    "wave": _curve(lambda x: 0.5 * jnp.sin(x * jnp.abs(x)) + x / 8),
}
_MAKERS = [_circles, _xor, _clusters, _spirals, _moons, *_VALUES.values()]
