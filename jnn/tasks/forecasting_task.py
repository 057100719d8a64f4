"""The task of forecasting a series at several horizons, in its mean and in its quantiles."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any, NamedTuple

import jax
import numpy as np

from jnn.data.splits import Splits
from jnn.scores.forecasts import by_horizon
from jnn.tasks.quantile_forecaster import QuantileForecaster
from jnn.train.evaluate import make_evaluate, predict_all
from jnn.train.experiment import once
from jnn.train.feed import in_memory
from jnn.train.loop import Fitted
from jnn.train.step import Objective
from jnn.train.task import Task

BATCH = 32
"""Windows of a batch in validation, each of which has many origins."""


class ForecastSeries(NamedTuple):
    """The series that is forecast, for the report."""

    time: np.ndarray
    """(T,): numbers, or datetime64."""
    values: np.ndarray
    """(T,)"""
    name: str
    """What it is, with its unit, such as "temperature in °C"."""
    unit: str
    """That of errors, such as "degrees Celsius"."""


def forecasting(
    forecaster: QuantileForecaster,
    objective: Objective,
    windows: Splits,
    series: ForecastSeries,
    *,
    horizons: Sequence[int],
    levels: Sequence[float],
    batch_size: int,
    baselines: Callable[[], Mapping[str, Sequence[float]]],
    step: str = "h",
) -> Task:
    """Train on windows of a series; test the forecasts of each time of its test part.

    Parts of ``windows`` have ``inputs`` ``(N, T, D)`` and ``targets`` ``(N, origins, H)``, those of
    the test part one origin each, and its times ``origin`` ``(N,)``, as
    `jnn.data.series_windows.forecast_sequences` makes them. ``horizons`` count steps of the series,
    whose unit is ``step``; quantiles are of the ``levels``. Params are kept by the ``mse`` of
    `jnn.scores.forecasts.by_horizon` on the validation part. Metrics are its ``test/rmse_24h``, ...
    and ``test/coverage_24h``, ..., of the farthest horizon first: that of the ``baselines``, which
    are the RMSE at each horizon by method.

    >>> import jnn, jax.numpy as jnp
    >>> from jnn.data.series_windows import forecast_sequences
    >>> from jnn.tasks.quantile_forecaster import change_scales
    >>> x = np.arange(40.0)[:, None] % 7
    >>> cut = lambda part, origins: forecast_sequences(
    ...     x, x[:, 0], length=3, origins=origins, horizons=[2], within=part
    ... )
    >>> windows = Splits(cut(range(20), 4), cut(range(20, 30), 4), cut(range(30, 40), 1))
    >>> persistence = jnn.ensemble(jnn.chain(lambda x: jnp.zeros((*x.shape[:-1], 2))), 2)
    >>> forecaster = QuantileForecaster(persistence, change_scales(x, range(20), [2]), length=3)
    >>> settings = {"horizons": [2], "levels": [0.5], "batch_size": 2, "baselines": dict}
    >>> objective = lambda params, state, batch, key: (0.0, (state, {}))
    >>> series = ForecastSeries(np.arange(40), x[:, 0], "x", "")
    >>> task = forecasting(forecaster, objective, windows, series, **settings)
    >>> list(task.test({}, {})), task.best
    (['test/rmse_2h', 'test/coverage_2h'], 'validation/mse')
    """
    metric = by_horizon([f"{h}{step}" for h in horizons], forecaster.scales.change)
    evaluate = partial(make_evaluate, forecaster.predict, metric, target="targets")
    predictions = once(partial(predict_all, forecaster.predict, arrays=windows.test))
    errors, columns = cache(baselines), windows.train["inputs"].shape[-1]
    example = jax.ShapeDtypeStruct((forecaster.length, columns), np.float32)

    def test(params: Any, state: Any) -> dict[str, Any]:
        sums = metric.measure(predictions(params, state), windows.test["targets"])
        values, farthest_first = metric.compute(sums), list(reversed(horizons))
        names = [f"{name}_{h}{step}" for name in ("rmse", "coverage") for h in farthest_first]
        return {f"test/{name}": values[name] for name in names}

    def sections(fitted: Fitted) -> list[Any]:
        """The errors of all methods, fan charts, and the calibration of the quantiles."""
        from jnn.explain.sections import forecasting as report

        kept, names = (fitted.params, fitted.state), {f"{h} {step}": h for h in horizons}
        of_model = [float(test(*kept)[f"test/rmse_{h}{step}"]) for h in horizons]
        forecasts = {name: values[:, 0] for name, values in predictions(*kept).items()}
        past = series.time, series.values, windows.test["origin"], names
        return [
            *report.errors({"this model": of_model, **errors()}, list(names), unit=series.unit),
            *report.quantiles(
                *past, **forecasts, levels=levels, past=forecaster.length, name=series.name
            ),
        ]

    return Task(
        model=forecaster.model,
        objective=objective,
        feed=in_memory(windows.train, batch_size),
        example=example,
        preparation=forecaster.preparation(example),
        validate=evaluate(windows.validation, split="validation", batch_size=BATCH),
        best="validation/mse",
        lowest=True,
        test=test,
        baselines=lambda: {name: values[-1] for name, values in errors().items()},
        sections=sections,
    )
