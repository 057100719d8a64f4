"""Forecasts of a series at several horizons, in their mean and in their quantiles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jnn.data.scaling import Scaling, fit_scaling, unscale
from jnn.errors import mistake
from jnn.model import Model
from jnn.train.preparation import Preparation


class ChangeScales(NamedTuple):
    """The scaling of the inputs, and the deviation (H,) of the change up to each horizon."""

    inputs: Scaling
    change: np.ndarray


def change_scales(series: np.ndarray, within: range, horizons: Sequence[int]) -> ChangeScales:
    """The scales of a series ``(T, D)`` within a part alone; what changes is the first column.

    >>> scales = change_scales(np.array([[1.0], [3.0], [3.0], [5.0], [9.0]]), range(4), [1])
    >>> float(scales.inputs.mean[0]), f"{scales.change[0]:.3f}"
    (3.0, '0.943')
    """
    part = series[within]
    change = [np.std(part[h:, 0] - part[:-h, 0]) for h in horizons]
    return ChangeScales(fit_scaling(part, "inputs"), np.array(change, np.float32))


class QuantileForecaster(NamedTuple):
    """An ensemble that forecasts how the first column of a series changes up to H horizons.

    ``model``   scaled inputs ``(..., T, D)`` -> ``(members, ..., T, H (1 + Q))``: at each time the
                mean and Q quantiles of the scaled change. It is causal
    ``length``  times that a forecast is made from, at least: the first is made at that time

    >>> import jnn
    >>> model = jnn.ensemble(jnn.chain(lambda x: jnp.zeros((*x.shape[:-1], 4))), 2)
    >>> scales = ChangeScales(Scaling(np.array([3.0]), np.array([2.0])), np.ones(2, np.float32))
    >>> forecaster = QuantileForecaster(model, scales, length=3)
    >>> forecasts = forecaster.predict({}, {}, {"inputs": jnp.arange(5.0)[None, :, None]})
    >>> forecasts["mean"].tolist(), forecasts["quantiles"].shape  # persistence
    ([[[2.0, 2.0], [3.0, 3.0], [4.0, 4.0]]], (1, 3, 2, 1))
    """

    model: Model
    scales: ChangeScales
    length: int

    def changes(
        self, params: Any, state: Any, x: jax.Array, **options: Any
    ) -> tuple[tuple[jax.Array, jax.Array], Any]:
        """Mean ``(members, N, origins, H)`` and quantiles ``(..., H, Q)`` of the scaled change.

        ``x`` ``(N, T, D)`` is in its own units. Returns ``(mean, quantiles), state``.
        """
        mean, deviation = (jnp.asarray(moment, jnp.float32) for moment in self.scales.inputs)
        return self._of_scaled(params, state, (x - mean) / deviation, **options)

    def targets(self, x: jax.Array, targets: jax.Array) -> jax.Array:
        """The scaled changes up to the ``targets`` ``(N, origins, H)`` of x ``(N, T, D)``."""
        return (targets - x[:, self.length - 1 :, :1]) / self.scales.change

    def predict(self, params: Any, state: Any, batch: Any) -> dict[str, jax.Array]:
        """``mean`` ``(N, origins, H)`` and ``quantiles`` ``(N, origins, H, Q)``, in their unit.

        Both are means over members. Quantiles are sorted, as they may cross: sorting brings none
        further from the truth (Chernozhukov, Fernández-Val, Galichon 2010).
        """
        (mean, quantiles), _ = self.changes(params, state, batch["inputs"])
        now = batch["inputs"][..., self.length - 1 :, :1]
        quantiles = jnp.sort(jnp.mean(quantiles, axis=0), axis=-1)
        return {
            "mean": now + self.scales.change * jnp.mean(mean, axis=0),
            "quantiles": now[..., None] + self.scales.change[:, None] * quantiles,
        }

    def preparation(self, example: jax.ShapeDtypeStruct) -> Preparation:
        """What `jnn.load` needs; ``example`` is the shape of one input."""
        of_change = Scaling(np.zeros(len(self.scales.change)), self.scales.change)
        return Preparation(example, scaling=self.scales.inputs, target=of_change)

    def predictor(self) -> Model:
        """Scaled inputs ``(..., T, D)`` -> forecasts from the time ``length`` on, for `jnn.load`.

        They are in deviations of their change, by which a `preparation` multiplies them: ``mean``
        ``(..., origins, H)`` and ``quantiles`` ``(..., origins, Q, H)``. Raises `JnnError` for
        fewer than ``length`` times.
        """
        change = jnp.asarray(self.scales.change, jnp.float32)
        first = Scaling(*(moment[0] for moment in self.scales.inputs))

        def apply(params, state, x, *, key=None, train=False, mask=None):
            if x.ndim < 2 or x.shape[-2] < self.length:
                expected = f"{self.length} times (..., T, D) or more"
                raise mistake("forecaster", got=f"shape {x.shape}", expected=expected)
            of_members, _ = self._of_scaled(params, state, x)
            mean, quantiles = (jnp.mean(y, axis=0) for y in of_members)
            now = unscale(first, x[..., self.length - 1 :, :1]) / change
            quantiles = jnp.moveaxis(jnp.sort(quantiles, axis=-1), -1, -2)
            return {"mean": now + mean, "quantiles": now[..., None, :] + quantiles}, state

        return Model(self.model.init, apply)

    def _of_scaled(self, params, state, x, **options):
        y, state = self.model.apply(params, state, x, **options)
        y = y[..., self.length - 1 :, :].astype(jnp.float32)
        y = y.reshape(*y.shape[:-1], len(self.scales.change), -1)
        return (y[..., 0], y[..., 1:]), state


def prepared_forecaster(model: Model, preparation: Preparation) -> QuantileForecaster:
    """The forecaster that made the ``preparation`` of a run."""
    assert preparation.scaling, "the inputs of a run are scaled"
    assert preparation.target, "and so are its forecasts"
    scales = ChangeScales(preparation.scaling, preparation.target.deviation)
    return QuantileForecaster(model, scales, preparation.example.shape[0])
