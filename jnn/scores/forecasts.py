"""How good forecasts of several horizons are, in their mean and in their quantiles."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np

from jnn import metrics


def by_horizon(horizons: Sequence[str], scales: np.ndarray | None = None) -> metrics.Metric:
    """``rmse_1h``, ``coverage_1h``, ... for each of H horizons, and ``mse`` over all of them.

    Predictions are ``{"mean": (..., H), "quantiles": (..., H, Q)}`` with quantiles in increasing
    order, targets ``(..., H)``; weights are of the leading axes.

        rmse_h      √ mean (ŷ_h - y_h)², in the units of the target
        coverage_h  the share of targets from the first to the last quantile: 0.9 is ideal where
                    these are of the levels 0.05 and 0.95
        mse         mean over h of mean ((ŷ_h - y_h) / s_h)², with the ``scales`` s ``(H,)``, by
                    default 1: what to keep params by, since the errors of far horizons are larger

    >>> metric = by_horizon(["1h", "6h"])
    >>> y = jnp.zeros((4, 2))
    >>> forecasts = {"mean": y + jnp.array([1.0, 2.0]), "quantiles": jnp.stack([y, y + 3], axis=-1)}
    >>> values = metric.compute(metric.measure(forecasts, y))
    >>> {name: float(value) for name, value in values.items()}
    {'rmse_1h': 1.0, 'rmse_6h': 2.0, 'coverage_1h': 1.0, 'coverage_6h': 1.0, 'mse': 2.5}
    """
    scales = np.ones(len(horizons)) if scales is None else scales
    inside = lambda quantiles, y: (quantiles[..., 0] <= y) & (y <= quantiles[..., -1])
    coverage = metrics.mean_of(lambda quantiles, y: inside(quantiles, y).astype(jnp.float32))
    rmse = metrics.root_mean_squared_error()

    def at(k: int, metric: metrics.Metric, select) -> metrics.Metric:
        def measure(predictions, targets, weights=None):
            return metric.measure(select(predictions, k), targets[..., k], weights)

        return metric._replace(measure=measure)

    mean = lambda predictions, k: predictions["mean"][..., k]
    quantiles = lambda predictions, k: predictions["quantiles"][..., k, :]
    scaled = lambda predictions, y: ((predictions["mean"] - y) / scales) ** 2
    return metrics.collection(
        {f"rmse_{h}": at(k, rmse, mean) for k, h in enumerate(horizons)}
        | {f"coverage_{h}": at(k, coverage, quantiles) for k, h in enumerate(horizons)}
        | {"mse": metrics.mean_of(scaled)}
    )
