"""Verification against brute force, SciPy and scikit-learn."""

import jax
import numpy as np
import pytest
import sklearn.metrics
from scipy.optimize import brentq
from scipy.spatial.distance import pdist
from sklearn.neighbors import KNeighborsClassifier

from jnn.errors import JnnError
from jnn.scores import verification
from jnn.scores.verification import Pairs, Roc

SAME = 1e-12  # float64: the same sums in another order
ROOT = 1e-9  # SciPy's root finding
RNG = np.random.default_rng(0)
LABELS = np.arange(24) // 4
Z = RNG.normal(size=(24, 5)) + 0.8 * RNG.normal(size=(6, 5))[LABELS]


def scored(kind):
    """Scores of pairs that overlap: all different, or with many ties."""
    same = RNG.random(300) < 0.3
    scores = RNG.normal(size=300) + same
    return (scores if kind == "distinct" else np.round(scores)), same


KINDS = pytest.mark.parametrize("kind", ["distinct", "ties"])


def test_all_pairs_once_with_the_cosines_of_scipy():
    pairs = verification.all_pairs(LABELS)
    assert sorted(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)) == [
        (i, j) for i in range(24) for j in range(i + 1, 24)
    ]
    assert all(same == (LABELS[i] == LABELS[j]) for i, j, same in zip(*pairs, strict=True))
    lengths = RNG.uniform(0.1, 10, (24, 1))
    np.testing.assert_allclose(
        verification.similarities(lengths * Z, pairs), 1 - pdist(Z, "cosine"), atol=SAME
    )


@KINDS
def test_rates_are_counted_at_every_threshold(kind):
    scores, same = scored(kind)
    curve = verification.roc(scores, same)
    assert set(curve.thresholds[1:]) == set(scores)
    for false_accepts, true_accepts, threshold in zip(*curve, strict=True):
        assert (false_accepts, true_accepts) == pytest.approx(
            (np.mean(scores[~same] >= threshold), np.mean(scores[same] >= threshold))
        )


@KINDS
def test_the_equal_error_rate_is_where_the_curve_crosses_the_diagonal(kind):
    scores, same = scored(kind)
    curve = verification.roc(scores, same)
    x, y, _ = sklearn.metrics.roc_curve(same, scores)
    expected = brentq(lambda rate: 1 - rate - np.interp(rate, x, y), 0, 1, xtol=ROOT)
    assert verification.equal_error_rate(curve) == pytest.approx(expected, abs=10 * ROOT)


def test_of_two_normal_distributions_it_is_known():
    """Scores at equally likely quantiles of N(0, 1) and N(2, 1) are wrong beyond the middle: Φ(-1)
    of each.
    """
    from scipy.stats import norm

    quantiles = norm.ppf((np.arange(4000) + 0.5) / 4000)
    scores, same = np.concatenate([quantiles, quantiles + 2]), np.arange(8000) >= 4000
    curve = verification.roc(scores, same)
    assert verification.equal_error_rate(curve) == pytest.approx(norm.cdf(-1), abs=1 / 4000)
    assert verification.equal_error_threshold(curve) == pytest.approx(1, abs=0.01)


@KINDS
def test_at_the_threshold_of_equal_error_both_errors_are_next_to_the_rate(kind):
    scores, same = scored(kind)
    curve = verification.roc(scores, same)
    threshold, rate = (
        verification.equal_error_threshold(curve),
        verification.equal_error_rate(curve),
    )
    accepted, rejected = np.mean(scores[~same] >= threshold), np.mean(scores[same] < threshold)
    assert accepted + SAME >= rate >= rejected - SAME
    assert (
        np.mean(scores[~same] > threshold) - SAME
        <= rate
        <= np.mean(scores[same] <= threshold) + SAME
    )


@KINDS
@pytest.mark.parametrize("rate", [0.0, 0.01, 0.1, 1.0])
def test_true_accepts_are_the_most_at_any_threshold_that_keeps_the_rate(kind, rate):
    scores, same = scored(kind)
    counts = [(np.mean(scores[~same] >= t), np.mean(scores[same] >= t)) for t in [*scores, np.inf]]
    expected = max(accepted for wrong, accepted in counts if wrong <= rate)
    assert verification.true_accept_rate(
        verification.roc(scores, same), false_accept_rate=rate
    ) == pytest.approx(expected)


def test_identification_is_scikit_learns_nearest_neighbour():
    gallery = np.arange(24) % 4 < 2
    parts = Z[gallery], LABELS[gallery], Z[~gallery], LABELS[~gallery]
    expected = KNeighborsClassifier(1, metric="cosine").fit(*parts[:2]).score(*parts[2:])
    assert verification.identification_rate(*parts) == pytest.approx(expected)
    assert expected < 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: verification.all_pairs(LABELS[:1]), r"labels of shape \(1,\)"),
        (
            lambda: verification.similarities(np.zeros((2, 3)), Pairs(*np.zeros((3, 1), int))),
            "number 0, of length 0.0",
        ),
        (
            lambda: verification.similarities(
                np.full((2, 3), np.nan), Pairs(*np.zeros((3, 1), int))
            ),
            "length nan, expected a finite",
        ),
        (
            lambda: verification.similarities(np.ones(3), Pairs(*np.zeros((3, 1), int))),
            r"embeddings of shape \(3,\)",
        ),
        (lambda: verification.roc(np.ones(3), np.ones(3, bool)), "of which 3 are, expected"),
        (
            lambda: verification.roc(np.array([0.5, np.nan]), np.array([True, False])),
            "roc: got nan at row 1",
        ),
        (
            lambda: verification.roc(np.ones(4), np.array([True, False])),
            r"scores \(4,\) and same \(2,\)",
        ),
        (
            lambda: verification.true_accept_rate(Roc(*np.eye(3)), false_accept_rate=-0.1),
            r"false_accept_rate=-0\.1",
        ),
        (
            lambda: verification.identification_rate(Z, LABELS, Z[:, 1:], LABELS),
            r"got a gallery \(.*\) and probes \(.*\), expected \(N, D\) and \(M, D\)",
        ),
        (
            lambda: verification.identification_rate(Z, LABELS[:2], Z, LABELS),
            "24 of the gallery with 2 labels",
        ),
    ],
)
def test_mistakes_are_named(call, message):
    with pytest.raises(JnnError, match=message):
        call()


def test_the_area_under_the_curve_in_a_program_is_scikit_learns():
    rng, labels = np.random.default_rng(0), np.arange(24) % 5
    z = rng.normal(size=(24, 3)) + labels[:, None]
    z = (z / np.linalg.norm(z, axis=1, keepdims=True)).astype(np.float32)
    pairs = verification.all_pairs(labels)
    expected = sklearn.metrics.roc_auc_score(pairs.same, verification.similarities(z, pairs))
    auc = jax.jit(verification.area_under_curve(labels))(z)
    np.testing.assert_allclose(auc, expected, atol=1e-3)  # float32 makes a few ties


def test_the_area_under_the_curve_of_equal_embeddings_is_a_half():
    assert verification.area_under_curve(np.array([0, 0, 1]))(np.ones((3, 1))) == 0.5


@pytest.mark.parametrize("labels", [[1, 1, 1], [1, 2, 3]])
def test_the_area_under_the_curve_needs_both_kinds_of_pairs(labels):
    with pytest.raises(JnnError, match=r"area_under_curve: got . same and . different pairs"):
        verification.area_under_curve(np.array(labels))
