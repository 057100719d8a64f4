"""Principal component analysis: the best linear code, which an autoencoder has to beat."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class PrincipalComponents(NamedTuple):
    """The mean μ ``(D,)`` and the components V ``(K, D)``, by decreasing variance.

    Examples x ``(N, ...)`` have D numbers each.
    """

    mean: np.ndarray
    components: np.ndarray

    def encode(self, x: np.ndarray, size: int) -> np.ndarray:
        """The codes ``(N, size)`` of the first components, ``(x - μ) Vᵀ``."""
        return (x.reshape(len(x), -1) - self.mean) @ self.components[:size].T

    def reconstruct(self, x: np.ndarray, size: int) -> np.ndarray:
        """x from its code of ``size`` numbers, ``μ + (x - μ) Vᵀ V``; the mean where that is 0."""
        flat = self.mean + self.encode(x, size) @ self.components[:size]
        return flat.reshape(x.shape)

    def error(self, x: np.ndarray, size: int) -> float:
        """The mean squared error of the reconstruction from ``size`` numbers, summed in float64."""
        return float(np.mean((self.reconstruct(x, size) - x) ** 2, dtype=np.float64))

    def errors(self, x: np.ndarray, sizes: Sequence[int]) -> dict[str, float]:
        """The `error` of the mean image and of each of the ``sizes``, by the name of the method."""
        name = lambda size: f"PCA with {size} component{'s' if size > 1 else ''}"
        return {"mean image": self.error(x, 0), **{name(k): self.error(x, k) for k in sizes}}


def principal_components(x: np.ndarray, size: int) -> PrincipalComponents:
    """The first ``size`` components of examples ``(N, ...)``, by scikit-learn's PCA.

    >>> x = np.array([[3.0, 0.0], [-3.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    >>> pca = principal_components(x, 1)
    >>> abs(pca.components).round(3).tolist(), pca.error(x, 0), pca.error(x, 1)
    ([[1.0, 0.0]], 2.5, 0.25)
    >>> pca.errors(x, [1])
    {'mean image': 2.5, 'PCA with 1 component': 0.25}
    """
    from sklearn.decomposition import PCA

    pca = PCA(size, random_state=0).fit(x.reshape(len(x), -1))
    return PrincipalComponents(pca.mean_, np.asarray(pca.components_))
