"""Forecasts of the next return of stocks, its mean and its variance, by several networks."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jnn.errors import mistake
from jnn.model import Model
from jnn.tags import tag
from jnn.tasks.return_windows import FEATURES, prepared_features
from jnn.train.preparation import Preparation

SMALL = 0.1  # what outputs are multiplied by, so that training starts near the simplest forecast


class ReturnForecaster(NamedTuple):
    """Networks side by side, an ensemble over folds, and the mean of their forecasts.

    ``model``    inputs ``(folds, ..., T, FEATURES)``, by `jnn.tasks.return_windows`, ->
                 ``{network: y (folds, ..., T, 2)}``, each of them causal
    ``folds``    stretches of test days, each with networks of its own
    ``length``   days that a forecast is made from, at least
    ``mixture``  the name of the mean of the networks' forecasts

    >>> import jnn
    >>> nothing = jnn.chain(lambda x: jnp.zeros((*x.shape[:-1], 2)))
    >>> model = jnn.ensemble(jnn.parallel(one=nothing, other=nothing), 1, x_axis=0)
    >>> forecaster, x = ReturnForecaster(model, folds=1, length=3), jnp.ones((2, 1, 5, FEATURES))
    >>> forecasts, state = forecaster.forecast({}, {}, x)
    >>> {name: mean.shape for name, (mean, _) in forecasts.items()}
    {'one': (2, 1, 3), 'other': (2, 1, 3)}
    """

    model: Model
    folds: int
    length: int
    mixture: str = "both"

    @property
    def example(self) -> jax.ShapeDtypeStruct:
        """The shape of one input of the model."""
        return jax.ShapeDtypeStruct((self.folds, self.length, FEATURES), jnp.float32)

    def forecast(
        self, params: Any, state: Any, inputs: jax.Array, **options: Any
    ) -> tuple[dict[str, tuple[jax.Array, jax.Array]], Any]:
        """Mean and log variance of the next scaled return, ``(N, folds, origins)`` by network.

        Returns ``{network: (mean, log_variance)}, state``.

        An output is small at first, so that training starts from a mean near zero and from the
        exponentially weighted variance.
        """
        outputs, state = self.model.apply(params, state, jnp.moveaxis(inputs, 1, 0), **options)
        first = self.length - 1
        of_origins = lambda y: jnp.moveaxis(y, 0, 1)[:, :, first:].astype(jnp.float32)
        changes = {name: SMALL * of_origins(y) for name, y in outputs.items()}
        log_variance = inputs[:, :, first:, 0]
        forecasts = {name: (y[..., 0], log_variance + y[..., 1]) for name, y in changes.items()}
        return forecasts, state

    def mixed(self, values: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
        """The values of each network, and their mean."""
        mean = sum(values.values(), jnp.zeros(())) / len(values)
        return {**values, self.mixture: mean}

    def predict(self, params: Any, state: Any, batch: Mapping[str, Any]) -> dict[str, Any]:
        """``mean`` and ``variance`` of the next return ``(N, folds)``, by network and mixed.

        ``batch`` is one of `jnn.tasks.return_windows.walk_forward_windows`, whose ``count`` goes
        along, as `jnn.scores.returns.of_returns` wants it.
        """
        forecasts, _ = self.forecast(params, state, batch["inputs"])
        scale = batch["deviation"]
        mean = {name: m[..., -1] * scale for name, (m, _) in forecasts.items()}
        variance = {name: jnp.exp(h[..., -1]) * scale**2 for name, (_, h) in forecasts.items()}
        moments = {"mean": self.mixed(mean), "variance": self.mixed(variance)}
        return {**moments, "count": batch["count"]}

    def predictor(self, preparation: Preparation) -> Model:
        """Scaled days ``(..., T, 4 S)`` -> mean and deviation of the next return of S stocks.

        They are those of the networks of the last fold, ``(..., S)``. For `jnn.load`, whose inputs
        are the `jnn.tasks.return_windows.observations` of all stocks side by side, which a
        `jnn.tasks.return_windows.market_preparation` has scaled. Raises `JnnError` for fewer than
        ``length`` days.
        """

        def apply(params, state, x, *, key=None, train=False, mask=None):
            if x.ndim < 2 or x.shape[-2] < self.length:
                expected = f"{self.length} days (..., T, D) or more"
                raise mistake("returns", got=f"shape {x.shape}", expected=expected)
            inputs = prepared_features(preparation, x)[..., -self.length :, :]
            inputs = tag(inputs, "features")
            windows = inputs.reshape(-1, 1, *inputs.shape[-2:])
            moments, _ = self.forecast(params, state, jnp.repeat(windows, self.folds, axis=1))
            last = lambda values: values[:, -1, -1].reshape(inputs.shape[:-2])
            mean = self.mixed({name: last(m) for name, (m, _) in moments.items()})
            variance = self.mixed({name: jnp.exp(last(h)) for name, (_, h) in moments.items()})
            deviation = jnp.sqrt(variance[self.mixture])
            return {"mean": mean[self.mixture], "deviation": deviation}, state

        return Model(lambda key, x: self.model.init(key, self.example), apply)
