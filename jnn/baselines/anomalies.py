"""Anomaly scores without a network: errors of an autoregression, and of principal components."""

import jax.numpy as jnp
import numpy as np

from jnn.data.series_windows import Parts, forecast_windows, windows
from jnn.scores.anomaly import AnomalyScore, forecast_score, reconstruction_score, step_means


def autoregression_score(
    x: np.ndarray,
    within: Parts,
    *,
    length: int,
    step: int = 1,
    horizon: int = 1,
    cleaning: float = 0.0,
    smoothing: int = 1,
    penalty: float = 1.0,
) -> AnomalyScore:
    """The errors of a ridge regression of ``x_{t+horizon}`` on a window, in their deviation.

    It is fitted to the windows ``within`` parts of the series ``x`` ``(T,)`` without anomalies. Its
    inputs are the means of each ``step`` times of a window. ``penalty`` is that of scikit-learn's
    Ridge; the other arguments are those of `jnn.scores.anomaly.forecast_score`.

    >>> wave = np.sin(np.arange(60.0)).astype(np.float32)
    >>> wave[50] += 1
    >>> score = autoregression_score(wave, range(40), length=4, penalty=1e-3).score
    >>> int(score.argmax())
    50
    """
    from sklearn.linear_model import Ridge

    cut = forecast_windows(x, x, length=length, horizons=[horizon], within=within)
    inputs = step_means(cut["inputs"], step)[..., 0].astype(np.float64)
    targets = cut["targets"][:, 0]
    ridge = Ridge(penalty).fit(inputs, targets)
    weights, bias = jnp.asarray(ridge.coef_, jnp.float32), float(ridge.intercept_)
    return forecast_score(
        lambda window: step_means(window[:, None], step)[:, 0] @ weights + bias,
        x,
        length=length,
        horizon=horizon,
        deviation=float(np.sqrt(np.mean((ridge.predict(inputs) - targets) ** 2))),
        cleaning=cleaning,
        smoothing=smoothing,
    )


def components_score(
    x: np.ndarray,
    within: Parts,
    *,
    length: int,
    step: int = 1,
    smoothing: int = 1,
    components: int = 8,
) -> AnomalyScore:
    """The errors of windows that are reconstructed from their principal components.

    These are fitted to the windows ``within`` parts of the series ``x`` ``(T,)`` without anomalies;
    the other arguments are those of `jnn.scores.anomaly.reconstruction_score`.

    >>> wave = np.sin(np.arange(60.0))
    >>> wave[50] += 1
    >>> int(components_score(wave, range(40), length=8, components=2).score.argmax())
    50
    """
    from sklearn.decomposition import PCA

    inputs = step_means(windows(x, length=length, within=within)["inputs"], step)[..., 0]
    pca = PCA(components, random_state=0).fit(inputs)
    reconstruct = lambda steps: pca.inverse_transform(pca.transform(steps[..., 0]))[..., None]
    return reconstruction_score(reconstruct, x, length=length, step=step, smoothing=smoothing)
