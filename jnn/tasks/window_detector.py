"""Anomalies in a recording, found by networks that reconstruct its windows or forecast their next
reading.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

from jnn.data.scaling import Scaling
from jnn.data.series_windows import forecast_windows, standardize_series, windows
from jnn.data.sets.anomalies import Recording, split_clean
from jnn.errors import mistake
from jnn.model import Model
from jnn.scores.anomaly import AnomalyScore, forecast_score, reconstruction_score, step_means
from jnn.train.evaluate import predict_all
from jnn.train.preparation import Preparation


class RecordingWindows(NamedTuple):
    """The readings, scaled by those for training outside of events, and windows of these."""

    x: np.ndarray
    """(T,) float32: all readings."""
    train: dict[str, np.ndarray]
    """``inputs`` (N, length / every, 1), and ``targets``, which are equal, or (N,) to forecast."""
    validation: dict[str, np.ndarray]
    scaling: Scaling
    """(1,): of the readings."""


class WindowDetector(NamedTuple):
    """An ensemble that reconstructs windows of readings, or forecasts what follows them.

    ``model``      the means of each ``every`` readings of a window, ``(..., length / every, 1)`` ->
                   ``(members, ..., length / every, 1)``: reconstructions, or at each step the
                   change from its reading to the one that is forecast
    ``horizon``    how many readings ahead is forecast; 0 where windows are reconstructed
    ``smoothing``  readings over which the score is averaged, back from each
    ``cleaning``   that of `jnn.scores.anomaly.forecast_score`

    >>> import jnn
    >>> from jnn.data.sets.synthetic_series import synthetic_recording
    >>> persistence = jnn.ensemble(jnn.chain(lambda x: 0 * x), 2)
    >>> detector = WindowDetector(persistence, length=4, horizon=1)
    >>> data = detector.windows(synthetic_recording())
    >>> forecasts = detector.predict({}, {}, data.train)
    >>> bool((forecasts == data.train["inputs"][:, -1, 0]).all())
    True
    """

    model: Model
    length: int
    every: int = 1
    horizon: int = 0
    smoothing: int = 1
    cleaning: float = 0.0

    @property
    def example(self) -> jax.ShapeDtypeStruct:
        """The shape of one input of the model."""
        return jax.ShapeDtypeStruct((self.length // self.every, 1), jnp.float32)

    @property
    def reach(self) -> int:
        """Readings that the score of one depends on, itself included."""
        return self.length + (self.horizon or self.length) + self.smoothing - 1

    def windows(self, recording: Recording) -> RecordingWindows:
        """Windows of the training stretch of a recording, none of which has a time of an event."""
        train, validation = split_clean(recording)
        x, scaling = standardize_series(recording.values, [*train, *validation])
        cut = partial(windows, x, length=self.length)
        if self.horizon:
            cut = partial(forecast_windows, x, x, length=self.length, horizons=[self.horizon])

        def examples(within: list[range]) -> dict[str, np.ndarray]:
            arrays = cut(within=within)
            steps = step_means(arrays["inputs"], self.every)
            return {"inputs": steps, "targets": arrays["targets"][:, 0] if self.horizon else steps}

        one_column = Scaling(*(np.reshape(moment, 1) for moment in scaling))
        return RecordingWindows(x, examples(train), examples(validation), one_column)

    def outputs(
        self, params: Any, state: Any, x: jax.Array, **options: Any
    ) -> tuple[jax.Array, Any]:
        """Of each member the reconstructions ``(members, ..., T, 1)``, or forecasts
        ``(members, ...)``, for x ``(..., T, 1)``; and the state.
        """
        y, state = self.model.apply(params, state, x, **options)
        y = y.astype(jnp.float32)
        return x[None, ..., -1, 0] + y[..., -1, 0] if self.horizon else y, state

    def predict(self, params: Any, state: Any, batch: Any) -> jax.Array:
        """The mean of the members for the ``inputs`` of a batch."""
        of_members, _ = self.outputs(params, state, batch["inputs"])
        return jnp.mean(of_members, axis=0)

    def score(self, params: Any, state: Any, data: RecordingWindows) -> AnomalyScore:
        """The scores of all readings, by `jnn.scores.anomaly`.

        Errors of forecasts are in units of their deviation on the validation windows.
        """
        settings = {"length": self.length, "smoothing": self.smoothing}
        if not self.horizon:
            arrays = lambda steps: {"inputs": steps}
            reconstruct = lambda steps: predict_all(self.predict, params, state, arrays(steps))
            return reconstruction_score(reconstruct, data.x, step=self.every, **settings)
        error = predict_all(self.predict, params, state, data.validation)
        error = error - data.validation["targets"]
        return forecast_score(
            Partial(self._forecast, params, state),
            data.x,
            deviation=float(np.sqrt(np.mean(error**2))),
            horizon=self.horizon,
            cleaning=self.cleaning,
            **settings,
        )

    def _forecast(self, params: Any, state: Any, window: jax.Array) -> jax.Array:
        """What follows a window ``(length,)``."""
        return self.predict(params, state, {"inputs": step_means(window[:, None], self.every)})

    def preparation(self, data: RecordingWindows) -> Preparation:
        """What `jnn.load` needs: windows and answers are in the unit of the sensor."""
        window = jax.ShapeDtypeStruct((self.length, 1), jnp.float32)
        return Preparation(window, scaling=data.scaling, target=data.scaling)

    def predictor(self) -> Model:
        """A window of scaled readings ``(..., length, 1)`` -> what the members make of it.

        That is the mean of their reconstructions ``(..., length / every, 1)``, or of their
        forecasts ``(..., 1)``. Raises `JnnError` for windows of another length.
        """

        def init(key, x):
            return self.model.init(key, step_means(x, self.every))

        def apply(params, state, x, *, key=None, train=False, mask=None):
            if x.shape[-2:] != (self.length, 1):
                expected = f"windows (..., {self.length}, 1)"
                raise mistake("anomaly_detection", got=f"shape {x.shape}", expected=expected)
            y = self.predict(params, state, {"inputs": step_means(x, self.every)})
            return y[..., None] if self.horizon else y, state

        return Model(init, apply)
