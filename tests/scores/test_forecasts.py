"""Metrics of forecasts are those of NumPy, whatever the leading axes, without weights of zero."""

import jax.numpy as jnp
import numpy as np

from jnn.scores.forecasts import by_horizon


def test_metrics_are_those_of_numpy():
    rng = np.random.default_rng(0)
    y, mean = rng.normal(size=(6, 2, 3)), rng.normal(size=(6, 2, 3))
    quantiles = np.sort(rng.normal(size=(6, 2, 3, 5)), axis=-1)
    metric = by_horizon(["1h", "6h", "24h"], np.array([1.0, 2.0, 4.0]))
    forecasts = {"mean": jnp.asarray(mean), "quantiles": jnp.asarray(quantiles)}
    weights = jnp.array([1.0, 1, 1, 1, 0, 0])
    values = metric.compute(metric.measure(forecasts, jnp.asarray(y), weights))
    squares = np.mean((mean - y)[:4] ** 2, axis=(0, 1))
    inside = (quantiles[..., 0] <= y) & (y <= quantiles[..., -1])
    for k, horizon in enumerate(["1h", "6h", "24h"]):
        np.testing.assert_allclose(values[f"rmse_{horizon}"], np.sqrt(squares[k]), rtol=1e-6)
        share = np.mean(inside[:4, :, k])
        np.testing.assert_allclose(values[f"coverage_{horizon}"], share, rtol=1e-6)
    np.testing.assert_allclose(values["mse"], np.mean(squares / [1, 4, 16]), rtol=1e-6)
