"""Divergences between distributions."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jnn.losses import checks


def kl_divergence(log_predictions: ArrayLike, targets: ArrayLike) -> jax.Array:
    """The Kullback-Leibler divergence ``KL(q ‖ p)`` of predictions p from targets q.

        KL(q ‖ p) = Σ_c q_c (log q_c - log p_c),   0 log 0 = 0

    ``log_predictions`` are log-probabilities (``jax.nn.log_softmax`` of logits) and ``targets``
    probabilities, both ``(..., classes)``. Returns ``(...)`` in nats, at least float32: the sum
    over classes of PyTorch's ``kl_div(log p, q, reduction="none")``.

    >>> print(f"{kl_divergence(jnp.log(jnp.array([0.5, 0.5])), jnp.array([1.0, 0.0])):.3f}")
    0.693
    """
    log_p, q = checks.paired(
        "kl_divergence", log_predictions, targets, ("log_predictions", "targets")
    )
    log_q = jnp.log(jnp.where(q == 0, 1, q))
    return jnp.sum(q * log_q - checks.times(q, log_p), axis=-1)


def gaussian_kl_divergence(mean: ArrayLike, log_variance: ArrayLike) -> jax.Array:
    """The Kullback-Leibler divergence of a diagonal Gaussian from the standard one.

        KL(N(μ, σ²) ‖ N(0, 1)) = ½ Σ (μ² + σ² - 1 - log σ²)

    ``mean`` μ and ``log_variance`` log σ² are ``(..., features)``; returns ``(...)`` in nats, at
    least float32. Computed with ``expm1``, because near the prior σ² - 1 and log σ² cancel.

    Source: Kingma and Welling 2014, appendix B.

    >>> print(gaussian_kl_divergence(jnp.array([1.0, 0.0]), jnp.zeros(2)))
    0.5
    """
    mu, s = checks.paired("gaussian_kl_divergence", mean, log_variance, ("mean", "log_variance"))
    log_variance = jnp.where(s == jnp.inf, 0, s)  # infinity less infinity would be NaN
    return 0.5 * jnp.sum(mu**2 + jnp.expm1(s) - log_variance, axis=-1)
