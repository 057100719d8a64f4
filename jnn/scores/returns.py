"""How good forecasts of returns are, in their mean and in their variance."""

from collections.abc import Sequence

import jax.numpy as jnp

from jnn import losses, metrics


def of_returns(networks: Sequence[str], mixture: str) -> metrics.Metric:
    """``rmse_ratio`` and ``qlike`` of the ``mixture``, and ``nll``, the sum over ``networks``.

    Targets are returns r ``(N, folds)``. Predictions are ``{"mean": {name: (N, folds)},
    "variance": ..., "count": (N, folds)}`` with a name for each network and the mixture; ``count``
    is 0 for returns that do not count, whatever their forecasts are, and 1 for all others.

        rmse_ratio  √ (Σ (r - μ)² / Σ r²): the error over that of persistence, which expects zero
        qlike       mean of log h + r² / h: see `jnn.baselines.volatility.qlike`
        nll         mean of `jnn.losses.gaussian_negative_log_likelihood`, summed over networks

    All three are NaN where no return counts.

    >>> forecasts = {"one": jnp.full((2, 1), 0.5), "all": jnp.full((2, 1), 0.5)}
    >>> predictions = {"mean": forecasts, "variance": forecasts, "count": jnp.ones((2, 1))}
    >>> metric = of_returns(["one"], "all")
    >>> float(metric.compute(metric.measure(predictions, jnp.ones((2, 1))))["rmse_ratio"])
    0.5
    """

    def measure(predictions, r, weights=None):
        mean, variance, count = (predictions[name] for name in ("mean", "variance", "count"))
        count = count if weights is None else count * weights[:, None]
        nll = [
            losses.gaussian_negative_log_likelihood(mean[name], jnp.log(variance[name]), r)
            for name in networks
        ]
        values = {
            "model": (r - mean[mixture]) ** 2,
            "persistence": r**2,
            "qlike": jnp.log(variance[mixture]) + r**2 / variance[mixture],
            "nll": sum(nll),
            "count": jnp.ones_like(r),
        }
        counted = lambda value: jnp.where(count == 0, 0, value)
        return {name: jnp.sum(count * counted(value)) for name, value in values.items()}

    def compute(sums):
        means = {name: sums[name] / sums["count"] for name in ("qlike", "nll")}
        return {"rmse_ratio": jnp.sqrt(sums["model"] / sums["persistence"]), **means}

    return metrics.Metric(measure, compute)
