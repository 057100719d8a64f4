"""Losses against numbers: element-wise, except the cosine distance, which is of vectors."""

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

from jnn.losses import checks
from jnn.tags import tag


def squared_error(predictions: ArrayLike, targets: ArrayLike) -> jax.Array:
    """The squared error ``(ŷ - y)²``, without the ½ of Optax's ``l2_loss``.

    Its ``mean`` is the mean squared error. Equal shapes (``(N, 1)`` against ``(N,)``
    is refused), at least float32.

    >>> print(squared_error(jnp.array([1.0, 2.0]), jnp.array([1.0, 4.0])))
    [0. 4.]
    """
    losses = optax.losses.squared_error(*checks.paired("squared_error", predictions, targets))
    return tag(losses, "squared_error")


def absolute_error(predictions: ArrayLike, targets: ArrayLike) -> jax.Array:
    """The absolute error ``|ŷ - y|``, whose mean is minimized by the median.

    Equal shapes, at least float32.

    >>> print(absolute_error(jnp.array([1.0, 2.0]), jnp.array([1.0, 4.0])))
    [0. 2.]
    """
    predictions, targets = checks.paired("absolute_error", predictions, targets)
    return tag(jnp.abs(predictions - targets), "absolute_error")


def huber(predictions: ArrayLike, targets: ArrayLike, *, delta: ArrayLike = 1.0) -> jax.Array:
    """The Huber loss: ``½ e²`` for errors e = ŷ - y up to δ, and ``δ (|e| - ½ δ)`` beyond.

    The gradient of outliers is bounded. Equal shapes, at least float32; ``delta`` > 0 in the units
    of the targets. As PyTorch's ``huber_loss``; its ``smooth_l1_loss(beta=δ)`` is this divided by
    δ. Source: Huber 1964.

    >>> print(huber(jnp.array([0.5, 3.0]), jnp.array([0.0, 0.0])))
    [0.125 2.5  ]
    """
    predictions, targets = checks.paired("huber", predictions, targets)
    delta = checks.number("huber", "delta", delta, predictions.dtype, 0, ends="()")
    return tag(optax.losses.huber_loss(predictions, targets, delta=delta), "huber")


def quantile(predictions: ArrayLike, targets: ArrayLike, *, level: ArrayLike) -> jax.Array:
    """The pinball loss ``max(τ e, (τ - 1) e)`` with e = y - ŷ.

    Its mean is minimized by the quantile at ``level`` τ in (0, 1): at 0.9 an undershoot costs nine
    times an overshoot, and at 0.5 this is half the absolute error. Equal shapes, at least float32.

    As scikit-learn's ``mean_pinball_loss``. Source: Koenker and Bassett 1978.

    >>> print(quantile(jnp.array([0.0, 2.0]), jnp.array([1.0, 1.0]), level=0.75))
    [0.75 0.25]
    """
    predictions, targets = checks.paired("quantile", predictions, targets)
    tau = checks.number("quantile", "level", level, predictions.dtype, 0, 1, ends="()")
    e = targets - predictions
    return tag(jnp.maximum(tau * e, (tau - 1) * e), "quantile")


def gaussian_negative_log_likelihood(
    mean: ArrayLike, log_variance: ArrayLike, targets: ArrayLike
) -> jax.Array:
    """``½ (log h + (y - μ)² / h)`` of a normal distribution with mean μ and variance h.

    Its mean is minimized by the mean and the variance of the targets. The constant ½ log 2π is left
    out, as in PyTorch's ``gaussian_nll_loss``, which takes the variance itself. Equal shapes, at
    least float32.

    >>> print(gaussian_negative_log_likelihood(jnp.zeros(2), jnp.zeros(2), jnp.array([0.0, 2.0])))
    [0. 2.]
    """
    name = "gaussian_negative_log_likelihood"
    mean, log_variance = checks.paired(name, mean, log_variance, ("mean", "log_variance"))
    mean, targets = checks.paired(name, mean, targets, ("mean", "targets"))
    square = (targets - mean) ** 2
    exact = (square == 0) & jnp.isinf(jnp.exp(-log_variance))  # zero times infinity is zero here
    losses = 0.5 * (log_variance + square * jnp.exp(-jnp.where(exact, 0, log_variance)))
    return tag(losses, "gaussian_negative_log_likelihood")


def cosine_distance(predictions: ArrayLike, targets: ArrayLike) -> jax.Array:
    """One minus the cosine of the angle between vectors, ``1 - a·b / (‖a‖ ‖b‖)``.

    Vectors ``(..., features)`` of equal shapes give ``(...)``, at least float32. A norm below 1e-8
    counts as 1e-8, as in PyTorch's ``cosine_similarity``, so that a zero vector is at distance 1
    with a finite gradient.

    >>> a, b = jnp.array([[1.0, 0.0], [1.0, 1.0]]), jnp.array([[0.0, 2.0], [3.0, 3.0]])
    >>> print(cosine_distance(a, b).round(3))
    [1. 0.]
    """
    a, b = checks.paired("cosine_distance", predictions, targets)
    a, b = a / checks.magnitude(a), b / checks.magnitude(b)  # or squares of 1e20 are infinite
    distances = optax.losses.cosine_distance(a, b, epsilon=1e-16)  # of the squared norms
    return tag(distances, "cosine_distance")
