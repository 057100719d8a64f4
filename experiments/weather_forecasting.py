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
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import jnn
from jnn import losses
from jnn.architectures.rnn import RNNConfig, rnn
from jnn.architectures.tcn import TCNConfig, tcn
from jnn.baselines.forecasts import errors_by_horizon, hourly_forecasts
from jnn.data.calendar import calendar_features
from jnn.data.series_splits import TimeSplit, split_at, split_time
from jnn.data.series_windows import fill_forward, forecast_sequences
from jnn.data.sets.series import WINDS, Series, load_beijing_weather
from jnn.data.sets.synthetic_series import synthetic_weather
from jnn.data.splits import Splits
from jnn.runs import About
from jnn.tasks.forecasting_task import ForecastSeries, forecasting
from jnn.tasks.quantile_forecaster import QuantileForecaster, change_scales, prepared_forecaster
from jnn.train import SUITED, Preparation, Task, TrainingConfig

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
MEASURED = ("temperature", "dew_point", "pressure")
SKEWED = ("wind", "snow", "rain", "particles")  # whose logarithms are used
CALENDAR = tuple(
    f"{function} of the {period}, {k}"
    for period in ("day", "year")
    for k in (1, 2)
    for function in ("sine", "cosine")
)
COLUMNS = (
    *MEASURED,
    *(f"log {name}" for name in SKEWED),
    *(f"{wind} wind" for wind in WINDS),
    *CALENDAR,
)


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
    columns: tuple[str, ...] = COLUMNS


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
    measured = columns(*MEASURED)
    skewed = fill_forward(np.log1p(columns(*SKEWED)))
    inputs = np.hstack([measured, skewed, columns(*WINDS), calendar_features(series.time)])
    return inputs.astype(np.float32)


def windows(
    weather: Weather, part: range, origins: int, stride: int | None = None
) -> dict[str, np.ndarray]:
    """``inputs`` (N, HOURS - 1 + origins, D), and ``targets`` (N, origins, H).

    Targets are the temperatures that follow each origin at each horizon.
    """
    x, is_later = weather.inputs, part.start > 0
    settings = {"length": HOURS, "origins": origins, "horizons": HORIZONS, "stride": stride}
    return forecast_sequences(x, x[:, 0], within=part, reach_back=is_later, **settings)


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
    return build_model(config), jax.ShapeDtypeStruct((HOURS, len(COLUMNS)), jnp.float32)


def forecaster(config: Config, weather: Weather) -> QuantileForecaster:
    """The networks, with the scales of the training part alone."""
    scales = change_scales(weather.inputs, weather.split.train, HORIZONS)
    return QuantileForecaster(build_model(config), scales, HOURS)


def predictor(config: Config, preparation: Preparation) -> jnn.Model:
    """Hours ``(..., T, D)``, rows of `inputs_of`, -> temperatures from hour 48 on."""
    return prepared_forecaster(build_model(config), preparation).predictor()


def task(config: Config, weather: Weather) -> Task:
    """Squared error and pinball loss; params are kept by the squared error on validation data."""
    networks = forecaster(config, weather)
    train = windows(weather, weather.split.train, ORIGINS, stride=ORIGINS // 4)
    validation = windows(weather, weather.split.validation, ORIGINS)
    tested = windows(weather, weather.split.test, 1)

    def objective(params, state, batch, key):
        """The sum over members: no member's gradient depends on another."""
        x = batch["inputs"]
        (mean, quantiles), state = networks.changes(params, state, x, key=key, train=True)
        change = jnp.broadcast_to(networks.targets(x, batch["targets"]), mean.shape)
        squared = jnp.mean(losses.squared_error(mean, change))
        pinball = lambda i, q: jnp.mean(losses.quantile(quantiles[..., i], change, level=q))
        of_levels = [pinball(i, level) for i, level in enumerate(LEVELS)]
        loss = squared + sum(of_levels) / len(LEVELS)
        return config.members * loss, (state, {"mse": squared})

    temperature = weather.inputs[:, 0], "temperature in °C", "degrees Celsius"
    of_weather = forecasting(
        *(networks, objective, Splits(train, validation, tested)),
        ForecastSeries(weather.time, *temperature),
        horizons=HORIZONS,
        levels=LEVELS,
        batch_size=config.batch_size,
        baselines=partial(baselines, config, weather, tested),
    )
    return of_weather._replace(data={"name": "beijing_weather", **weather.split.sizes})


def baselines(
    config: Config, weather: Weather, test: dict[str, np.ndarray]
) -> dict[str, list[float]]:
    """Test RMSE of each baseline at each horizon."""
    train, x = weather.split.train, weather.inputs
    measured = lambda part: {**part, "inputs": part["inputs"][..., : -len(CALENDAR)]}
    forecasts = hourly_forecasts(
        *(weather.time, x[:, 0], measured(windows(weather, train, 1)), measured(test)),
        within=train,
        horizons=HORIZONS,
        calendar=x[:, -len(CALENDAR) :],
        trees=3 if config.smoke else 150,
    )
    return errors_by_horizon(forecasts, test["targets"][:, 0])
