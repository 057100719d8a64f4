"""Verification: are two embeddings of the same person, or thing? And identification: of which known
one is this?

>>> labels = np.array([0, 0, 1])
>>> pairs = all_pairs(labels)
>>> scores = similarities(np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]]), pairs)
>>> scores.tolist(), pairs.same.tolist()
([0.8, 0.0, 0.6], [True, False, False])
>>> equal_error_rate(roc(scores, pairs.same))
0.0

Two are accepted as the same where their score is at least a threshold. The curve of all thresholds,
and the area under it, are scikit-learn's; ``sklearn.metrics.roc_auc_score(pairs.same, scores)`` is
the probability that a pair of the same scores above one of different ones.
"""

from typing import NamedTuple

import numpy as np

from jnn.errors import mistake


class Pairs(NamedTuple):
    """Pairs of examples, ``(P,)`` each: the number of the first and of the second, and whether both
    have the same label.
    """

    first: np.ndarray
    second: np.ndarray
    same: np.ndarray


class Roc(NamedTuple):
    """For falling thresholds, the fraction of pairs of different ones, and of the same, that are
    accepted.
    """

    false_accepts: np.ndarray
    true_accepts: np.ndarray
    thresholds: np.ndarray


def all_pairs(labels: np.ndarray) -> Pairs:
    """All ``N (N - 1) / 2`` pairs of N examples with integer ``labels`` ``(N,)``."""
    labels = np.asarray(labels)
    if labels.ndim != 1 or len(labels) < 2:
        raise mistake(
            "all_pairs", got=f"labels of shape {labels.shape}", expected="(N,) with N >= 2"
        )
    first, second = np.triu_indices(len(labels), 1)
    return Pairs(first, second, labels[first] == labels[second])


def similarities(embeddings: np.ndarray, pairs: Pairs) -> np.ndarray:
    """The cosine of each pair ``(P,)`` of embeddings ``(N, D)``, whatever their lengths, in
    float64.
    """
    z = _unit("similarities", embeddings)
    return np.sum(z[pairs.first] * z[pairs.second], axis=-1)


def roc(scores: np.ndarray, same: np.ndarray) -> Roc:
    """The receiver operating characteristic of scores ``(P,)`` of pairs, by scikit-learn, with
    every threshold.

    Raises `JnnError` where all pairs are of the same, or none is.
    """
    from sklearn.metrics import roc_curve

    same = np.asarray(same, bool)
    if same.ndim != 1 or same.shape != np.shape(scores) or same.all() or not same.any():
        got = f"scores {np.shape(scores)} and same {same.shape}, of which {int(same.sum())} are"
        raise mistake(
            "roc", got=got, expected="(P,) for both, with pairs of the same and of different ones"
        )
    return Roc(*roc_curve(same, scores, drop_intermediate=False))


def equal_error_rate(curve: Roc) -> float:
    """The error where different ones are accepted as often as the same are rejected; between two
    thresholds, on the line between them.

    >>> equal_error_rate(roc(np.array([3.0, 2.0, 1.0, 0.0]), np.array([True, False, True, False])))
    0.5
    """
    difference = curve.false_accepts - (1 - curve.true_accepts)  # from -1, rising, to 1
    k = int(np.argmax(difference >= 0))
    a, b = difference[k - 1], difference[k]
    return float(
        curve.false_accepts[k - 1]
        + (curve.false_accepts[k] - curve.false_accepts[k - 1]) * a / (a - b)
    )


def equal_error_threshold(curve: Roc) -> float:
    """The greatest threshold at which different ones are accepted at least as often as the same are
    rejected.
    """
    return float(curve.thresholds[np.argmax(curve.false_accepts >= 1 - curve.true_accepts)])


def true_accept_rate(curve: Roc, *, false_accept_rate: float) -> float:
    """The greatest fraction of pairs of the same that is accepted while that of different ones is
    at most ``false_accept_rate``.

    >>> true_accept_rate(roc(np.array([3.0, 2.0, 1.0, 0.0]), np.array([True, False, True, False])), false_accept_rate=0.01)
    0.5
    """
    if not 0 <= false_accept_rate <= 1:
        raise mistake(
            "true_accept_rate",
            got=f"false_accept_rate={false_accept_rate}",
            expected="a fraction in [0, 1]",
        )
    return float(curve.true_accepts[curve.false_accepts <= false_accept_rate].max())


def identification_rate(
    gallery: np.ndarray, gallery_labels: np.ndarray, probes: np.ndarray, probe_labels: np.ndarray
) -> float:
    """The fraction of probes ``(M, D)`` whose nearest embedding of the gallery ``(N, D)``, by the
    cosine, has their label.

    >>> identification_rate(np.eye(2), np.array([7, 8]), np.array([[3.0, 1.0], [2.0, 1.0]]), np.array([7, 8]))
    0.5
    """
    if len(gallery) != len(gallery_labels) or len(probes) != len(probe_labels):
        got = f"{len(gallery)} of the gallery with {len(gallery_labels)} labels, {len(probes)} probes with {len(probe_labels)}"
        raise mistake("identification_rate", got=got, expected="a label for each")
    cosines = _unit("identification_rate", probes) @ _unit("identification_rate", gallery).T
    return float(
        np.mean(np.asarray(gallery_labels)[cosines.argmax(axis=1)] == np.asarray(probe_labels))
    )


def _unit(where: str, embeddings: np.ndarray) -> np.ndarray:
    z = np.asarray(embeddings, np.float64)
    if z.ndim != 2 or not len(z):
        raise mistake(where, got=f"embeddings of shape {z.shape}", expected="(N, D) with N >= 1")
    lengths = np.linalg.norm(z, axis=1, keepdims=True)
    if not np.all(np.isfinite(lengths) & (lengths > 0)):
        row = int(np.flatnonzero(~(np.isfinite(lengths) & (lengths > 0)))[0])
        raise mistake(
            where,
            got=f"an embedding, number {row}, of length {lengths[row, 0]}",
            expected="a finite length above 0",
        )
    return z / lengths
