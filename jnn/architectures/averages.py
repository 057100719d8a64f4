"""Models whose prediction is a mean: over the members of an ensemble, or over mirror images.

Each has the params of the model that it is made of, so that what was trained by itself predicts by
its mean.

>>> import jax, jax.numpy as jnp, jnn
>>> ensemble = jnn.ensemble(jnn.dense(2), 5)
>>> params, state = jax.jit(ensemble.init)(jax.random.key(0), jnp.ones(3))
>>> mean_of_members(ensemble).apply(params, state, jnp.ones((7, 3)))[0].shape
(7, 2)
>>> log_p, _ = mean_probabilities(ensemble).apply(params, state, jnp.ones(3))
>>> print(f"{jnp.exp(log_p).sum():.3f}")
1.000
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jnn.model import Model


def mean_of_members(ensemble: Model, of: Callable[[jax.Array], jax.Array] = lambda y: y) -> Model:
    """The mean over members of the output y ``(members, ...)`` of an ensemble, ``(...)``.

    It is the mean of a function of y, such as ``of=lambda y: y[..., 0]`` where y ``(..., 1)`` is a
    number.
    """

    def apply(params, state, x, **options):
        y, state = ensemble.apply(params, state, x, **options)
        return jnp.mean(of(y), axis=0), state

    return Model(ensemble.init, apply)


def mean_probabilities(ensemble: Model) -> Model:
    """The logarithms of the members' mean probabilities, ``log((1 / M) Σ_m softmax(z_m))``.

    ``ensemble`` gives the logits z ``(M, ..., classes)`` of M members; the result is
    ``(..., classes)``. Source: Lakshminarayanan, Pritzel, Blundell 2017,
    https://arxiv.org/abs/1612.01474.
    """

    def apply(params, state, x, **options):
        z, state = ensemble.apply(params, state, x, **options)
        log_p = jax.nn.log_softmax(z, axis=-1)
        return jax.nn.logsumexp(log_p, axis=0) - jnp.log(len(z)), state

    return Model(ensemble.init, apply)


def mean_over_mirror_images(model: Model) -> Model:
    """The mean of what a model makes of images ``(..., H, W, C)`` and of their mirror images."""

    def apply(params, state, x, **options):
        views = [model.apply(params, state, view, **options)[0] for view in (x, jnp.flip(x, -2))]
        return jnp.mean(jnp.stack(views), axis=0), state

    return Model(model.init, apply)
