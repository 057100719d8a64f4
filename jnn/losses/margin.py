"""Softmax losses of embeddings with a margin, an angle or a cosine, for the true class.

Both take the cosines between an embedding and one learned direction for each class, as
`jnn.architectures.embedding_network.prototypes` gives them, and are `cross_entropy` of ``scale``
times the cosines, of which that of the true class is made smaller.
"""

import math

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jnn.losses import checks
from jnn.losses.classification import cross_entropy

SMALLEST_SQUARED_SINE = 1e-6


def arcface(
    cosines: ArrayLike, labels: ArrayLike, *, scale: ArrayLike = 64.0, margin: float = 0.5
) -> jax.Array:
    """The additive angular margin loss: the angle to the true class is increased by m.

    For cosines ``cos θ_j`` of K classes and the label y,

        l = -log( exp(s cos(θ_y + m)) / (exp(s cos(θ_y + m)) + Σ_{j ≠ y} exp(s cos θ_j)) )

    Args:
        cosines: ``(..., classes)`` from -1 to 1, floating point.
        labels: ``(...)``, integers in ``[0, classes)``; others give NaN.
        scale: s > 0.
        margin: m in ``[0, π/2]``, in radians; 0 gives the cross entropy of scaled cosines.

    Returns:
        One loss an example, ``(...)`` in nats, at least float32.

    Raises:
        JnnError: one-hot or floating-point labels; shapes that disagree; s or m out of range.

    Where ``θ_y + m`` exceeds π the cosine would rise again: there ``cos θ_y - m sin m`` replaces
    it, as in the authors' program. The gradient of ``sin θ`` is infinite at 0 and π: within 1e-3
    radians of them the sine is treated as constant.

    Source: Deng et al. 2019, https://arxiv.org/abs/1801.07698, equation 3.

    >>> cosines = jnp.array([1.0, 0.0])
    >>> print(f"{arcface(cosines, 0, scale=1.0, margin=math.pi / 2):.2f}")  # log 2: θ + m is π/2
    0.69
    """
    c, y, s = _checked("arcface", cosines, labels, scale)
    m = checks.number("arcface", "margin", margin, c.dtype, 0, math.pi / 2, ends="[]")
    sine = jnp.sqrt(jnp.maximum((1 - c) * (1 + c), SMALLEST_SQUARED_SINE))
    shifted = c * jnp.cos(m) - sine * jnp.sin(m)
    target = jnp.where(c > -jnp.cos(m), shifted, c - m * jnp.sin(m))
    return cross_entropy(s * _at_label(y, target, c), y)


def cosface(
    cosines: ArrayLike, labels: ArrayLike, *, scale: ArrayLike = 64.0, margin: float = 0.35
) -> jax.Array:
    """The additive cosine margin loss: the cosine of the true class is lowered by m.

    It is the `cross_entropy` of ``s cos θ_j``, and of ``s (cos θ_y - m)`` for the true class.
    Arguments and result as in `arcface`, but m in ``[0, 2)`` is a cosine.

    Source: Wang et al. 2018, https://arxiv.org/abs/1801.09414, equation 4.

    >>> print(f"{cosface(jnp.array([0.5, 0.0]), 0, scale=1.0, margin=0.5):.3f}")
    0.693
    """
    c, y, s = _checked("cosface", cosines, labels, scale)
    m = checks.number("cosface", "margin", margin, c.dtype, 0, 2)
    return cross_entropy(s * _at_label(y, c - m, c), y)


def _checked(
    caller: str, cosines: ArrayLike, labels: ArrayLike, scale: ArrayLike
) -> tuple[jax.Array, jax.Array, jax.Array]:
    cosines, labels = checks.labelled(caller, cosines, labels)
    return cosines, labels, checks.number(caller, "scale", scale, cosines.dtype, 0, ends="()")


def _at_label(labels: jax.Array, target: jax.Array, others: jax.Array) -> jax.Array:
    """``target`` at the label of each example and ``others`` elsewhere, (..., classes)."""
    return jnp.where(jax.nn.one_hot(labels, others.shape[-1], dtype=bool), target, others)
