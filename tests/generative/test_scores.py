"""Scores of generated examples against SciPy, closed forms and brute force."""

import numpy as np
import pytest
import scipy.linalg
from sklearn.decomposition import PCA

from jnn.errors import JnnError
from jnn.generative import scores

SAME = 1e-9  # float64: eigenvalues of matrices of order one
RNG = np.random.default_rng(0)


def samples(n=400, d=5):
    return RNG.normal(size=(n, d)) @ RNG.normal(size=(d, d)) + RNG.normal(size=d)


def test_frechet_is_the_formula_with_scipys_root():
    a, b = samples(), samples(300)
    A, B = np.cov(a.T), np.cov(b.T)
    expected = np.sum((a.mean(0) - b.mean(0)) ** 2) + np.trace(
        A + B - 2 * scipy.linalg.sqrtm(A @ B).real
    )
    assert scores.frechet_distance(a, b) == pytest.approx(expected, rel=SAME)
    assert scores.frechet_distance(b, a) == pytest.approx(expected, rel=SAME)


def test_frechet_of_a_shift_and_of_a_scale_is_known():
    a = samples()
    assert scores.frechet_distance(a, a) == pytest.approx(0, abs=SAME)
    assert scores.frechet_distance(a, a + 2) == pytest.approx(5 * 2**2, rel=SAME)
    assert scores.frechet_distance(a - a.mean(0), 3 * (a - a.mean(0))) == pytest.approx(
        (3 - 1) ** 2 * np.trace(np.cov(a.T)), rel=SAME
    )


def test_frechet_survives_covariances_without_full_rank():
    a = np.repeat(samples(d=1), 3, axis=1)
    # the root of a rounding error of an eigenvalue of 0
    assert scores.frechet_distance(a, a) == pytest.approx(0, abs=1e-6)


def test_the_nearest_neighbour_by_brute_force():
    real, generated = samples(60, 2), samples(60, 2)
    both, kind = np.concatenate([real, generated]), np.arange(120) < 60
    distance = np.linalg.norm(both[:, None] - both, axis=-1) + np.diag(np.full(120, np.inf))
    assert scores.two_sample_accuracy(real, generated) == np.mean(kind[distance.argmin(1)] == kind)


def test_samples_of_one_distribution_cannot_be_distinguished():
    x = samples(2000)
    deviation = 0.5 / np.sqrt(2000)
    assert abs(scores.two_sample_accuracy(x[:1000], x[1000:]) - 0.5) < 4 * deviation


def test_the_projection_is_scikit_learns():
    images = RNG.uniform(size=(50, 4, 4, 1))
    expected = (
        PCA(3, svd_solver="full").fit(images.reshape(50, 16)).transform(images.reshape(50, 16))
    )
    projected = scores.projection(images, 3)(images)
    # the sign of a component is free
    np.testing.assert_allclose(np.abs(projected), np.abs(expected), atol=SAME)


def test_gaussian_images_have_the_moments_of_the_components_they_are_drawn_in():
    images = 0.5 + 0.02 * samples(500, 6).reshape(500, 2, 3, 1)
    drawn = scores.gaussian_images(images, 200_000, components=6)
    np.testing.assert_allclose(drawn.mean(0), images.mean(0), atol=1e-3)  # several standard errors
    np.testing.assert_allclose(
        np.cov(drawn.reshape(-1, 6).T), np.cov(images.reshape(-1, 6).T), rtol=0.05, atol=1e-4
    )
    flat = scores.gaussian_images(images, 100, components=2).reshape(100, 6)
    assert np.linalg.matrix_rank(flat - flat.mean(0), tol=1e-8) == 2


def test_independent_pixels_keep_the_values_of_each_pixel_alone():
    images = RNG.uniform(size=(40, 3, 3, 1))
    drawn = scores.independent_pixels(images)
    np.testing.assert_array_equal(np.sort(drawn, axis=0), np.sort(images, axis=0))
    assert not np.array_equal(drawn[:, 0, 0], drawn[:, 1, 1])


def parts(n=120):
    label = np.arange(n) % 3
    image = (label[:, None, None, None] + 0.1 * RNG.normal(size=(n, 4, 4, 1))) / 3
    return {"image": image, "label": label}


def test_a_judge_of_classes_that_are_far_apart():
    judge = scores.judge(parts(), parts(), components=4)
    assert judge.real.shape == (120, 4)
    drawn = parts()
    assert scores.scores(judge, drawn["image"], drawn["label"])["fake_to_real_accuracy"] == 1
    assert (
        scores.scores(judge, drawn["image"], (drawn["label"] + 1) % 3)["fake_to_real_accuracy"] == 0
    )
    assert "fake_to_real_accuracy" not in scores.scores(judge, drawn["image"])
    np.testing.assert_allclose(
        scores.class_shares(judge.classify(judge.project(drawn["image"])), 3), 1 / 3
    )


def test_mistakes_are_named():
    with pytest.raises(
        JnnError,
        match=r"samples of shape \(5, 2\) and \(5, 3\), expected \(N, D\) and \(M, D\), at least",
    ):
        scores.frechet_distance(np.zeros((5, 2)), np.zeros((5, 3)))
    with pytest.raises(JnnError, match="NaN or infinity in the second sample"):
        scores.frechet_distance(np.zeros((5, 2)), np.full((5, 2), np.nan))
    with pytest.raises(JnnError, match="5 real and 4 generated examples, expected equally many"):
        scores.two_sample_accuracy(np.zeros((5, 2)), np.zeros((4, 2)))
    with pytest.raises(JnnError, match="components=17 for 50 examples of 16 numbers"):
        scores.projection(np.zeros((50, 4, 4, 1)), 17)
    with pytest.raises(JnnError, match="3 examples and 2 labels"):
        scores.classifier(np.zeros((3, 1)), np.zeros(2))
    with pytest.raises(JnnError, match="class_shares: got no labels"):
        scores.class_shares(np.array([], int), 3)
    with pytest.raises(JnnError, match="class_shares: got label 3 in row 1"):
        scores.class_shares(np.array([0, 3]), 3)
    with pytest.raises(JnnError, match="gaussian_images: got 1 images, expected two at least"):
        scores.gaussian_images(np.zeros((1, 4, 4, 1)), 5)
    with pytest.raises(JnnError, match="gaussian_images: got components=0"):
        scores.gaussian_images(np.zeros((3, 4, 4, 1)), 5, components=0)
