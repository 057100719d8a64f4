"""The temperature in Beijing one, six and 24 hours ahead, and how sure that is, by several causal
networks whose forecasts are averaged.

Source    Temporal convolutions: Bai, Kolter, Koltun 2018, https://arxiv.org/abs/1803.01271. Quantiles by the pinball loss: Koenker and
          Bassett 1978, https://doi.org/10.2307/1913643; as in Wen et al. 2017, https://arxiv.org/abs/1711.11053, one network gives those
          of all horizons, and every hour of a window is the origin of forecasts in training.
Data      beijing_weather: 43,824 hours of 2010 to 2014 (Liang et al. 2015, https://doi.org/10.1098/rspa.2015.0257). Learned from 2010 to
          2012, chosen on 2013, tested on 2014, each time from the last 48 hours. Scales are those of 2010 to 2012.
Baselines The temperature now (persistence); that of the same hour of the day before; its mean at that day and hour in 2010 to 2012
          (climatology); ridge regression and gradient boosting from the same 48 hours and columns: on the same split.
Command   jnn run weather_forecasting [--model tcn|gru|lstm] [--seed 0]
Result    test RMSE in degrees, mean and standard deviation over seeds 0, 1, 2; a run takes 3 min of processor time on an Intel Xeon.

                 this model         gradient boosting   ridge regression   persistence
          +1 h   1.096 +- 0.001     1.116               1.163              1.544
          +6 h   2.142 +- 0.008     2.241               2.368              5.769
          +24 h  2.860 +- 0.006     3.049               2.886              3.530

          Bands of 90 % hold 90, 88 and 85 %: a little narrow for the next day.
"""

import dataclasses
from functools import partial
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import jnn
from jnn import losses, metrics
from jnn.architectures.rnn import RNNConfig, rnn
from jnn.architectures.tcn import TCNConfig, tcn
from jnn.data.scaling import Scaling, fit_scaling
from jnn.data.series_splits import TimeSplit, split_at, split_time
from jnn.data.series_windows import fill_forward, forecast_sequences
from jnn.data.sets.series import WINDS, Series, load_beijing_weather
from jnn.runs import About, Run
from jnn.train import Task, TrainingConfig, in_memory, make_evaluate, predict_all, seed_key, train

ABOUT = About(
    task="weather forecasting",
    models=("tcn", "gru", "lstm"),
    data=("beijing_weather",),
    metric="test/rmse_24h",
    direction="lowest",
    expected="2.860 ± 0.006",
    cost="3 min of processor time",
)
HORIZONS = (1, 6, 24)
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
HOURS = 48
ORIGINS = 48
"""The hours of a training window from which forecasts are made; each has seen `HOURS` hours at
least.
"""
BLOCKS, KERNEL = 3, 4
"""A temporal convolutional network of this size sees 43 hours."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(TrainingConfig):
    """The settings of a run. The defaults were chosen on 2013."""

    model: Literal["tcn", "gru", "lstm"] = "tcn"
    """The architecture of each network."""
    width: int = 48
    """Features of its layers."""
    members: int = 8
    """Networks whose forecasts are averaged."""
    dropout: float = 0.3
    """Fraction of the features that is dropped in training."""
    epochs: int = 6
    batch_size: int = 8
    learning_rate: float = 3e-3
    weight_decay: float = 0.1
    clip: float = 1.0

    def __post_init__(self):
        """Make a smoke run small, and check."""
        self.shrink(epochs=1, members=2, width=8)
        super().__post_init__()


class Weather(NamedTuple):
    """``time`` (T,), ``inputs`` (T, D) whose first column is the temperature in degrees Celsius,
    and the times of each part.
    """

    time: np.ndarray
    inputs: np.ndarray
    split: TimeSplit


def load_data(config: Config, *, offline: bool = False) -> Weather:
    """Measurements and clock at each hour; for ``--smoke`` some months that are made up."""
    series = made_up() if config.smoke else load_beijing_weather(offline=offline)
    split = (
        split_time(len(series.time))
        if config.smoke
        else split_at(series.time, "2013-01-01", "2014-01-01")
    )
    logarithms = np.log1p(
        np.stack([series.column(name) for name in ("wind", "snow", "rain", "particles")], axis=1)
    )
    measured = [series.column(name) for name in ("temperature", "dew_point", "pressure")]
    winds = [series.column(name) for name in WINDS]
    columns = np.column_stack([*measured, fill_forward(logarithms), *winds, clock(series.time)])
    return Weather(series.time, columns.astype(np.float32), split)


def clock(time: np.ndarray) -> np.ndarray:
    """The hour of the day and the day of the year, as angles and as twice these: sines and cosines,
    (T, 8).
    """
    day, year = time.astype("datetime64[D]"), time.astype("datetime64[Y]")
    turns = [(time - day) / np.timedelta64(1, "D"), (time - year) / np.timedelta64(8766, "h")]
    return np.stack(
        [f(2 * np.pi * k * turn) for turn in turns for k in (1, 2) for f in (np.sin, np.cos)],
        axis=1,
    )


def made_up() -> Series:
    """Some weeks with a warm afternoon and a drift."""
    rng, hours = np.random.default_rng(0), np.arange(1500)
    names = ("temperature", "dew_point", "pressure", "wind", "snow", "rain", "particles", *WINDS)
    values = np.abs(rng.normal(size=(len(hours), len(names))))
    values[:, 0] += 5 * np.sin(2 * np.pi * hours / 24) + 0.1 * np.cumsum(
        rng.normal(size=len(hours))
    )
    return Series(np.datetime64("2012-01-01T00") + hours.astype("timedelta64[h]"), values, names)


class Scales(NamedTuple):
    """What is learned from the training part before the networks are: that of each input, and the
    deviation of the change (H,).
    """

    inputs: Scaling
    change: np.ndarray


def fit_scales(weather: Weather) -> Scales:
    """The scales of the training part alone."""
    known = weather.inputs[weather.split.train]
    return Scales(
        fit_scaling(known, "inputs"),
        np.array([np.std(known[h:, 0] - known[:-h, 0]) for h in HORIZONS], np.float32),
    )


def windows(
    weather: Weather, part: range, origins: int, stride: int | None = None
) -> dict[str, np.ndarray]:
    """``inputs`` (N, HOURS - 1 + origins, D), and of each origin the temperatures that follow,
    ``targets`` (N, origins, H).
    """
    settings = {
        "length": HOURS,
        "origins": origins,
        "horizons": HORIZONS,
        "within": part,
        "stride": stride,
    }
    return forecast_sequences(
        weather.inputs, weather.inputs[:, 0], **settings, reach_back=part.start > 0
    )


def build_model(config: Config) -> jnn.Model:
    """x ``(..., T, D)`` -> ``(members, ..., T, H (1 + Q))``: at each hour, of each horizon the mean
    and the quantiles of the change.
    """
    outputs = len(HORIZONS) * (1 + len(LEVELS))
    if config.model == "tcn":
        network = tcn(
            TCNConfig(
                outputs=outputs,
                channels=(config.width,) * BLOCKS,
                kernel_size=KERNEL,
                dropout=config.dropout,
            )
        )
    else:
        network = rnn(
            RNNConfig(
                outputs=outputs,
                cell=config.model,
                width=config.width,
                depth=1,
                dropout=config.dropout,
            )
        )
    return jnn.ensemble(config.cast(network), config.members)


def describe(config: Config) -> tuple[jnn.Model, jax.ShapeDtypeStruct]:
    """The model and the shape of one example."""
    return build_model(config), jax.ShapeDtypeStruct((HOURS, 7 + len(WINDS) + 8), jnp.float32)


def forecast(
    scales: Scales, model: jnn.Model, params, state, x, **options
) -> tuple[jax.Array, jax.Array]:
    """Mean ``(members, N, origins, H)`` and quantiles ``(members, N, origins, H, Q)`` of the
    change, in units of its deviation.
    """
    mean, deviation = (jnp.asarray(each, jnp.float32).reshape(1, 1, -1) for each in scales.inputs)
    y, _ = model.apply(params, state, (x - mean) / deviation, **options)
    y = y[:, :, HOURS - 1 :].astype(jnp.float32)
    y = y.reshape(*y.shape[:-1], len(HORIZONS), -1)
    return y[..., 0], y[..., 1:]


def objective(config: Config, scales: Scales, model: jnn.Model, params, state, batch, key):
    """The sum over members of squared error and mean pinball loss: no member's gradient depends on
    another.
    """
    mean, quantiles = forecast(scales, model, params, state, batch["inputs"], key=key, train=True)
    change = (batch["targets"] - batch["inputs"][:, HOURS - 1 :, :1]) / scales.change.reshape(
        1, 1, -1
    )
    change = jnp.broadcast_to(change[None], mean.shape)
    squared = jnp.mean(losses.squared_error(mean, change))
    pinball = [
        jnp.mean(losses.quantile(quantiles[..., i], change, level=level))
        for i, level in enumerate(LEVELS)
    ]
    return config.members * (squared + sum(pinball) / len(LEVELS)), (state, {"mse": squared})


def predict(scales: Scales, model: jnn.Model, params, state, batch) -> dict[str, jax.Array]:
    """``mean`` ``(N, origins, H)`` and ``quantiles`` ``(N, origins, H, Q)`` of the temperature,
    means over members.

    Quantiles are sorted, as they may cross: sorting brings none further from the truth
    (Chernozhukov, Fernández-Val, Galichon 2010).
    """
    mean, quantiles = forecast(scales, model, params, state, batch["inputs"])
    now = batch["inputs"][:, HOURS - 1 :, :1]
    change = scales.change.reshape(1, 1, -1)
    quantiles = jnp.sort(jnp.mean(quantiles, axis=0), axis=-1)
    return {
        "mean": now + change * jnp.mean(mean, axis=0),
        "quantiles": now[..., None] + change[..., None] * quantiles,
    }


def measures(scales: Scales) -> metrics.Metric:
    """Of each horizon ``rmse_1h`` in degrees and ``coverage_1h``, the share of temperatures between
    the outer quantiles; and ``mse``, the mean over horizons of the squared error in units of the
    deviation of the change."""
    mse = metrics.mean_squared_error()
    within = lambda q, t: (jnp.asarray(q)[..., 0] <= t) & (t <= jnp.asarray(q)[..., -1])
    share = metrics.mean_of(lambda q, t: within(q, t).astype(jnp.float32))

    def measure(found, targets, weights=None):
        of = lambda metric, name, k: metric.measure(found[name][:, :, k], targets[..., k], weights)
        return [(of(mse, "mean", k), of(share, "quantiles", k)) for k in range(len(HORIZONS))]

    def compute(sums):
        errors = [mse.compute(each) for each, _ in sums]
        values = {f"rmse_{h}h": jnp.sqrt(error) for h, error in zip(HORIZONS, errors, strict=True)}
        values |= {
            f"coverage_{h}h": share.compute(each)
            for h, (_, each) in zip(HORIZONS, sums, strict=True)
        }
        return {
            **values,
            "mse": sum(
                error / float(c) ** 2 for error, c in zip(errors, scales.change, strict=True)
            )
            / len(HORIZONS),
        }

    return metrics.Metric(measure, compute)


def baselines(
    config: Config, weather: Weather, test: dict[str, np.ndarray]
) -> dict[str, list[float]]:
    """Test RMSE at each horizon of each baseline."""
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    train, temperature = windows(weather, weather.split.train, 1), weather.inputs[:, 0]
    found = {
        name: []
        for name in (
            "persistence",
            "same hour yesterday",
            "climatology",
            "ridge regression",
            "gradient boosting",
        )
    }
    boosting = HistGradientBoostingRegressor(max_iter=3 if config.smoke else 150, random_state=0)
    learners = {
        "ridge regression": make_pipeline(StandardScaler(), Ridge(10.0)),
        "gradient boosting": boosting,
    }
    usual = climatology(weather)
    for k, horizon in enumerate(HORIZONS):
        table = lambda part, h=horizon: np.column_stack(
            [
                part["inputs"][:, :, :-8].reshape(len(part["origin"]), -1),
                weather.inputs[part["origin"] + h, -8:],
            ]
        )
        change = lambda part, k=k: part["targets"][:, 0, k] - temperature[part["origin"]]
        now, truth = temperature[test["origin"]], test["targets"][:, 0, k]
        forecasts = {
            "persistence": now,
            "same hour yesterday": temperature[test["origin"] + horizon - 24],
        }
        forecasts["climatology"] = usual[test["origin"] + horizon]
        # threads that wait for each other on busy cores take longer than one
        with threadpool_limits(1):
            forecasts |= {
                name: now + each.fit(table(train), change(train)).predict(table(test))
                for name, each in learners.items()
            }
        for name, each in forecasts.items():
            found[name].append(float(np.sqrt(np.mean((each - truth) ** 2))))
    return found


def climatology(weather: Weather) -> np.ndarray:
    """The mean temperature of the training part at each time's day of the year and hour, (T,);
    where there was none, that of the hour.
    """
    time, known = weather.time, np.arange(len(weather.time)) < weather.split.train.stop
    hour = (time - time.astype("datetime64[D]")).astype(int)
    day = (time.astype("datetime64[D]") - time.astype("datetime64[Y]")).astype(int)

    def mean(slot: np.ndarray) -> np.ndarray:
        size = slot.max() + 1
        count = np.bincount(slot[known], minlength=size)
        total = np.bincount(slot[known], weather.inputs[known, 0], minlength=size)
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)[slot]

    usual = mean(24 * day + hour)
    return np.where(np.isnan(usual), mean(hour), usual)


def sections(
    weather: Weather,
    found: dict[str, np.ndarray],
    test: dict[str, np.ndarray],
    errors: dict[str, list[float]],
) -> list:
    """Pictures for the report: errors beside the baselines, fans, two weeks of forecasts, and
    calibration.
    """
    from jnn.explain.page.report import Section
    from jnn.explain.results import forecast

    mean, quantiles, targets, origin = (
        found["mean"][:, 0],
        found["quantiles"][:, 0],
        test["targets"][:, 0],
        test["origin"],
    )
    temperature, names = weather.inputs[:, 0], [f"+{h} h" for h in HORIZONS]

    def fan(n: int):
        past, ahead = (
            weather.time[origin[n] - HOURS + 1 : origin[n] + 1],
            weather.time[origin[n]] + np.array(HORIZONS, "timedelta64[h]"),
        )
        seen = temperature[origin[n] - HOURS + 1 : origin[n] + 1]
        return forecast.fan_chart(
            (past, seen),
            (ahead, mean[n]),
            quantiles[n],
            LEVELS,
            observed=targets[n],
            name="temperature in °C",
        )

    order = np.argsort(np.abs(mean[:, -1] - targets[:, -1]))
    first = len(origin) // 2 + max(HORIZONS)
    weeks = np.arange(first, min(first + 14 * 24, len(origin)))
    rolling = {f"{h} h before": quantiles[weeks - h, k] for k, h in enumerate(HORIZONS)}
    # windows begin an hour after each other, so that window n - h forecasts the origin of window n
    time = origin[weeks]
    below = {
        name: np.mean(targets[:, k, None] <= quantiles[:, k], axis=0)
        for k, name in enumerate(names)
    }
    return [
        Section(
            "Errors",
            "RMSE in degrees Celsius on the test part.",
            forecast.errors_by_horizon(errors, names),
        ),
        Section(
            "A forecast as good as half of them",
            "Bands hold 50 and 90 % of the probability.",
            fan(order[len(order) // 2]),
        ),
        Section(
            "The worst forecast of the next day",
            "The same, where the error at 24 hours is greatest.",
            fan(order[-1]),
        ),
        Section(
            "Two weeks",
            "Each hour as it was expected one, six and 24 hours before.",
            forecast.rolling_forecast(
                weather.time[time], temperature[time], rolling, LEVELS, name="°C"
            ),
        ),
        Section(
            "Are the bands as wide as they should be?",
            "Over the whole test part.",
            forecast.calibration(LEVELS, below),
        ),
    ]


def task(config: Config, weather: Weather, test: dict[str, np.ndarray]) -> Task:
    """What is trained, and how it is judged: params are kept where the error on validation data is
    lowest.
    """
    model, scales = build_model(config), fit_scales(weather)
    evaluate = partial(
        make_evaluate, partial(predict, scales, model), measures(scales), target="targets"
    )
    return Task(
        model=model,
        objective=partial(objective, config, scales, model),
        feed=in_memory(
            windows(weather, weather.split.train, ORIGINS, ORIGINS // 4), config.batch_size
        ),
        example=describe(config)[1],
        validate=evaluate(
            windows(weather, weather.split.validation, ORIGINS), split="validation", batch_size=32
        ),
        test=evaluate(test, split="test"),
        best="validation/mse",
        lowest=True,
    )


def main(config: Config, run: Run) -> dict:
    """Train, keep what is best on validation data, and test it once."""
    weather = load_data(config, offline=run.options.offline)
    test = windows(weather, weather.split.test, 1)
    what = task(config, weather, test)
    fitted = train(what, config, seed_key(config.seed), run)
    values = what.test(fitted.params, fitted.state)
    measured = {
        f"test/{name}_{h}h": float(values[f"test/{name}_{h}h"])
        for name in ("rmse", "coverage")
        for h in reversed(HORIZONS)
    }
    known = baselines(config, weather, test)
    errors = {"this model": [measured[f"test/rmse_{h}h"] for h in HORIZONS], **known}
    found = predict_all(
        partial(predict, fit_scales(weather), what.model), fitted.params, fitted.state, test
    )
    return {
        "metrics": measured,
        "baselines": {name: each[-1] for name, each in known.items()},
        **fitted.counts,
        "data": {
            "name": "beijing_weather",
            "sha256": what.feed.identity["sha256"],
            **{part: len(hours) for part, hours in weather.split._asdict().items()},
        },
        "sections": sections(weather, found, test, errors),
    }
