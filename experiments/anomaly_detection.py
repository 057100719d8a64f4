"""Detect anomalies in the recording of a sensor by an LSTM autoencoder or by LSTM forecasters.

Source    Forecaster: Malhotra et al. 2015, Long short term memory networks for anomaly detection in
          time series (ESANN); here the score is the error of one forecast of each reading, whose
          inputs are cleaned as in a robust filter where that suits the data. Autoencoder: Malhotra
          et al. 2016, https://arxiv.org/abs/1607.00148; the score is the root mean square of the
          errors of all windows that contain a reading: it is known when the last of them has ended.
Data      water_flow: hourly flow in a pipeline, 1,268 hours, three events of low flow in the test
          part. Its labels are derived from its values, so that |z| is strong by construction.
          internal_bleeding: arterial pressure, 7,501 readings, set 135 of the UCR archive; one
          anomaly of 12 readings. machine_temperature: 22,695 five-minute readings of the Numenta
          benchmark (NAB); three windows of two days in the test part.
          Models, scalings and thresholds are fitted to the training stretch without its events,
          whose last quarter is validation data. An alarm is a score above the 99.9 % quantile
          there. Settings were chosen by the loss on validation data, but horizon and smoothing of
          the temperature by the event in its training stretch, and the cleaning of the flow
          beforehand.
Baselines |z|; ridge regression of the next value (AR), and with the forecaster's inputs, horizon,
          cleaning and smoothing; PCA of windows.
Command   jnn run anomaly_detection [--data water_flow|internal_bleeding|machine_temperature]
          [--model autoencoder|forecaster]
Result    test AUC and average precision (AP), mean and standard deviation over seeds 0, 1, 2; 11 to
          36 s of processor time a run:

                               AUC              AP
          water_flow           0.994 +- 0.000   0.966 +- 0.001   autoencoder
                               0.976 +- 0.001   0.932 +- 0.001   forecasters
          internal_bleeding    0.896 +- 0.019   0.245 +- 0.051   autoencoder
                               0.999 +- 0.000   0.780 +- 0.009   forecasters
          machine_temperature  0.857 +- 0.020   0.568 +- 0.028   autoencoder
                               0.838            0.376            forecasters (seed 0)

          AUC of baselines: water_flow PCA 0.991, ridge in place of the LSTMs 0.983, |z| 0.955,
          AR-24 0.952 (AP 0.763); internal_bleeding PCA 1.000, AR-49 0.998, |z| 0.267, and all but
          |z| hit the anomaly; machine_temperature |z| over 12 hours 0.908, ridge for the LSTMs
          0.894, low value 0.886, |z| 0.851, PCA 0.765, AR-48 0.537.

          One forecaster alone is unreliable, so that five are trained: on the flow it has 0.967,
          0.979 and 0.614 with these seeds, for it may follow an event to its low level. Eight days
          of temperatures are too few to learn to forecast the next day: the distance of the
          temperature from its mean is the better score.
"""

import dataclasses
from functools import cache, partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import jnn
from jnn import metrics
from jnn.architectures.rnn import RNNConfig, rnn
from jnn.architectures.sequence_autoencoder import SequenceAutoencoderConfig, lstm_autoencoder
from jnn.baselines.anomalies import autoregression_score, components_score
from jnn.data.scaling import Scaling
from jnn.data.series_windows import forecast_windows, standardize_series, stretches, windows
from jnn.data.sets import anomalies
from jnn.data.sets.anomalies import Recording, split_clean
from jnn.data.sets.synthetic_series import synthetic_recording
from jnn.errors import mistake
from jnn.runs import About
from jnn.scores import anomaly
from jnn.scores.anomaly import AnomalyScore, step_means
from jnn.scores.recording import RecordingJudge
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
    task="detection of anomalies in sensor data",
    models=("autoencoder", "forecaster"),
    data=("water_flow", "internal_bleeding", "machine_temperature"),
    metric="test/auc",
    direction="highest",
    expected="0.994 ± 0.000 (water_flow, autoencoder)",
    cost="30 s on 2 cores",
)
USUAL = {"every": 1, "horizon": 1, "smoothing": 1, "cleaning": 0.0, "weight_decay": 1.0}
OF_MODEL = {
    "forecaster": {"members": 5, "dropout": 0.3, "noise": 0.0, "learning_rate": 3e-3},
    "autoencoder": {"members": 1, "dropout": 0.0, "noise": 0.4, "learning_rate": 1e-2},
}
OF_DATA = {
    "water_flow": {
        "forecaster": {"length": 24, "cleaning": 4.0, "epochs": 40},
        "autoencoder": {"length": 24, "epochs": 150},
    },
    "internal_bleeding": {
        "forecaster": {"length": 49, "dropout": 0.1, "weight_decay": 0.1, "epochs": 60},
        "autoencoder": {"length": 48, "epochs": 100},
    },
    "machine_temperature": {
        "forecaster": {"length": 48, "every": 4, "horizon": 288, "smoothing": 144, "epochs": 10},
        "autoencoder": {"length": 288, "every": 12, "smoothing": 144, "epochs": 40},
    },
}
"""Which settings suit the data and the model, before those of the model and the usual ones."""
LAGS = {"water_flow": 24, "internal_bleeding": 49, "machine_temperature": 48}  # of AR
COMPONENTS = 8


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(TrainingConfig):
    """The settings of a run. What suits depends on the data and the model."""

    data: Literal["water_flow", "internal_bleeding", "machine_temperature"] = "water_flow"
    """The recording."""
    model: Literal["autoencoder", "forecaster"] = "autoencoder"
    """Whether an LSTM reconstructs a window, or forecasts what follows it."""
    length: int = SUITED
    """Readings in a window."""
    every: int = SUITED
    """Readings in a step of the LSTM, which sees their mean."""
    horizon: int = SUITED
    """How many readings ahead the forecaster predicts."""
    smoothing: int = SUITED
    """Readings over which the score is averaged, back from each."""
    cleaning: float = SUITED
    """Deviations from the forecast beyond which a reading is rejected, 0 for none (forecaster).
    Later forecasts are made from the forecast in its place.
    """
    quantile: float = 0.999
    """Of the scores in the training stretch without its events: the threshold of an alarm."""
    members: int = SUITED
    """Models that are trained side by side, and averaged."""
    width: int = 32
    """Features of each LSTM."""
    latent: int = 8
    """Numbers in the code of a window (autoencoder)."""
    dropout: float = SUITED
    """Fraction of the features that is dropped in training (forecaster)."""
    noise: float = SUITED
    """Standard deviation of the noise on the inputs in training; that of the readings is 1."""
    epochs: int = SUITED
    batch_size: int = 32
    learning_rate: float = SUITED
    weight_decay: float = SUITED
    clip: float = 1.0

    def suited(self) -> dict[str, Any]:
        """What suits the data and the model; two epochs in a smoke run."""
        settings = {**USUAL, **OF_MODEL[self.model], **OF_DATA[self.data][self.model]}
        return settings | ({"epochs": 2} if self.smoke else {})

    def __post_init__(self):
        """Fill in what was not asked for, and refuse what cannot be right."""
        super().__post_init__()
        self.require("every", "length", "horizon", "smoothing", "members", least=1)
        self.require("cleaning", least=0.0)
        if self.length % self.every:
            got = f"length={self.length}, every={self.every}"
            raise mistake("config", got=got, expected="whole steps: an every that divides it")
        if not 0 < self.quantile < 1:
            got, expected = f"quantile={self.quantile}", "a number between 0 and 1, both excluded"
            raise mistake("config", got=got, expected=expected)
        if self.model == "autoencoder":
            unused = ("horizon", "cleaning", "dropout")
            self.refuse(unused, "for an autoencoder", expected="--model forecaster")

    @property
    def reach(self) -> int:
        """Readings that the score of one depends on, itself included."""
        ahead = self.horizon if self.model == "forecaster" else self.length
        return self.length + ahead + self.smoothing - 1


def load_data(config: Config, *, offline: bool = False) -> Recording:
    """The recording; in a smoke run a synthetic one."""
    if config.smoke:
        return synthetic_recording()
    return getattr(anomalies, f"load_{config.data}")(offline=offline)


def judge_of(config: Config, recording: Recording) -> RecordingJudge:
    """The threshold and the metrics; those of internal_bleeding are of the UCR archive too."""
    is_ucr = config.data == "internal_bleeding"
    return RecordingJudge(recording, config.quantile, config.reach, one_event=is_ucr)


class Prepared(NamedTuple):
    """The readings, standardized by those for training outside events, and their windows."""

    x: np.ndarray
    """(T,) float32."""
    train: dict[str, np.ndarray]
    validation: dict[str, np.ndarray]
    scaling: Scaling
    """(1,): of the readings."""


def prepare(config: Config, recording: Recording) -> Prepared:
    """Windows: ``inputs`` (N, length / every, 1), and ``targets``, equal or (N,) to forecast."""
    train, validation = split_clean(recording)
    x, scaling = standardize_series(recording.values, [*train, *validation])
    if config.model == "autoencoder":
        cut = partial(windows, x, length=config.length)
    else:
        cut = partial(forecast_windows, x, x, length=config.length, horizons=[config.horizon])

    def examples(within: list[range]) -> dict[str, np.ndarray]:
        arrays = cut(within=within)
        steps = step_means(arrays["inputs"], config.every)
        is_forecast = "targets" in arrays
        return {"inputs": steps, "targets": arrays["targets"][:, 0] if is_forecast else steps}

    one_column = Scaling(*(np.reshape(moment, 1) for moment in scaling))
    return Prepared(x, examples(train), examples(validation), one_column)


def build_model(config: Config) -> jnn.Model:
    """x ``(..., length / every, 1)`` -> y ``(members, ..., length / every, 1)``.

    A reconstruction, or at each step the change from its reading to the one that is forecast.
    """
    if config.model == "autoencoder":
        length, width = config.length // config.every, config.width
        settings = SequenceAutoencoderConfig(length=length, width=width, latent=config.latent)
        model = lstm_autoencoder(settings)
    else:
        settings = {"cell": "lstm", "width": config.width, "depth": 1, "dropout": config.dropout}
        model = rnn(RNNConfig(outputs=1, **settings))
    return jnn.ensemble(config.cast(model), config.members)


def describe(config: Config) -> tuple[jnn.Model, jax.ShapeDtypeStruct]:
    """The model and the shape of one window."""
    steps = config.length // config.every
    return build_model(config), jax.ShapeDtypeStruct((steps, 1), jnp.float32)


def outputs_of(config: Config, model: jnn.Model, params, state, x, **options) -> jax.Array:
    """Of each member the reconstructions ``(members, ..., T, 1)``, or forecasts (members, ...)."""
    y = model.apply(params, state, x, **options)[0].astype(jnp.float32)
    return x[None, ..., -1, 0] + y[..., -1, 0] if config.model == "forecaster" else y


def predictor(config: Config, preparation: Preparation) -> jnn.Model:
    """A window of scaled readings ``(..., length, 1)`` -> its steps as the members have them.

    That is for `jnn.load`, whose windows and answers are in the unit of the sensor: the mean of the
    reconstructions ``(..., length / every, 1)``, or of the forecasts ``(..., 1)``.
    """
    model, window = build_model(config), preparation.example.shape

    def init(key, x):
        return model.init(key, step_means(x, config.every))

    def apply(params, state, x, *, key=None, train=False, mask=None):
        if x.shape[-2:] != window:
            expected = f"windows (..., {config.length}, 1)"
            raise mistake("anomaly_detection", got=f"shape {x.shape}", expected=expected)
        y = outputs_of(config, model, params, state, step_means(x, config.every))
        y = jnp.mean(y, axis=0)
        return y[..., None] if config.model == "forecaster" else y, state

    return jnn.Model(init, apply)


def task(config: Config, recording: Recording) -> Task:
    """Squared error; params are kept by that on validation data."""
    model, data = build_model(config), prepare(config, recording)
    forecasts = config.model == "forecaster"
    outputs = partial(outputs_of, config, model)
    window = jax.ShapeDtypeStruct((config.length, 1), jnp.float32)

    def predict(params, state, batch):
        return jnp.mean(outputs(params, state, batch["inputs"]), axis=0)

    def objective(params, state, batch, key):
        """The sum over members: no member's gradient depends on another."""
        x = batch["inputs"]
        x = x + config.noise * jax.random.normal(jnn.child_key(key, "noise"), x.shape, x.dtype)
        y = outputs(params, state, x, key=jnn.child_key(key, "model"), train=True)
        return config.members * jnp.mean((y - batch["targets"][None]) ** 2), (state, {})

    @once
    def score(params, state) -> AnomalyScore:
        settings = {"length": config.length, "smoothing": config.smoothing}
        if not forecasts:
            reconstruct = lambda steps: predict_all(predict, params, state, {"inputs": steps})
            return anomaly.reconstruction_score(reconstruct, data.x, step=config.every, **settings)
        error = predict_all(predict, params, state, data.validation) - data.validation["targets"]
        steps = lambda window: {"inputs": step_means(window[:, None], config.every)}
        return anomaly.forecast_score(
            lambda window: predict(params, state, steps(window)),
            data.x,
            deviation=float(np.sqrt(np.mean(error**2))),
            horizon=config.horizon,
            cleaning=config.cleaning,
            **settings,
        )

    mse = metrics.collection({"loss": metrics.mean_squared_error()})
    validate = make_evaluate(predict, mse, data.validation, target="targets", split="validation")
    baseline_scores = cache(partial(baselines, config, recording, data.x))
    judge, tested = judge_of(config, recording), recording.under_test

    def test(params, state):
        metrics = judge.metrics(score(params, state).score)
        return {f"test/{name}": value for name, value in metrics.items()} | validate(params, state)

    def sections(fitted):
        from jnn.explain.sections import anomaly_detection

        return anomaly_detection.report(
            judge,
            score(fitted.params, fitted.state),
            baseline_scores(),
            model_name=f"this model ({config.model})",
            name="forecast" if forecasts else "reconstruction",
            margin=config.length,
        )

    return Task(
        model=model,
        objective=objective,
        feed=in_memory(data.train, config.batch_size),
        example=describe(config)[1],
        preparation=Preparation(window, scaling=data.scaling, target=data.scaling),
        validate=validate,
        best="validation/loss",
        lowest=True,
        test=test,
        baselines=lambda: {
            name: judge.metrics(score)["auc"] for name, score in baseline_scores().items()
        },
        sections=sections,
        data={
            "validation": len(data.validation["inputs"]),
            "test": int(tested.sum()),
            "test_anomalous": float(recording.anomalous[tested].mean()),
        },
    )


def baselines(config: Config, recording: Recording, x: np.ndarray) -> dict[str, np.ndarray]:
    """The scores ``(T,)`` of simple methods, fitted to the training stretch without events."""
    clean, lags = stretches(recording.clean), LAGS[config.data]
    scores = {"|z|": np.abs(x), f"AR-{lags}": autoregression_score(x, clean, length=lags).score}
    if config.smoothing > 1:
        scores[f"|z| over {config.smoothing}"] = anomaly.trailing_mean(np.abs(x), config.smoothing)
    if config.data == "machine_temperature":
        scores["low value"] = -x
    settings = {"length": config.length, "step": config.every, "smoothing": config.smoothing}
    if config.model == "autoencoder":
        components = components_score(x, clean, **settings, components=COMPONENTS)
        return scores | {f"PCA, {COMPONENTS} components": components.score}
    settings: dict[str, Any] = settings | {"horizon": config.horizon, "cleaning": config.cleaning}
    if settings != {"length": lags, "step": 1, "smoothing": 1, "horizon": 1, "cleaning": 0.0}:
        scores["ridge in place of the LSTMs"] = autoregression_score(x, clean, **settings).score
    return scores
