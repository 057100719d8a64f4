"""Find what is unusual in the recording of a sensor, by LSTMs that forecast it or an LSTM
autoencoder of its windows.

Source    Forecaster: Malhotra et al. 2015, Long short term memory networks for anomaly detection in
          time series (ESANN); here the score is the error of one forecast of each reading, whose
          inputs are cleaned as in a robust filter where that suits the data. Autoencoder: Malhotra
          et al. 2016, https://arxiv.org/abs/1607.00148; the score is the root mean square of the
          errors with which all windows over a reading write it again, so that it is known when the
          last of them is full.
Data      water_flow: hourly flow in a pipeline, 1,268 hours, three events of low flow in the test
          part. Its labels are derived from its values, so that |z| is strong by construction.
          internal_bleeding: arterial pressure, 7,501 readings, set 135 of the UCR archive; one
          anomaly of 12 readings. machine_temperature: 22,695 five-minute readings of the Numenta
          benchmark (NAB); three windows of two days in the test part. Models, scalings and
          thresholds are made of the known stretch without its events, the last quarter of which is
          validation data. An alarm is a score above the 99.9 % quantile there. Settings were chosen
          by the loss on validation data, but horizon and smoothing of the temperature by the event
          in its known stretch, and the cleaning of the flow beforehand.
Baselines |z|; ridge regression of the next value (AR), and with the forecaster's inputs, horizon,
cleaning and smoothing; PCA of windows.
Command   jnn run anomaly_detection [--data water_flow|internal_bleeding|machine_temperature]
          [--model autoencoder|forecaster]
Result    test AUC and average precision (AP), mean and standard deviation over seeds 0, 1, 2; 11 to
          36 s of processor time a run.

                               AUC               AP
          water_flow           0.993 +- 0.000    0.963 +- 0.001    autoencoder      PCA 0.991, |z| 0.955, AR-24 0.952 (AP 0.763)
                               0.974 +- 0.005    0.932 +- 0.006    forecasters      ridge in place of the LSTMs 0.983
          internal_bleeding    0.913 +- 0.011    0.380 +- 0.007    autoencoder      PCA 1.000, AR-49 0.998, |z| 0.267
                               0.999 +- 0.000    0.784 +- 0.006    forecasters      all but |z| hit the anomaly
          machine_temperature  0.879 +- 0.013    0.591 +- 0.017    autoencoder      |z| over 12 hours 0.908, low value 0.886, |z| 0.851,
                               0.852 +- 0.012    0.444 +- 0.086    forecasters      PCA 0.765, AR-48 0.537, ridge for the LSTMs 0.894

          A forecaster alone is less sure, so that five are trained: of the flow it has 0.967, 0.979
          and 0.614 with these seeds, for it may follow an event into its low level. Eight days of
          temperatures teach too little to tell the next day's: how far the temperature is from its
          mean tells more.
"""

import dataclasses
from functools import partial
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import jnn
from jnn import metrics
from jnn.architectures.rnn import RNNConfig, rnn
from jnn.architectures.sequence_autoencoder import SequenceAutoencoderConfig, lstm_autoencoder
from jnn.data.scaling import fit_scaling, unscale
from jnn.data.series_windows import (
    fill_forward,
    forecast_windows,
    over_time,
    standardize_series,
    stretches,
    windows,
)
from jnn.data.sets import anomalies
from jnn.data.sets.anomalies import Recording, split_clean
from jnn.errors import mistake
from jnn.tables import metric_table
from jnn.layers.checks import check_positive
from jnn.runs import About, Run
from jnn.scores import anomaly as anomaly_scores
from jnn.train import Task, TrainingConfig, in_memory, make_evaluate, predict_all, seed_key, train

ABOUT = About(
    task="detection of anomalies in sensor data",
    models=("autoencoder", "forecaster"),
    data=("water_flow", "internal_bleeding", "machine_temperature"),
    metric="test/auc",
    direction="highest",
    expected="0.993 ± 0.000 (water_flow, autoencoder)",
    cost="30 s on 2 cores",
)
SUITED = {
    "water_flow": {
        "forecaster": {"length": 24, "every": 1, "cleaning": 4.0, "epochs": 40},
        "autoencoder": {"length": 24, "every": 1, "epochs": 150},
    },
    "internal_bleeding": {
        "forecaster": {"length": 49, "every": 1, "dropout": 0.1, "weight_decay": 0.1, "epochs": 60},
        "autoencoder": {"length": 48, "every": 1, "epochs": 100},
    },
    "machine_temperature": {
        "forecaster": {"length": 48, "every": 4, "horizon": 288, "smoothing": 144, "epochs": 10},
        "autoencoder": {"length": 288, "every": 12, "smoothing": 144, "epochs": 40},
    },
}
ELSE = {
    "forecaster": {
        "members": 5,
        "dropout": 0.3,
        "noise": 0.0,
        "weight_decay": 1.0,
        "learning_rate": 3e-3,
    },
    "autoencoder": {
        "members": 1,
        "dropout": 0.0,
        "noise": 0.4,
        "weight_decay": 1.0,
        "learning_rate": 1e-2,
    },
}
"""What suits a model where `SUITED` does not say otherwise."""
LAGS = {"water_flow": 24, "internal_bleeding": 49, "machine_temperature": 48}
"""Values that the autoregressive baseline sees."""
COMPONENTS = 8
RIDGE = 1.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(TrainingConfig):
    """The settings of a run. The defaults, which no run could have, become what suits the data and
    the model.
    """

    data: Literal["water_flow", "internal_bleeding", "machine_temperature"] = "water_flow"
    """The recording."""
    model: Literal["autoencoder", "forecaster"] = "autoencoder"
    """What is asked of the LSTM: what it has just seen, or what comes next."""
    length: int = 0
    """Readings in a window."""
    every: int = 0
    """Readings of which the LSTM sees the mean, as one step."""
    horizon: int = 0
    """How many readings ahead the forecaster looks."""
    smoothing: int = 0
    """Readings over which the score is averaged, back from each."""
    cleaning: float = -1.0
    """Deviations from the forecast beyond which a reading is not believed: later forecasts see its
    forecast instead. 0 for never.
    """
    quantile: float = 0.999
    """Of the scores in the known stretch without its events: the threshold of an alarm."""
    members: int = 0
    """Models that are trained side by side, of which the mean is taken."""
    width: int = 32
    """Features of each LSTM."""
    latent: int = 8
    """How many numbers the code of a window has."""
    dropout: float = -1.0
    """Fraction of the forecaster's features that is dropped in training."""
    noise: float = -1.0
    """Standard deviation of the noise on what is seen in training, where 1 is that of the
    readings.
    """
    epochs: int = 0
    batch_size: int = 32
    learning_rate: float = 0.0
    weight_decay: float = -1.0
    clip: float = 1.0

    def __post_init__(self):
        """Fill in what suits the data and the model, make a smoke run short, and check."""
        self.shrink(epochs=2)
        self.suit(
            **{
                "horizon": 1,
                "smoothing": 1,
                "cleaning": 0.0,
                **ELSE[self.model],
                **SUITED[self.data][self.model],
            }
        )
        super().__post_init__()
        if self.every < 1 or self.length < 1 or self.length % self.every:
            got = f"length={self.length}, every={self.every}"
            raise mistake(
                "config", got=got, expected="whole steps: an every >= 1 that divides the length"
            )
        check_positive("config", members=self.members)
        if self.horizon < 1 or self.smoothing < 1 or self.cleaning < 0 or not 0 < self.quantile < 1:
            got = f"horizon={self.horizon}, smoothing={self.smoothing}, cleaning={self.cleaning}, quantile={self.quantile}"
            raise mistake(
                "config",
                got=got,
                expected="horizon and smoothing >= 1, cleaning >= 0 and a quantile between 0 and 1",
            )

    @property
    def reach(self) -> int:
        """Readings that the score of one depends on, itself included."""
        ahead = self.horizon if self.model == "forecaster" else self.length
        return self.length + ahead + self.smoothing - 1


class Prepared(NamedTuple):
    """A recording; its values ``x`` (T,), standardized by the known ones outside events; windows of
    those for training and validation.
    """

    recording: Recording
    x: np.ndarray
    train: dict[str, np.ndarray]
    validation: dict[str, np.ndarray]


def made_up() -> Recording:
    """4,000 readings of a noisy wave with two events of 40, the first of them known."""
    rng, time = np.random.default_rng(0), np.arange(4000)
    anomalous = (time % 1900 >= 1000) & (time % 1900 < 1040)
    wave = 20 + 3 * np.sin(2 * np.pi * time / 24) + rng.normal(0, 0.2, 4000)
    return Recording(
        time,
        np.where(anomalous, 10.0, wave),
        anomalous,
        range(2400),
        (range(2400, 4000),),
        "made up",
    )


def load_data(config: Config, *, offline: bool = False) -> Prepared:
    """The recording and its windows; for ``--smoke`` one that is made up."""
    recording = (
        made_up() if config.smoke else getattr(anomalies, f"load_{config.data}")(offline=offline)
    )
    parts = split_clean(recording)
    x, _ = standardize_series(recording.values, [*parts[0], *parts[1]])
    return Prepared(recording, x, *(cut(config, x, part) for part in parts))


def cut(config: Config, x: np.ndarray, parts: list[range]) -> dict[str, np.ndarray]:
    """Windows of parts of the series: what is seen, and for a forecaster the value to come."""
    if config.model == "autoencoder":
        found = windows(x, length=config.length, within=parts)
    else:
        found = forecast_windows(
            x, x, length=config.length, horizons=[config.horizon], within=parts
        )
        found["targets"] = found["targets"][:, 0]
    return found | {"inputs": steps(config, found["inputs"])}


def steps(config: Config, window):
    """The means of each ``every`` readings: ``(..., length, 1)`` ->
    ``(..., length / every, 1)``.
    """
    return window.reshape(*window.shape[:-2], config.length // config.every, config.every, 1).mean(
        axis=-2
    )


def build_model(config: Config) -> jnn.Model:
    """x ``(..., length / every, 1)`` -> y ``(members, ..., length / every, 1)``: a window again, or
    at each step the change to what is to be forecast."""
    length = config.length // config.every
    if config.model == "autoencoder":
        model = lstm_autoencoder(
            SequenceAutoencoderConfig(length=length, width=config.width, latent=config.latent)
        )
    else:
        model = rnn(
            RNNConfig(outputs=1, cell="lstm", width=config.width, depth=1, dropout=config.dropout)
        )
    return jnn.ensemble(config.cast(model), config.members)


def describe(config: Config) -> tuple[jnn.Model, jax.ShapeDtypeStruct]:
    """The model and the shape of one window."""
    return build_model(config), jax.ShapeDtypeStruct(
        (config.length // config.every, 1), jnp.float32
    )


def target(config: Config) -> str:
    """The array that the model is to make."""
    return "inputs" if config.model == "autoencoder" else "targets"


def of_members(config: Config, model: jnn.Model, params, state, batch, **options) -> jax.Array:
    """Of each member the windows again, ``(members, N, length / every, 1)``; or its forecasts
    ``(members, N)``: the last step, and the change that the last output is."""
    x = batch["inputs"]
    y = model.apply(params, state, x, **options)[0].astype(jnp.float32)
    return y if config.model == "autoencoder" else x[None, ..., -1, 0] + y[..., -1, 0]


def predict(config: Config, model: jnn.Model, params, state, batch) -> jax.Array:
    """The mean over members, ``(N, length / every, 1)`` or ``(N,)``."""
    return jnp.mean(of_members(config, model, params, state, batch), axis=0)


def objective(config: Config, model: jnn.Model, params, state, batch, key):
    """The sum over members of the mean squared error of standardized values: no member's gradient
    depends on another.
    """
    x = batch["inputs"]
    noisy = x + config.noise * jax.random.normal(jnn.child_key(key, "noise"), x.shape, x.dtype)
    y = of_members(
        config, model, params, state, {"inputs": noisy}, key=jnn.child_key(key, "model"), train=True
    )
    return config.members * jnp.mean((y - batch[target(config)][None]) ** 2), (state, {})


def task(config: Config, data: Prepared) -> Task:
    """What is trained, and how it is judged: params are kept where the error on validation data is
    lowest.
    """
    model, measured = (
        build_model(config),
        metrics.collection({"loss": metrics.mean_squared_error()}),
    )
    return Task(
        model=model,
        objective=partial(objective, config, model),
        feed=in_memory(data.train, config.batch_size),
        example=describe(config)[1],
        validate=make_evaluate(
            partial(predict, config, model),
            measured,
            data.validation,
            target=target(config),
            split="validation",
        ),
        best="validation/loss",
        lowest=True,
    )


class Judgement(NamedTuple):
    """How unusual each time is, ``score`` (T,), and the value that was ``expected`` there, (T,),
    NaN where none was.
    """

    score: np.ndarray
    expected: np.ndarray


def by_forecasts(config: Config, data: Prepared, forecast, deviation: float) -> Judgement:
    """The errors of forecasts in units of their deviation. ``forecast`` takes the steps of a window
    to a number.
    """
    limit = config.cleaning * deviation or np.inf
    of_window = lambda window: forecast(steps(config, window[:, None]))
    running = partial(
        anomaly_scores.running_forecasts,
        of_window,
        length=config.length,
        horizon=config.horizon,
        limit=limit,
    )
    expected = np.asarray(jax.jit(running)(jnp.asarray(data.x)))
    return Judgement(smoothed(config, np.abs(data.x - expected) / deviation), expected)


def by_windows(config: Config, data: Prepared, reconstruct) -> Judgement:
    """The root mean square of the errors of all windows over a time. ``reconstruct`` takes the
    steps of windows to such steps.
    """
    found = windows(data.x, length=config.length, stride=config.every)
    y = np.repeat(reconstruct(steps(config, found["inputs"])), config.every, axis=1)[..., 0]
    seen = np.repeat(steps(config, found["inputs"]), config.every, axis=1)[..., 0]
    mean = lambda values: over_time(values, found["origin"], len(data.x))
    return Judgement(smoothed(config, np.sqrt(mean((y - seen) ** 2))), mean(y))


def smoothed(config: Config, score: np.ndarray) -> np.ndarray:
    """The trailing mean of a score, 0 where nothing is known yet."""
    return anomaly_scores.trailing_mean(fill_forward(score), config.smoothing)


def judge(config: Config, data: Prepared, model: jnn.Model, params, state) -> Judgement:
    """The model's."""
    found = partial(predict, config, model)
    if config.model == "autoencoder":
        return by_windows(config, data, lambda x: predict_all(found, params, state, {"inputs": x}))
    error = predict_all(found, params, state, data.validation) - data.validation["targets"]
    return by_forecasts(
        config,
        data,
        lambda x: found(params, state, {"inputs": x}),
        float(np.sqrt(np.mean(error**2))),
    )


def by_ridge(config: Config, data: Prepared) -> Judgement:
    """What a ridge regression forecasts from the same steps."""
    from sklearn.linear_model import Ridge

    seen = cut(config, data.x, stretches(data.recording.clean))
    x = seen["inputs"][..., 0].astype(np.float64)
    fitted = Ridge(RIDGE).fit(x, seen["targets"])
    weights, bias = jnp.asarray(fitted.coef_, jnp.float32), float(fitted.intercept_)
    deviation = float(np.sqrt(np.mean((fitted.predict(x) - seen["targets"]) ** 2)))
    return by_forecasts(config, data, lambda x: x[:, 0] @ weights + bias, deviation)


def by_components(config: Config, data: Prepared) -> Judgement:
    """What principal components leave of windows."""
    from sklearn.decomposition import PCA

    fitted = PCA(COMPONENTS, random_state=0).fit(
        cut(config, data.x, stretches(data.recording.clean))["inputs"][..., 0]
    )
    return by_windows(
        config, data, lambda x: fitted.inverse_transform(fitted.transform(x[..., 0]))[..., None]
    )


def baselines(config: Config, data: Prepared) -> dict[str, np.ndarray]:
    """The scores ``(T,)`` of simple methods, fitted to the known stretch without its events, as
    ``x`` is standardized by it.
    """
    plain = {"length": LAGS[config.data], "every": 1, "horizon": 1, "smoothing": 1, "cleaning": 0.0}
    autoregression = by_ridge(dataclasses.replace(config, model="forecaster", **plain), data)
    found = {"|z|": np.abs(data.x), f"AR-{LAGS[config.data]}": autoregression.score}
    if config.smoothing > 1:
        found[f"|z| over {config.smoothing}"] = smoothed(config, np.abs(data.x))
    if config.data == "machine_temperature":
        found["low value"] = -data.x
    if config.model == "autoencoder":
        found[f"PCA, {COMPONENTS} components"] = by_components(config, data).score
    elif any(getattr(config, name) != value for name, value in plain.items()):
        found["ridge in place of the LSTMs"] = by_ridge(config, data).score
    return found


def threshold(config: Config, data: Prepared, score: np.ndarray) -> float:
    """The quantile of the scores at known times that depend on no event."""
    return float(
        np.quantile(
            score[anomaly_scores.throughout(data.recording.clean, config.reach)], config.quantile
        )
    )


def tested(config: Config, data: Prepared, score: np.ndarray) -> dict[str, float]:
    """How well the events of the tested stretches are found."""
    recording = data.recording
    under_test, limit = recording.under_test, threshold(config, data, score)
    score, anomalous = np.where(under_test, score, -np.inf), recording.anomalous & under_test
    found = anomaly_scores.ranking(score[under_test], anomalous[under_test])
    found |= anomaly_scores.alarms(score[under_test], anomalous[under_test], limit)
    if config.data == "internal_bleeding":
        found["hit"] = float(
            anomaly_scores.hit(
                score, [event for event in recording.events if under_test[event].all()]
            )
        )
    return {f"test/{name}": value for name, value in found.items()}


def sections(
    config: Config, data: Prepared, found: Judgement, known: dict[str, np.ndarray]
) -> list:
    """Pictures for the report: the score over time, the events closely, and what other thresholds
    would give.
    """
    from jnn.explain.page.report import Section
    from jnn.explain.results import anomalies as pictures

    recording, under_test = data.recording, data.recording.under_test
    usual = fit_scaling(recording.values[recording.clean])
    scores = {f"this model ({config.model})": found.score, **known}
    measured = {name: tested(config, data, score) for name, score in scores.items()}
    name = "forecast" if config.model == "forecaster" else "reconstruction"
    limit = threshold(config, data, found.score)
    series = {"time": recording.time, "values": recording.values}
    labelled = {"anomalous": recording.anomalous, "known": recording.known, "unit": recording.unit}
    expected = {
        "expected": unscale(usual, found.expected),
        "events": recording.events,
        "unit": recording.unit,
        "name": name,
    }
    return [
        Section(
            "The score over time",
            f"The threshold is the {config.quantile:.1%} quantile of the score in the stretch that was learned from, without its events.",
            pictures.score_trace(**series, score=found.score, threshold=limit, **labelled),
        ),
        Section(
            "The events closely",
            f"What was measured, and the {name}; the labelled events are shaded, one in the known stretch too where there is one.",
            pictures.events_closely(**series, **expected, margin=config.length),
        ),
        Section(
            "Other thresholds",
            "On the tested stretches. AP is the average precision; the dashed lines are those of a score without worth.",
            pictures.detection_curves(
                {name: score[under_test] for name, score in scores.items()},
                recording.anomalous[under_test],
            ),
        ),
        Section(
            "Beside the baselines",
            "Each with a threshold of its own, set in the same way.",
            metric_table(measured),
        ),
    ]


def main(config: Config, run: Run) -> dict:
    """Train, keep what is best on validation data, and judge the whole recording once."""
    data = load_data(config, offline=run.options.offline)
    what = task(config, data)
    fitted = train(what, config, seed_key(config.seed), run)
    found, known = (
        judge(config, data, what.model, fitted.params, fitted.state),
        baselines(config, data),
    )
    return {
        "metrics": {
            **tested(config, data, found.score),
            **what.validate(fitted.params, fitted.state),
        },
        "baselines": {
            name: tested(config, data, score)["test/auc"] for name, score in known.items()
        },
        **fitted.counts,
        "data": {
            "name": config.data,
            **what.feed.identity,
            "validation": len(data.validation["inputs"]),
            "test": int(data.recording.under_test.sum()),
            "test_anomalous": float(data.recording.anomalous[data.recording.under_test].mean()),
        },
        "sections": sections(config, data, found, known),
    }
