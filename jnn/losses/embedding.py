"""Losses of embeddings: similar examples should be close, dissimilar ones far apart."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jnn.errors import mistake
from jnn.losses import checks
from jnn.losses.classification import cross_entropy

SMALLEST_SQUARED_NORM = 1e-16


def contrastive(
    first: ArrayLike, second: ArrayLike, same: ArrayLike, *, margin: ArrayLike = 1.0
) -> jax.Array:
    """The contrastive loss of pairs: ``½ d²`` of the same class, else ``½ max(0, m - d)²``.

    d is the Euclidean distance of the embeddings ``first`` and ``second``, ``(..., features)``;
    ``same`` is ``(...)``, boolean or 0 and 1; ``margin`` m > 0. Returns ``(...)``, at least
    float32. The gradient at d = 0 of a pair of different classes, which has no direction, is zero.

    Source: Hadsell, Chopra and LeCun 2006, equation 4, whose Y is the opposite of ``same``.

    >>> second, same = jnp.array([[0.6, 0.8], [0.3, 0.4]]), jnp.array([True, False])
    >>> print(contrastive(jnp.zeros((2, 2)), second, same))
    [0.5   0.125]
    """
    first, second = checks.paired("contrastive", first, second, ("first", "second"))
    checks.same_shape("contrastive", first.shape[:-1], jnp.shape(same), ("pairs", "same"))
    margin = checks.number("contrastive", "margin", margin, first.dtype, 0, ends="()")
    same = jnp.asarray(same).astype(first.dtype)
    d2, d = jnp.sum((first - second) ** 2, axis=-1), _distance(first, second)
    apart = jnp.maximum(0, margin - d) ** 2
    return 0.5 * (checks.times(same, d2) + checks.times(1 - same, apart))


def triplet(
    anchors: ArrayLike, positives: ArrayLike, negatives: ArrayLike, *, margin: ArrayLike = 1.0
) -> jax.Array:
    """The triplet loss, ``max(0, ‖a - p‖ - ‖a - n‖ + m)``.

    A positive should be closer to its anchor than a negative, by a margin m > 0. Embeddings
    ``(..., features)`` of one shape give ``(...)``, at least float32.

    Distances are exact, with gradient zero at zero: PyTorch adds 1e-6 to each difference, Optax
    1e-6 under the root. Source: Balntas et al. 2016; FaceNet (Schroff et al. 2015) has squared
    distances.

    >>> print(triplet(jnp.zeros((1, 2)), jnp.array([[0.3, 0.4]]), jnp.array([[0.6, 0.8]])))
    [0.5]
    """
    anchors, positives = checks.paired("triplet", anchors, positives, ("anchors", "positives"))
    _, negatives = checks.paired("triplet", anchors, negatives, ("anchors", "negatives"))
    margin = checks.number("triplet", "margin", margin, anchors.dtype, 0, ends="()")
    return jnp.maximum(0, _distance(anchors, positives) - _distance(anchors, negatives) + margin)


def info_nce(queries: ArrayLike, keys: ArrayLike, *, temperature: ArrayLike = 0.1) -> jax.Array:
    """The InfoNCE loss in one direction: which of the batch's keys belongs to this query?

    With cosine similarities,

        l_i = -log( exp(cos(q_i, k_i)/τ) / Σ_j exp(cos(q_i, k_j)/τ) )

    ``queries`` and ``keys`` are ``(..., batch, features)`` and correspond row by row; the keys of
    all other queries are negatives. ``temperature`` τ > 0 may be a learned array. Returns
    ``(..., batch)`` in nats, at least float32. Memory grows with the square of the batch.

    CLIP's loss (Radford et al. 2021) is the mean of both directions,
    ``(info_nce(images, texts) + info_nce(texts, images)) / 2``; SimCLR's, which has further
    negatives, is :func:`nt_xent`. Source: van den Oord et al. 2018, equation 4; Sohn 2016.

    >>> print(f"{info_nce(jnp.eye(2), jnp.eye(2), temperature=1.0)[0]:.3f}")  # log(1 + 1/e)
    0.313
    """
    q, k, tau = _views("info_nce", queries, keys, temperature, ("queries", "keys"))
    cosines = jnp.einsum("...id,...jd->...ij", q, k, precision="highest")
    return cross_entropy(cosines / tau, _row_numbers(q))


def nt_xent(first: ArrayLike, second: ArrayLike, *, temperature: ArrayLike = 0.5) -> jax.Array:
    """SimCLR's loss: which of the 2N - 1 other views is the second view of the same example?

    For the views z_1 ... z_2N of N examples, averaged over both views i, j of an example,

        l(i, j) = -log( exp(cos(z_i, z_j)/τ) / Σ_{k ≠ i} exp(cos(z_i, z_k)/τ) )

    ``first`` and ``second`` are ``(..., batch, features)``; ``temperature`` τ > 0. Returns
    ``(..., batch)`` in nats, at least float32. Unlike in :func:`info_nce`, views of the same side
    are negatives too. Source: Chen et al. 2020, equation 1.

    >>> print(f"{nt_xent(jnp.eye(2), jnp.eye(2), temperature=1.0)[0]:.3f}")  # log(1 + 2/e)
    0.551
    """
    a, b, tau = _views("nt_xent", first, second, temperature, ("first", "second"))
    cosines = lambda u, v: jnp.einsum("...id,...jd->...ij", u, v, precision="highest") / tau
    batch = a.shape[-2]
    itself = jnp.broadcast_to(jnp.eye(batch, dtype=bool), (*a.shape[:-1], batch))
    others = lambda u: jnp.where(itself, -jnp.inf, cosines(u, u))
    logits = lambda u, v: jnp.concatenate([cosines(u, v), others(u)], axis=-1)
    rows = _row_numbers(a)
    return 0.5 * (cross_entropy(logits(a, b), rows) + cross_entropy(logits(b, a), rows))


def _views(caller, first, second, temperature, names):
    """Both views scaled to unit norm, and the temperature, checked."""
    first, second = checks.paired(caller, first, second, names)
    if first.ndim < 2:
        got = f"{names[0]} of shape {first.shape}"
        raise mistake(caller, got=got, expected="(..., batch, features)")
    tau = checks.number(caller, "temperature", temperature, first.dtype, 0, ends="()")
    return _unit(first), _unit(second), tau


def _row_numbers(x):
    return jnp.broadcast_to(jnp.arange(x.shape[-2]), x.shape[:-1])


def _unit(x):
    x = x / checks.magnitude(x)  # or the squares of 1e20 are infinite
    squared_norm = jnp.sum(x**2, axis=-1, keepdims=True)
    return x * jax.lax.rsqrt(jnp.maximum(squared_norm, SMALLEST_SQUARED_NORM))


def _distance(a, b):
    scale = checks.magnitude(a - b)
    d2 = jnp.sum(((a - b) / scale) ** 2, axis=-1)
    apart = d2 > 0
    # The root is taken of one where the two coincide: its derivative at zero is infinite.
    return scale[..., 0] * jnp.where(apart, jnp.sqrt(jnp.where(apart, d2, 1)), 0)
