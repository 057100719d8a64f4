"""Forecast the temperature in Beijing 1, 6 and 24 hours ahead by an ensemble of causal networks.

Each network gives the mean and five quantiles of the temperature; forecasts are averaged over the
networks.

Source    Temporal convolutions: Bai, Kolter, Koltun 2018, https://arxiv.org/abs/1803.01271.
          Quantiles by the pinball loss: Koenker and Bassett 1978, https://doi.org/10.2307/1913643;
          as in Wen et al. 2017, https://arxiv.org/abs/1711.11053, one network gives those of all
          horizons, and every hour of a training window is the origin of forecasts.
Data      beijing_weather: 43,824 hours of 2010 to 2014 (Liang et al. 2015,
          https://doi.org/10.1098/rspa.2015.0257). Train on 2010 to 2012, validate on 2013, test on
          2014, each time from the last 48 hours. Scales are those of 2010 to 2012.
Baselines Persistence (the temperature now); the same hour of the day before; climatology (the mean
          at that day and hour in 2010 to 2012); ridge regression and gradient boosting from the
          same 48 hours and columns: on the same split.
Command   jnn run weather_forecasting [--model tcn|gru|lstm] [--seed 0]
Result    test RMSE in degrees, mean and standard deviation over seeds 0, 1, 2; a run takes 3 min of
          processor time on an Intel Xeon:

                 this model         gradient boosting   ridge regression   persistence
          +1 h   1.096 +- 0.002     1.116               1.163              1.544
          +6 h   2.137 +- 0.010     2.241               2.368              5.769
          +24 h  2.860 +- 0.009     3.049               2.886              3.530

          Intervals of 90 % hold 90, 88 and 85 %: a little too narrow for the next day.
"""

import dataclasses
from functools import cache, partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import jnn
from jnn import losses
from jnn.architectures.rnn import RNNConfig, rnn
from jnn.architectures.tcn import TCNConfig, tcn
from jnn.baselines.forecasts import hourly_forecasts
from jnn.data.calendar import calendar_features
from jnn.data.scaling import Scaling, fit_scaling, unscale
from jnn.data.series_splits import TimeSplit, split_at, split_time
from jnn.data.series_windows import fill_forward, forecast_sequences
from jnn.data.sets.series import WINDS, Series, load_beijing_weather
from jnn.data.sets.synthetic_series import synthetic_weather
from jnn.errors import mistake
from jnn.runs import About
from jnn.scores.forecasts import by_horizon
from jnn.train import (
    SUITED,
    Preparation,
    Task,
    TrainingConfig,
    in_memory,
    make_evaluate,
    once,
    predict_all,
)

ABOUT = About(
    task="weather forecasting",
    models=("tcn", "gru", "lstm"),
    data=("beijing_weather",),
    metric="test/rmse_24h",
    direction="lowest",
    expected="2.860 ± 0.009",
    cost="3 min of processor time",
)
HORIZONS = (1, 6, 24)  # hours
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)  # of the quantiles
HOURS = 48  # that a forecast sees, at least
ORIGINS = 48  # hours of a training window from which forecasts are made
BLOCKS, KERNEL = 3, 4  # a temporal convolutional network of this size sees 43 hours
CALENDAR = 8  # features of the time of day and year: the last columns


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(TrainingConfig):
    """The settings of a run. The defaults were chosen on 2013."""

    model: Literal["tcn", "gru", "lstm"] = "tcn"
    """The architecture of each network."""
    width: int = SUITED
    """Features of its layers."""
    members: int = SUITED
    """Networks whose forecasts are averaged."""
    dropout: float = 0.3
    """Fraction of the features that is dropped in training."""
    epochs: int = SUITED
    batch_size: int = 8
    learning_rate: float = 3e-3
    weight_decay: float = 0.1
    clip: float = 1.0

    def suited(self) -> dict[str, Any]:
        """A smaller model, trained for one epoch, in a smoke run."""
        width, members, epochs = (8, 2, 1) if self.smoke else (48, 8, 6)
        return {"width": width, "members": members, "epochs": epochs}


class Weather(NamedTuple):
    """Hours of weather: what is known of each, and to which part of the data it belongs."""

    time: np.ndarray
    """(T,) datetime64."""
    inputs: np.ndarray
    """(T, D) float32; the first column is the temperature in degrees Celsius."""
    split: TimeSplit


def load_data(config: Config, *, offline: bool = False) -> Weather:
    """Measurements and calendar features of each hour; in a smoke run 1,500 synthetic hours."""
    if config.smoke:
        series = synthetic_weather()
        split = split_time(len(series.time))
    else:
        series = load_beijing_weather(offline=offline)
        split = split_at(series.time, "2013-01-01", "2014-01-01")
    return Weather(series.time, inputs_of(series), split)


def inputs_of(series: Series) -> np.ndarray:
    """The columns of each hour (T, D) float32 that forecasts are made from, in their own units."""
    columns = lambda *names: np.stack([series.column(name) for name in names], axis=1)
    measured = columns("temperature", "dew_point", "pressure")
    skewed = fill_forward(np.log1p(columns("wind", "snow", "rain", "particles")))
    inputs = np.hstack([measured, skewed, columns(*WINDS), calendar_features(series.time)])
    return inputs.astype(np.float32)


class Scales(NamedTuple):
    """The scaling of the inputs, and the deviation (H,) of the change up to each horizon."""

    inputs: Scaling
    change: np.ndarray


def fit_scales(weather: Weather) -> Scales:
    """The scales of the training part alone."""
    train = weather.inputs[weather.split.train]
    change = [np.std(train[h:, 0] - train[:-h, 0]) for h in HORIZONS]
    return Scales(fit_scaling(train, "inputs"), np.array(change, np.float32))


def windows(
    weather: Weather, part: range, origins: int, stride: int | None = None
) -> dict[str, np.ndarray]:
    """``inputs`` (N, HOURS - 1 + origins, D), and ``targets`` (N, origins, H).

    Targets are the temperatures that follow each origin at each horizon.
    """
    return forecast_sequences(
        weather.inputs,
        weather.inputs[:, 0],
        length=HOURS,
        origins=origins,
        horizons=HORIZONS,
        within=part,
        stride=stride,
        reach_back=part.start > 0,
    )


def build_model(config: Config) -> jnn.Model:
    """x ``(..., T, D)`` -> ``(members, ..., T, H (1 + Q))``.

    At each hour the mean and the quantiles of the change of temperature up to each horizon.
    """
    settings = {"outputs": len(HORIZONS) * (1 + len(LEVELS)), "dropout": config.dropout}
    if config.model == "tcn":
        channels = (config.width,) * BLOCKS
        network = tcn(TCNConfig(**settings, channels=channels, kernel_size=KERNEL))
    else:
        network = rnn(RNNConfig(**settings, cell=config.model, width=config.width, depth=1))
    return jnn.ensemble(config.cast(network), config.members)


def describe(config: Config) -> tuple[jnn.Model, jax.ShapeDtypeStruct]:
    """The model and the shape of one example."""
    columns = 7 + len(WINDS) + CALENDAR
    return build_model(config), jax.ShapeDtypeStruct((HOURS, columns), jnp.float32)


def forecast(model: jnn.Model, params, state, x, **options):
    """Mean ``(members, N, origins, H)`` and quantiles ``(..., H, Q)`` of the scaled change.

    ``x`` is scaled.
    """
    y, _ = model.apply(params, state, x, **options)
    y = y[..., HOURS - 1 :, :].astype(jnp.float32)
    y = y.reshape(*y.shape[:-1], len(HORIZONS), -1)
    return y[..., 0], y[..., 1:]


def scaled(scales: Scales, inputs: jax.Array) -> jax.Array:
    """``inputs`` (..., T, D) with mean 0 and deviation 1 over the training part."""
    mean, deviation = (jnp.asarray(moment, jnp.float32) for moment in scales.inputs)
    return (inputs - mean) / deviation


def predict(scales: Scales, model: jnn.Model, params, state, batch) -> dict[str, jax.Array]:
    """``mean`` ``(N, origins, H)`` and ``quantiles`` ``(N, origins, H, Q)`` of the temperature.

    Both are means over members. Quantiles are sorted, as they may cross: sorting brings none
    further from the truth (Chernozhukov, Fernández-Val, Galichon 2010).
    """
    mean, quantiles = forecast(model, params, state, scaled(scales, batch["inputs"]))
    now = batch["inputs"][..., HOURS - 1 :, :1]
    quantiles = jnp.sort(jnp.mean(quantiles, axis=0), axis=-1)
    return {
        "mean": now + scales.change * jnp.mean(mean, axis=0),
        "quantiles": now[..., None] + scales.change[:, None] * quantiles,
    }


def predictor(config: Config, preparation: Preparation) -> jnn.Model:
    """Scaled hours ``(..., T, D)`` -> temperatures from hour 48 on, in deviations of their change.

    That is for `jnn.load`, whose inputs are rows of `inputs_of` and whose answers are in degrees:
    ``mean`` ``(..., T - 47, H)`` and ``quantiles`` ``(..., T - 47, Q, H)``.
    """
    assert preparation.scaling, "the inputs of a run are scaled"
    assert preparation.target, "and so are its forecasts"
    model, change = build_model(config), jnp.asarray(preparation.target.deviation, jnp.float32)
    temperature = Scaling(*(moment[0] for moment in preparation.scaling))

    def apply(params, state, x, *, key=None, train=False, mask=None):
        if x.ndim < 2 or x.shape[-2] < HOURS:
            expected = f"{HOURS} hours (..., T, D) or more"
            raise mistake("weather_forecasting", got=f"shape {x.shape}", expected=expected)
        mean, quantiles = (jnp.mean(y, axis=0) for y in forecast(model, params, state, x))
        now = unscale(temperature, x[..., HOURS - 1 :, :1]) / change
        quantiles = jnp.moveaxis(jnp.sort(quantiles, axis=-1), -1, -2)
        return {"mean": now + mean, "quantiles": now[..., None, :] + quantiles}, state

    return jnn.Model(model.init, apply)


def task(config: Config, weather: Weather) -> Task:
    """Squared error and pinball loss; params are kept by the squared error on validation data."""
    model, scales, example = build_model(config), fit_scales(weather), describe(config)[1]
    temperature = Scaling(np.zeros(len(HORIZONS)), scales.change)
    train = windows(weather, weather.split.train, ORIGINS, stride=ORIGINS // 4)
    validation = windows(weather, weather.split.validation, ORIGINS)
    tested = windows(weather, weather.split.test, 1)

    def objective(params, state, batch, key):
        """The sum over members: no member's gradient depends on another."""
        x = batch["inputs"]
        options = {"key": key, "train": True}
        mean, quantiles = forecast(model, params, state, scaled(scales, x), **options)
        change = (batch["targets"] - x[:, HOURS - 1 :, :1]) / scales.change
        change = jnp.broadcast_to(change, mean.shape)
        squared = jnp.mean(losses.squared_error(mean, change))
        pinball = [
            jnp.mean(losses.quantile(quantiles[..., i], change, level=level))
            for i, level in enumerate(LEVELS)
        ]
        return config.members * (squared + sum(pinball) / len(LEVELS)), (state, {"mse": squared})

    metric = by_horizon([f"{h}h" for h in HORIZONS], scales.change)
    evaluate = partial(make_evaluate, partial(predict, scales, model), metric, target="targets")
    predictions = once(partial(predict_all, partial(predict, scales, model), arrays=tested))
    errors = cache(partial(baselines, config, weather, tested))

    def test(params, state):
        values = metric.compute(metric.measure(predictions(params, state), tested["targets"]))
        names = [f"{name}_{h}h" for name in ("rmse", "coverage") for h in reversed(HORIZONS)]
        return {f"test/{name}": values[name] for name in names}

    def sections(fitted):
        from jnn.explain.sections import forecasting

        values, names = test(fitted.params, fitted.state), {f"{h} h": h for h in HORIZONS}
        model_errors = {"this model": [float(values[f"test/rmse_{h}h"]) for h in HORIZONS]}
        return [
            *forecasting.errors(model_errors | errors(), list(names), unit="degrees Celsius"),
            *forecasting.quantiles(
                *(weather.time, weather.inputs[:, 0], tested["origin"], names),
                *(values[:, 0] for values in predictions(fitted.params, fitted.state).values()),
                levels=LEVELS,
                past=HOURS,
                name="temperature in °C",
            ),
        ]

    return Task(
        model=model,
        objective=objective,
        feed=in_memory(train, config.batch_size),
        example=example,
        preparation=Preparation(example, scaling=scales.inputs, target=temperature),
        validate=evaluate(validation, split="validation", batch_size=32),
        best="validation/mse",
        lowest=True,
        test=test,
        baselines=lambda: {name: values[-1] for name, values in errors().items()},
        sections=sections,
        data={
            "name": "beijing_weather",
            **{part: len(hours) for part, hours in weather.split._asdict().items()},
        },
    )


def baselines(
    config: Config, weather: Weather, test: dict[str, np.ndarray]
) -> dict[str, list[float]]:
    """Test RMSE of each baseline at each horizon."""
    measured = lambda part: {**part, "inputs": part["inputs"][..., :-CALENDAR]}
    forecasts = hourly_forecasts(
        weather.time,
        weather.inputs[:, 0],
        measured(windows(weather, weather.split.train, 1)),
        measured(test),
        within=weather.split.train,
        horizons=HORIZONS,
        calendar=weather.inputs[:, -CALENDAR:],
        trees=3 if config.smoke else 150,
    )
    squares = lambda forecast: np.square(forecast - test["targets"][:, 0], dtype=np.float64)
    return {
        name: np.sqrt(np.mean(squares(forecast), axis=0)).tolist()
        for name, forecast in forecasts.items()
    }
