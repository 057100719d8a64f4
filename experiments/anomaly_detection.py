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
          water_flow           0.995 +- 0.001   0.969 +- 0.002   autoencoder
                               0.976 +- 0.001   0.932 +- 0.001   forecasters
          internal_bleeding    0.935 +- 0.005   0.594 +- 0.022   autoencoder
                               0.999 +- 0.000   0.780 +- 0.009   forecasters
          machine_temperature  0.857 +- 0.020   0.568 +- 0.028   autoencoder
                               0.838            0.376            forecasters (seed 0)

          AUC of baselines: water_flow PCA 0.991, ridge in place of the LSTMs 0.983, |z| 0.955,
          AR-24 0.952 (AP 0.763); internal_bleeding PCA 1.000, AR-49 0.998, |z| 0.267, and all but
          |z| hit the anomaly; machine_temperature |z| over 12 hours 0.908, ridge for the LSTMs
          0.894, low value 0.886, |z| 0.851, PCA 0.765, AR-48 0.537.

          One forecaster alone is unreliable, so that five are trained: on the flow it has 0.963,
          0.462 and 0.966 with these seeds, for it may follow an event to its low level. Eight days
          of temperatures are too few to learn to forecast the next day: the distance of the
          temperature from its mean is the better score.
"""

import dataclasses
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

import jnn
from jnn.architectures.rnn import RNNConfig, rnn
from jnn.architectures.sequence_autoencoder import SequenceAutoencoderConfig, lstm_autoencoder
from jnn.baselines.anomalies import autoregression_score, components_score
from jnn.data.series_windows import stretches
from jnn.data.sets import anomalies
from jnn.data.sets.anomalies import Recording
from jnn.data.sets.synthetic_series import synthetic_recording
from jnn.errors import mistake
from jnn.integers import check_fraction
from jnn.runs import About
from jnn.scores.anomaly import trailing_mean
from jnn.scores.recording import RecordingJudge
from jnn.tasks.anomaly_detection_task import anomaly_detection
from jnn.tasks.window_detector import WindowDetector
from jnn.train import SUITED, Preparation, Task, TrainingConfig

ABOUT = About(
    task="detection of anomalies in sensor data",
    models=("autoencoder", "forecaster"),
    data=("water_flow", "internal_bleeding", "machine_temperature"),
    metric="test/auc",
    direction="highest",
    expected="0.995 ± 0.001 (water_flow, autoencoder)",
    cost="20 s on 2 cores",
)
USUAL = {"every": 1, "horizon": 1, "smoothing": 1, "cleaning": 0.0, "weight_decay": 1.0}
OF_MODEL = {
    "forecaster": {"members": 5, "dropout": 0.3, "noise": 0.0, "learning_rate": 3e-3},
    "autoencoder": {"members": 1, "dropout": 0.0, "noise": 0.4, "learning_rate": 1e-2},
}
OF_DATA = {
    "water_flow": {
        "forecaster": {"length": 24, "cleaning": 4.0, "epochs": 40},
        "autoencoder": {"length": 24, "weight_decay": 0.3, "epochs": 150},
    },
    "internal_bleeding": {
        "forecaster": {"length": 49, "dropout": 0.1, "weight_decay": 0.1, "epochs": 60},
        "autoencoder": {"length": 48, "weight_decay": 0.1, "epochs": 100},
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
        check_fraction("config", "quantile", self.quantile)
        if self.model == "autoencoder":
            unused = ("horizon", "cleaning", "dropout")
            self.refuse(unused, "for an autoencoder", expected="--model forecaster")


def load_data(config: Config, *, offline: bool = False) -> Recording:
    """The recording; in a smoke run a synthetic one."""
    if config.smoke:
        return synthetic_recording()
    return getattr(anomalies, f"load_{config.data}")(offline=offline)


def build_model(config: Config) -> jnn.Model:
    """x ``(..., length / every, 1)`` -> y ``(members, ..., length / every, 1)``.

    A reconstruction, or at each step the change from its reading to the one that is forecast.
    """
    if config.model == "autoencoder":
        sizes = {"width": config.width, "latent": config.latent}
        steps = config.length // config.every
        model = lstm_autoencoder(SequenceAutoencoderConfig(length=steps, **sizes))
    else:
        settings = {"cell": "lstm", "width": config.width, "depth": 1, "dropout": config.dropout}
        model = rnn(RNNConfig(outputs=1, **settings))
    return jnn.ensemble(config.cast(model), config.members)


def detector(config: Config) -> WindowDetector:
    """The ensemble, and how windows are cut and readings scored for it."""
    horizon = config.horizon if config.model == "forecaster" else 0
    settings = {"smoothing": config.smoothing, "cleaning": config.cleaning}
    return WindowDetector(build_model(config), config.length, config.every, horizon, **settings)


def describe(config: Config) -> tuple[jnn.Model, jax.ShapeDtypeStruct]:
    """The model and the shape of one window."""
    return build_model(config), detector(config).example


def predictor(config: Config, preparation: Preparation) -> jnn.Model:
    """The mean over members of a window's reconstruction, or of the forecast that follows it."""
    return detector(config).predictor()


def judge_of(config: Config, recording: Recording) -> RecordingJudge:
    """The threshold and the metrics; those of internal_bleeding are of the UCR archive too."""
    is_ucr, reach = config.data == "internal_bleeding", detector(config).reach
    return RecordingJudge(recording, config.quantile, reach, one_event=is_ucr)


def task(config: Config, recording: Recording) -> Task:
    """Squared error; params are kept by that on validation data."""
    ensemble = detector(config)
    data = ensemble.windows(recording)

    def objective(params, state, batch, key):
        """The sum over members: no member's gradient depends on another."""
        x = batch["inputs"]
        x = x + config.noise * jax.random.normal(jnn.child_key(key, "noise"), x.shape, x.dtype)
        y, state = ensemble.outputs(params, state, x, key=jnn.child_key(key, "model"), train=True)
        squares = jnn.tag((y - batch["targets"][None]) ** 2, "squared_error")
        return config.members * jnp.mean(squares), (state, {})

    return anomaly_detection(
        *(ensemble, objective, data, judge_of(config, recording)),
        batch_size=config.batch_size,
        baselines=partial(baselines, config, recording, data.x),
        name=f"this model ({config.model})",
    )


def baselines(config: Config, recording: Recording, x: np.ndarray) -> dict[str, np.ndarray]:
    """The scores ``(T,)`` of simple methods, fitted to the training stretch without events."""
    clean, lags = stretches(recording.clean), LAGS[config.data]
    scores = {"|z|": np.abs(x), f"AR-{lags}": autoregression_score(x, clean, length=lags).score}
    if config.smoothing > 1:
        scores[f"|z| over {config.smoothing}"] = trailing_mean(np.abs(x), config.smoothing)
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
