"""Embeddings without a network: principal components and linear discriminants."""

import numpy as np


def linear_embeddings(
    x: np.ndarray, label: np.ndarray, test: np.ndarray, *, components: int = 60
) -> dict[str, np.ndarray]:
    """Embeddings of ``test`` ``(M, D)`` by methods that were fitted to ``x`` ``(N, D)``.

    ``pixels`` are the centred numbers themselves; ``eigenfaces`` whitened principal components
    (Turk & Pentland 1991); ``fisherfaces`` linear discriminants, with shrinkage, of as many
    principal components (Belhumeur et al. 1997). ``label`` ``(N,)`` are the classes of ``x``.

    >>> rng, label = np.random.default_rng(0), np.arange(12) % 3
    >>> z = linear_embeddings(rng.random((12, 5)), label, rng.random((4, 5)), components=3)
    >>> {name: embedding.shape for name, embedding in z.items()}
    {'pixels': (4, 5), 'eigenfaces': (4, 3), 'fisherfaces': (4, 2)}
    """
    from sklearn.decomposition import PCA
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):  # on little data, threads that wait for each other take longer
        plain, whitened = (
            PCA(components, whiten=whiten, svd_solver="full").fit(x) for whiten in (False, True)
        )
        discriminants = LinearDiscriminantAnalysis(solver="eigen", shrinkage="auto")
        discriminants.fit(plain.transform(x), label)
        return {
            "pixels": test - x.mean(axis=0),
            "eigenfaces": whitened.transform(test),
            "fisherfaces": discriminants.transform(plain.transform(test)),
        }
