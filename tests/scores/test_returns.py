"""The metric of forecasts of returns against NumPy."""

import jax
import numpy as np
import scipy.stats

from jnn.scores.returns import of_returns

SINGLE = 1e-5  # float32 against float64: sums of a few numbers


def test_metrics_are_those_of_numpy():
    rng = np.random.default_rng(0)
    r, weights = rng.normal(size=(5, 2)), np.array([1, 1, 1, 1, 0], np.float32)
    count = np.array([[1, 1], [1, 0], [1, 1], [0, 0], [1, 1]], np.float32)
    draw = lambda: {name: rng.normal(size=(5, 2)) for name in ("one", "other", "both")}
    predictions = {"mean": draw(), "variance": jax.tree.map(np.exp, draw()), "count": count}
    metric = of_returns(["one", "other"], "both")
    values = metric.compute(metric.measure(predictions, r, weights))
    days = (count * weights[:, None]) > 0
    m, h = (predictions[name]["both"][days] for name in ("mean", "variance"))
    ratio = np.sqrt(np.mean((r[days] - m) ** 2) / np.mean(r[days] ** 2))
    np.testing.assert_allclose(values["rmse_ratio"], ratio, rtol=SINGLE)
    qlike = np.mean(np.log(h) + r[days] ** 2 / h)
    np.testing.assert_allclose(values["qlike"], qlike, rtol=SINGLE)
    log_p = sum(
        scipy.stats.norm.logpdf(r, predictions["mean"][name], predictions["variance"][name] ** 0.5)
        for name in ("one", "other")
    )
    nll = -np.mean(log_p[days]) - np.log(2 * np.pi)
    np.testing.assert_allclose(values["nll"], nll, rtol=SINGLE)


def test_returns_that_do_not_count_may_have_any_forecast_and_none_give_nan():
    r, forecasts = np.ones((2, 1)), {"both": np.array([[0.5], [np.nan]])}
    predictions = {"mean": forecasts, "variance": {"both": np.array([[1.0], [np.nan]])}}
    metric = of_returns(["both"], "both")
    values = [
        metric.compute(metric.measure({**predictions, "count": np.array([[n], [0.0]])}, r))
        for n in (1.0, 0.0)
    ]
    assert float(values[0]["rmse_ratio"]) == 0.5
    assert all(np.isfinite(value) for value in values[0].values())
    assert all(np.isnan(value) for value in values[1].values())
