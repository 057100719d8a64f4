"""Losses of embeddings: alike should be near, different far."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jnn.errors import mistake
from jnn.losses import arguments
from jnn.losses.classification import cross_entropy

SMALLEST_SQUARED_NORM = 1e-16


def contrastive(
    first: ArrayLike, second: ArrayLike, same: ArrayLike, *, margin: ArrayLike = 1.0
) -> jax.Array:
    """The pair loss: ``½ d²`` where the two are the same, ``½ max(0, m - d)²`` where they differ, d
    their Euclidean distance.

    ``first`` and ``second`` are embeddings ``(..., features)`` and ``same`` is ``(...)``, boolean
    or 0 and 1; returns ``(...)``, at least float32. ``margin`` m > 0. The paper's Y is the opposite
    of ``same``. The gradient at d = 0 of a differing pair, which has no direction, is zero. Source:
    Hadsell, Chopra and LeCun 2006, equation 4.

    >>> print(contrastive(jnp.zeros((2, 2)), jnp.array([[0.6, 0.8], [0.3, 0.4]]), jnp.array([True, False])))
    [0.5   0.125]
    """
    first, second = arguments.paired("contrastive", first, second, ("first", "second"))
    arguments.same_shape("contrastive", first.shape[:-1], jnp.shape(same), ("pairs", "same"))
    margin = arguments.number("contrastive", "margin", margin, first.dtype, 0, ends="()")
    same = jnp.asarray(same).astype(first.dtype)
    d2, d = jnp.sum((first - second) ** 2, axis=-1), _distance(first, second)
    return 0.5 * (same * d2 + (1 - same) * jnp.maximum(0, margin - d) ** 2)


def triplet(
    anchors: ArrayLike, positives: ArrayLike, negatives: ArrayLike, *, margin: ArrayLike = 1.0
) -> jax.Array:
    """The triplet loss, ``max(0, ‖a - p‖ - ‖a - n‖ + m)``: a positive should be nearer than a
    negative, by a margin.

    Embeddings ``(..., features)`` of one shape give ``(...)``, at least float32; ``margin`` m > 0.
    Distances are exact, with gradient zero at zero: PyTorch adds 1e-6 to each difference, Optax
    1e-6 under the root. FaceNet (Schroff et al. 2015) has squared distances; this form is Balntas
    et al. 2016.

    >>> print(triplet(jnp.zeros((1, 2)), jnp.array([[0.3, 0.4]]), jnp.array([[0.6, 0.8]])))
    [0.5]
    """
    anchors, positives = arguments.paired("triplet", anchors, positives, ("anchors", "positives"))
    _, negatives = arguments.paired("triplet", anchors, negatives, ("anchors", "negatives"))
    margin = arguments.number("triplet", "margin", margin, anchors.dtype, 0, ends="()")
    return jnp.maximum(0, _distance(anchors, positives) - _distance(anchors, negatives) + margin)


def info_nce(queries: ArrayLike, keys: ArrayLike, *, temperature: ArrayLike = 0.1) -> jax.Array:
    """The InfoNCE loss in one direction: which of the batch's keys belongs to this query?

    With cosine similarities, ``l_i = -log( exp(cos(q_i, k_i)/τ) / Σ_j exp(cos(q_i, k_j)/τ) )``; all
    keys of other queries are negatives.

    ``queries`` and ``keys`` are ``(..., batch, features)`` and belong together row by row; returns
    ``(..., batch)`` in nats, at least float32. ``temperature`` τ > 0 may be a learned array. CLIP's
    loss (Radford et al. 2021) is the mean of both directions,
    ``(info_nce(images, texts) + info_nce(texts, images)) / 2``; SimCLR's, which has further
    negatives, is :func:`nt_xent`. Source: van den Oord et al. 2018, equation 4; Sohn 2016. Memory
    grows with the square of the batch.

    >>> print(f"{info_nce(jnp.eye(2), jnp.eye(2), temperature=1.0)[0]:.3f}")  # log(1 + 1/e)
    0.313
    """
    q, k, tau = _views("info_nce", queries, keys, temperature, ("queries", "keys"))
    return cross_entropy(
        jnp.einsum("...id,...jd->...ij", q, k, precision="highest") / tau, _own_row(q)
    )


def nt_xent(first: ArrayLike, second: ArrayLike, *, temperature: ArrayLike = 0.5) -> jax.Array:
    """SimCLR's loss of two views of each example: each of the 2N views should find its partner
    among the 2N - 1 others.

    For views z_1 ... z_2N, ``l(i, j) = -log( exp(cos(z_i, z_j)/τ) / Σ_{k ≠ i} exp(cos(z_i, z_k)/τ)
    )``, averaged over both views of a pair.

    ``first`` and ``second`` are ``(..., batch, features)``; returns ``(..., batch)`` in nats, at
    least float32. ``temperature`` τ > 0. Unlike :func:`info_nce`, the views of the same side are
    negatives too. Source: Chen et al. 2020, equation 1.

    >>> print(f"{nt_xent(jnp.eye(2), jnp.eye(2), temperature=1.0)[0]:.3f}")  # log(1 + 2/e)
    0.551
    """
    a, b, tau = _views("nt_xent", first, second, temperature, ("first", "second"))
    cosines = lambda u, v: jnp.einsum("...id,...jd->...ij", u, v, precision="highest") / tau
    batch = a.shape[-2]
    itself = jnp.broadcast_to(jnp.eye(batch, dtype=bool), (*a.shape[:-1], batch))
    others = lambda u: jnp.where(itself, -jnp.inf, cosines(u, u))
    partners = lambda u, v: cross_entropy(
        jnp.concatenate([cosines(u, v), others(u)], axis=-1), _own_row(u)
    )
    return 0.5 * (partners(a, b) + partners(b, a))


def _views(where, first, second, temperature, names):
    first, second = arguments.paired(where, first, second, names)
    if first.ndim < 2:
        raise mistake(
            where, got=f"{names[0]} of shape {first.shape}", expected="(..., batch, features)"
        )
    return (
        _unit(first),
        _unit(second),
        arguments.number(where, "temperature", temperature, first.dtype, 0, ends="()"),
    )


def _own_row(x):
    return jnp.broadcast_to(jnp.arange(x.shape[-2]), x.shape[:-1])


def _unit(x):
    return x * jax.lax.rsqrt(
        jnp.maximum(jnp.sum(x**2, axis=-1, keepdims=True), SMALLEST_SQUARED_NORM)
    )


def _distance(a, b):
    d2 = jnp.sum((a - b) ** 2, axis=-1)
    apart = d2 > 0
    # The root is taken of one where the two coincide: its derivative at zero is infinite.
    return jnp.where(apart, jnp.sqrt(jnp.where(apart, d2, 1)), 0)
