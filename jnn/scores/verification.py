"""Verification (are two embeddings of the same person?) and identification (of which person?).

>>> labels = np.array([0, 0, 1])
>>> pairs = all_pairs(labels)
>>> scores = similarities(np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]]), pairs)
>>> scores.tolist(), pairs.same.tolist()
([0.8, 0.0, 0.6], [True, False, False])
>>> equal_error_rate(roc(scores, pairs.same))
0.0

A pair is accepted as the same where its score is at least a threshold. The curve of all thresholds
and the area under it are scikit-learn's; ``sklearn.metrics.roc_auc_score(pairs.same, scores)`` is
the probability that a positive pair (same label) scores above a negative one (different labels).
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jnn.data.checks import check_finite
from jnn.errors import mistake
from jnn.integers import check_fraction


class Pairs(NamedTuple):
    """Pairs of examples."""

    first: np.ndarray
    """``(P,)``: the index of the first example."""
    second: np.ndarray
    """``(P,)``: the index of the second example."""
    same: np.ndarray
    """``(P,)`` bool: whether both have the same label."""


class Roc(NamedTuple):
    """The receiver operating characteristic, by falling thresholds."""

    false_accepts: np.ndarray
    """The fraction of negative pairs that is accepted."""
    true_accepts: np.ndarray
    """The fraction of positive pairs that is accepted."""
    thresholds: np.ndarray


def all_pairs(labels: np.ndarray) -> Pairs:
    """All ``N (N - 1) / 2`` pairs of N examples with integer ``labels`` ``(N,)``."""
    labels = np.asarray(labels)
    if labels.ndim != 1 or len(labels) < 2:
        got = f"labels of shape {labels.shape}"
        raise mistake("all_pairs", got=got, expected="(N,) with N >= 2")
    first, second = np.triu_indices(len(labels), 1)
    return Pairs(first, second, labels[first] == labels[second])


def similarities(embeddings: np.ndarray, pairs: Pairs) -> np.ndarray:
    """The cosine of each pair ``(P,)`` of embeddings ``(N, D)`` of any norm, in float64."""
    z = _unit("similarities", embeddings)
    return np.sum(z[pairs.first] * z[pairs.second], axis=-1)


def area_under_curve(labels: np.ndarray) -> Callable[[jax.Array], jax.Array]:
    """``z -> AUC`` for embeddings ``(N, D)`` of length 1, pure, for validation within a program.

    It is the share of pairs of a positive and a negative pair whose cosines are in this order, and
    takes memory in proportion to their number: it is for some hundred pairs. ``labels`` are
    ``(N,)``; raises `JnnError` without a positive or without a negative pair.

    >>> auc = area_under_curve(np.array([0, 0, 1]))
    >>> float(auc(jnp.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]])))
    1.0
    """
    pairs = all_pairs(labels)
    same, different = np.flatnonzero(pairs.same), np.flatnonzero(~pairs.same)
    if not len(same) or not len(different):
        got = f"{len(same)} same and {len(different)} different pairs"
        raise mistake("area_under_curve", got=got, expected="some of both")

    def auc(z: jax.Array) -> jax.Array:
        cosines = jnp.sum(z[pairs.first] * z[pairs.second], axis=-1)
        above = cosines[same][:, None] - cosines[different][None]
        return jnp.mean((1 + jnp.sign(above)) / 2)

    return auc


def roc(scores: np.ndarray, same: np.ndarray) -> Roc:
    """The receiver operating characteristic of the scores ``(P,)`` of pairs, at every threshold.

    By scikit-learn. Raises `JnnError` without a positive or without a negative pair, and for scores
    that are not finite.
    """
    from sklearn.metrics import roc_curve

    same = np.asarray(same, bool)
    if same.ndim != 1 or same.shape != np.shape(scores) or same.all() or not same.any():
        got = f"scores {np.shape(scores)} and same {same.shape}, of which {int(same.sum())} are"
        raise mistake("roc", got=got, expected="(P,) for both, with same and different pairs")
    check_finite(scores, "roc")
    return Roc(*roc_curve(same, scores, drop_intermediate=False))


def equal_error_rate(curve: Roc) -> float:
    """The error where negative pairs are accepted as often as positive ones are rejected.

    Between two thresholds the curve is interpolated linearly.

    >>> equal_error_rate(roc(np.array([3.0, 2.0, 1.0, 0.0]), np.array([True, False, True, False])))
    0.5
    """
    difference = curve.false_accepts - (1 - curve.true_accepts)  # from -1, rising, to 1
    k = int(np.argmax(difference >= 0))
    a, b = difference[k - 1], difference[k]
    low, high = curve.false_accepts[k - 1], curve.false_accepts[k]
    return float(low + (high - low) * a / (a - b))


def equal_error_threshold(curve: Roc) -> float:
    """The highest threshold at which false accepts are at least as frequent as false rejects."""
    return float(curve.thresholds[np.argmax(curve.false_accepts >= 1 - curve.true_accepts)])


def true_accept_rate(curve: Roc, *, false_accept_rate: float) -> float:
    """The highest true accept rate at a false accept rate of at most ``false_accept_rate``.

    >>> curve = roc(np.array([3.0, 2.0, 1.0, 0.0]), np.array([True, False, True, False]))
    >>> true_accept_rate(curve, false_accept_rate=0.01)
    0.5
    """
    check_fraction("true_accept_rate", "false_accept_rate", false_accept_rate, ends="[]")
    return float(curve.true_accepts[curve.false_accepts <= false_accept_rate].max())


def identification_rate(
    gallery: np.ndarray, gallery_labels: np.ndarray, probes: np.ndarray, probe_labels: np.ndarray
) -> float:
    """The fraction of probes whose nearest gallery embedding, by the cosine, has their label.

    ``gallery`` is ``(N, D)``, ``probes`` are ``(M, D)``.

    >>> labels = np.array([7, 8])
    >>> identification_rate(np.eye(2), labels, np.array([[3.0, 1.0], [2.0, 1.0]]), labels)
    0.5
    """
    if len(gallery) != len(gallery_labels) or len(probes) != len(probe_labels):
        got = (
            f"{len(gallery)} of the gallery with {len(gallery_labels)} labels, "
            f"{len(probes)} probes with {len(probe_labels)}"
        )
        raise mistake("identification_rate", got=got, expected="a label for each")
    unit_probes, unit_gallery = (_unit("identification_rate", z) for z in (probes, gallery))
    if unit_probes.shape[1] != unit_gallery.shape[1]:
        got = f"a gallery {unit_gallery.shape} and probes {unit_probes.shape}"
        raise mistake("identification_rate", got=got, expected="(N, D) and (M, D)")
    cosines = unit_probes @ unit_gallery.T
    predicted = np.asarray(gallery_labels)[cosines.argmax(axis=1)]
    return float(np.mean(predicted == np.asarray(probe_labels)))


def summarize(embeddings: np.ndarray, labels: np.ndarray, *, gallery: int = 5) -> dict[str, float]:
    """How well embeddings ``(N, D)`` of examples separate their ``labels`` ``(N,)``.

    ``auc``, ``eer`` (`equal_error_rate`) and ``tar`` (`true_accept_rate` at 1 % false accepts) are
    those of all pairs; ``identified`` is the `identification_rate` of the other examples where the
    first ``gallery`` of each label are the gallery. Raises `JnnError` as these do, and where no
    label has more than ``gallery`` examples.

    >>> z = np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0], [0.0, 2.0]])
    >>> summarize(z, np.array([0, 0, 1, 1]), gallery=1)
    {'auc': 1.0, 'eer': 0.0, 'tar': 1.0, 'identified': 1.0}
    """
    from sklearn.metrics import roc_auc_score

    labels = np.asarray(labels)
    pairs = all_pairs(labels)
    cosines = similarities(embeddings, pairs)
    curve = roc(cosines, pairs.same)
    earlier = np.array([np.sum(labels[:i] == label) for i, label in enumerate(labels)])
    in_gallery = earlier < gallery
    return {
        "auc": float(roc_auc_score(pairs.same, cosines)),
        "eer": equal_error_rate(curve),
        "tar": true_accept_rate(curve, false_accept_rate=0.01),
        "identified": identification_rate(
            embeddings[in_gallery], labels[in_gallery], embeddings[~in_gallery], labels[~in_gallery]
        ),
    }


def _unit(caller: str, embeddings: np.ndarray) -> np.ndarray:
    z = np.asarray(embeddings, np.float64)
    if z.ndim != 2 or not len(z):
        raise mistake(caller, got=f"embeddings of shape {z.shape}", expected="(N, D) with N >= 1")
    lengths = np.linalg.norm(z, axis=1, keepdims=True)
    if not np.all(np.isfinite(lengths) & (lengths > 0)):
        row = int(np.flatnonzero(~(np.isfinite(lengths) & (lengths > 0)))[0])
        raise mistake(
            caller,
            got=f"an embedding, number {row}, of length {lengths[row, 0]}",
            expected="a finite length above 0",
        )
    return z / lengths
