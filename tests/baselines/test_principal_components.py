"""Reconstructions from principal components are scikit-learn's."""

import numpy as np
from sklearn.decomposition import PCA

from jnn.baselines.principal_components import principal_components

DOUBLE = 1e-12  # float64: products of matrices of a few rows


def test_codes_and_reconstructions_are_scikit_learns():
    x = np.random.default_rng(0).normal(size=(30, 3, 2)) * [1.0, 4.0]
    flat, pca = x.reshape(30, 6), principal_components(x, 4)
    for size in (1, 2, 4):
        expected = PCA(size, random_state=0).fit(flat)
        codes = expected.transform(flat)
        np.testing.assert_allclose(pca.encode(x, size), codes, atol=DOUBLE)
        decoded = expected.inverse_transform(codes).reshape(x.shape)
        np.testing.assert_allclose(pca.reconstruct(x, size), decoded, atol=DOUBLE)
    np.testing.assert_allclose(pca.error(x, 0), flat.var(axis=0).mean(), rtol=DOUBLE)
