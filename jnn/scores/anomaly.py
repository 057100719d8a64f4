"""Anomaly scores of the times of a series, and how well they detect labelled events.

A score is ``(T,)``, one number a time, larger for more unusual times: the error of a forecast, by
`forecast_score`, or of a reconstruction, by `reconstruction_score`. An alarm is raised where it
exceeds a threshold, which is chosen on data without anomalies, by `clean_threshold`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

from jnn.data.series_windows import fill_forward, over_time, stretches, windows
from jnn.errors import mistake
from jnn.integers import check_fraction
from jnn.layers.checks import check_float

NEAR = 100
"""Distance from an anomaly, in times, within which the UCR archive counts it as detected."""


class AnomalyScore(NamedTuple):
    """The score of each time of a series, and the value that a model expected there."""

    score: np.ndarray
    """(T,) float64; 0 at times before the first forecast or window."""
    expected: np.ndarray
    """(T,); NaN at these times."""


def forecast_score(
    forecast: Callable[[jax.Array], jax.Array],
    x: np.ndarray,
    *,
    length: int,
    horizon: int = 1,
    deviation: float = 1.0,
    cleaning: float = 0.0,
    smoothing: int = 1,
) -> AnomalyScore:
    """``|x_t - x̂_t| / deviation``, with the forecasts x̂ of `running_forecasts`.

    ``forecast`` and ``x`` are those of `running_forecasts`. ``deviation`` > 0 is the standard
    deviation of its errors on data without anomalies. Values more than ``cleaning`` deviations from
    their forecast are rejected; 0 rejects none. The score is the trailing mean of ``smoothing``
    errors.

    >>> x = np.array([1.0, 1.0, 1.0, 9.0, 1.0], np.float32)
    >>> forecast_score(lambda window: window[-1], x, length=2, deviation=2.0).score.tolist()
    [0.0, 0.0, 0.0, 4.0, 4.0]
    """
    if not 0 < deviation < np.inf:
        got = f"deviation={deviation}"
        raise mistake("forecast_score", got=got, expected="a finite number > 0")
    limit = cleaning * deviation or np.inf
    settings = {"length": length, "horizon": horizon, "limit": limit}
    expected = np.asarray(running_forecasts(forecast, jnp.asarray(x), **settings))
    return AnomalyScore(_smoothed(np.abs(x - expected) / deviation, smoothing), expected)


def reconstruction_score(
    reconstruct: Callable[[np.ndarray], np.ndarray],
    x: np.ndarray,
    *,
    length: int,
    step: int = 1,
    smoothing: int = 1,
) -> AnomalyScore:
    """The root mean square of the errors of all windows that contain a time.

    ``reconstruct`` takes windows ``(N, length / step, 1)`` of ``x`` ``(T,)``, as `step_means` makes
    them, to their reconstructions; windows start ``step`` times after each other. The score is the
    trailing mean of ``smoothing`` such errors. It exists only once the last window that contains
    the time has ended.

    >>> x = np.arange(4.0)
    >>> reconstruction_score(lambda windows: windows + 2, x, length=2).score.tolist()
    [2.0, 2.0, 2.0, 2.0]
    """
    cut = windows(x, length=length, stride=step)
    steps = step_means(cut["inputs"], step)
    at_each_time = lambda values: np.repeat(values, step, axis=1)[..., 0]
    y, original = at_each_time(reconstruct(steps)), at_each_time(steps)
    mean = lambda values: over_time(values, cut["origin"], len(x))
    return AnomalyScore(_smoothed(np.sqrt(mean((y - original) ** 2)), smoothing), mean(y))


def step_means(windows: Any, step: int) -> Any:
    """The means of each ``step`` times of windows, ``(..., T, D)`` -> ``(..., T / step, D)``.

    >>> step_means(np.arange(4.0)[:, None], 2)[:, 0].tolist()
    [0.5, 2.5]
    """
    *batch, length, columns = windows.shape
    if step < 1 or length % step:
        got = f"step={step} for windows of {length} times"
        raise mistake("step_means", got=got, expected="whole steps")
    return windows.reshape(*batch, length // step, step, columns).mean(axis=-2)


def _smoothed(score: np.ndarray, smoothing: int) -> np.ndarray:
    return trailing_mean(fill_forward(score), smoothing)


def clean_threshold(score: np.ndarray, clean: np.ndarray, *, quantile: float, reach: int) -> float:
    """The ``quantile`` of the score at the times that depend on clean times alone.

    ``clean`` is ``(T,)`` bool; the score of a time depends on the last ``reach`` times up to it.
    Raises `JnnError` for other shapes, for a quantile outside [0, 1], and where no score depends on
    clean times alone.

    >>> clean_threshold(np.arange(5.0), np.array([0, 1, 1, 1, 0], bool), quantile=0.5, reach=2)
    2.5
    """
    score = np.asarray(score)
    if score.shape != np.shape(clean):
        got = f"scores {score.shape} and clean times {np.shape(clean)}"
        raise mistake("clean_threshold", got=got, expected="(T,) for both")
    check_fraction("clean_threshold", "quantile", quantile, ends="[]")
    clean_scores = score[throughout(clean, reach)]
    if not len(clean_scores):
        got = f"{int(np.sum(clean))} clean times, no {reach} of them in a row"
        raise mistake("clean_threshold", got=got, expected=f"{reach} at least")
    return float(np.quantile(clean_scores.astype(np.float64), quantile))


def running_forecasts(
    forecast: Callable[[jax.Array], jax.Array],
    x: jax.Array,
    *,
    length: int,
    horizon: int = 1,
    limit: float = np.inf,
) -> jax.Array:
    """The forecast of each time of a series, made ``horizon`` times before it, ``(T,)``.

        x̂_t = forecast(k_{t-horizon-length+1} ... k_{t-horizon})
        k_t = x_t if |x_t - x̂_t| <= limit else x̂_t

    ``forecast`` is a JAX function from a window ``(length,)`` to a number, ``x`` is ``(T,)``. The
    first ``length + horizon - 1`` forecasts are NaN. It is compiled once for each function: params
    are arguments of the program, not constants, where it is a ``jax.tree_util.Partial`` of them.

    With a ``limit``, values too far from their forecast are rejected: later forecasts are made from
    the forecast in their place, so that an event does not distort the forecasts after it. That is
    the cleaning of a robust filter, and shares its weakness: after a permanent change it may reject
    all values.

    Source: Masreliez & Martin 1977, https://doi.org/10.1109/TAC.1977.1101538, with hard rejection.

    >>> x = jnp.array([1.0, 1.0, 1.0, 9.0, 1.0])
    >>> running_forecasts(lambda window: window[-1], x, length=2).tolist()
    [nan, nan, 1.0, 1.0, 9.0]
    >>> running_forecasts(lambda window: window[-1], x, length=2, limit=3.0).tolist()
    [nan, nan, 1.0, 1.0, 1.0]
    """
    x = jnp.asarray(x)
    check_float("running_forecasts", x, min_rank=1, axes="(T,)")
    if x.ndim != 1 or length < 1 or horizon < 1 or len(x) < length or not limit > 0:
        got = f"x of shape {x.shape}, length={length}, horizon={horizon}, limit={limit}"
        raise mistake(
            "running_forecasts",
            got=got,
            expected="x (T,) of at least length >= 1 times, horizon >= 1 and limit > 0",
        )

    function = forecast if isinstance(forecast, Partial) else Partial(forecast)
    return _running(function, x, limit, length=length, horizon=horizon)


@partial(jax.jit, static_argnames=("length", "horizon"))
def _running(forecast: Partial, x: jax.Array, limit: Any, *, length: int, horizon: int):
    def advance(carry, x_t):
        window, pending = carry
        expected = pending[0]
        # comparisons with NaN are false: without a forecast the value is accepted
        kept = jnp.where(jnp.abs(x_t - expected) > limit, expected, x_t)
        window = jnp.concatenate([window[1:], kept[None]])
        pending = jnp.concatenate([pending[1:], forecast(window).astype(x.dtype).reshape(1)])
        return (window, pending), expected

    no_forecast = jnp.full(horizon - 1, jnp.nan, x.dtype)
    first = forecast(x[:length]).astype(x.dtype).reshape(1)
    carry = x[:length], jnp.concatenate([no_forecast, first])
    expected = jax.lax.scan(advance, carry, x[length:])[1]
    return jnp.concatenate([jnp.full(length, jnp.nan, x.dtype), expected])


def trailing_mean(score: np.ndarray, size: int) -> np.ndarray:
    """The mean of the last ``size`` values up to each time, ``(T,)`` float64.

    The first means are of fewer values.

    >>> trailing_mean(np.array([1.0, 3.0, 5.0]), 2).tolist()
    [1.0, 2.0, 4.0]
    """
    score = np.asarray(score, np.float64)
    if size < 1:
        raise mistake("trailing_mean", got=f"size={size}", expected="an integer >= 1")
    padded = np.concatenate([np.full(size - 1, np.nan), score])
    return np.nanmean(np.lib.stride_tricks.sliding_window_view(padded, size), axis=1)


def throughout(mask: np.ndarray, size: int) -> np.ndarray:
    """Where the last ``size`` values of ``mask`` ``(T,)`` are all True, ``(T,)`` bool.

    There a score of the last ``size`` times depends on times of the mask alone.

    >>> throughout(np.array([True, True, False, True, True]), 2).tolist()
    [False, True, False, False, True]
    """
    if size < 1:
        raise mistake("throughout", got=f"size={size}", expected="an integer >= 1")
    padded = np.concatenate([np.zeros(size - 1, bool), mask])
    return np.all(np.lib.stride_tricks.sliding_window_view(padded, size), axis=1)


def ranking(score: np.ndarray, anomalous: np.ndarray) -> dict[str, float]:
    """The area under the ROC curve, ``auc``, and ``average_precision``, by scikit-learn.

    An AUC of 0.9 says that a time of an event scores higher than one outside in 9 of 10 pairs. An
    uninformative score has an AUC of 0.5, and as average precision the share of times in events.
    ``score`` ``(T,)`` and ``anomalous`` ``(T,)`` bool are of the tested times.
    """
    from sklearn.metrics import average_precision_score, roc_auc_score

    _check("ranking", score, anomalous)
    return {
        "auc": float(roc_auc_score(anomalous, score)),
        "average_precision": float(average_precision_score(anomalous, score)),
    }


def alarms(score: np.ndarray, anomalous: np.ndarray, threshold: float) -> dict[str, float]:
    """``precision``, ``recall``, ``f1`` and ``events_found`` of alarms, scores above the threshold.

    The first three count times; ``events_found`` is the share of events with at least one alarm.
    Precision is 0 without an alarm.

    >>> anomalous = np.array([False, False, True, True, False])
    >>> alarms(np.array([0.0, 2.0, 2.0, 0.0, 0.0]), anomalous, 1.0)
    {'precision': 0.5, 'recall': 0.5, 'f1': 0.5, 'events_found': 1.0}
    """
    _check("alarms", score, anomalous)
    score, anomalous = np.asarray(score), np.asarray(anomalous)
    alarm, events = score > threshold, stretches(anomalous)
    both = np.sum(alarm & anomalous)
    return {
        "precision": float(both / max(1, alarm.sum())),
        "recall": float(both / anomalous.sum()),
        "f1": float(2 * both / (alarm.sum() + anomalous.sum())),
        "events_found": float(np.mean([alarm[event].any() for event in events])),
    }


def detection(
    score: np.ndarray, anomalous: np.ndarray, tested: np.ndarray, threshold: float
) -> dict[str, float]:
    """The metrics of `ranking` and `alarms` at the ``tested`` times, ``(T,)`` bool.

    >>> anomalous, tested = np.array([0, 0, 1], bool), np.array([0, 1, 1], bool)
    >>> detection(np.array([9.0, 1.0, 2.0]), anomalous, tested, threshold=1.5)["auc"]
    1.0
    """
    score, anomalous = score[tested], anomalous[tested]
    return ranking(score, anomalous) | alarms(score, anomalous, threshold)


def hit(score: np.ndarray, events: Sequence[range], *, near: int = NEAR) -> bool:
    """The UCR archive's score: whether the time of the highest score is in or near an event.

    It may be outside of one of the ``events`` by at most ``near`` times. Raises `JnnError` without
    an event, and for a score that is NaN.

    >>> hit(np.array([0.0, 0.0, 5.0, 1.0]), [range(3, 4)], near=1)
    True
    >>> hit(np.array([5.0, 0.0, 0.0, 1.0]), [range(3, 4)], near=1)
    False
    """
    if not events or not len(score) or np.isnan(score).any():
        got = f"{len(events)} events, {len(score)} scores, {int(np.isnan(score).sum())} of them NaN"
        raise mistake("hit", got=got, expected="an event, and a score of each time")
    highest = int(np.argmax(score))
    return any(event.start - near <= highest < event.stop + near for event in events)


def _check(caller: str, score: Any, anomalous: Any) -> None:
    score, anomalous = np.asarray(score), np.asarray(anomalous)
    if score.ndim != 1 or score.shape != anomalous.shape or anomalous.dtype != bool:
        got = f"scores {score.shape} and {anomalous.dtype} {anomalous.shape}"
        raise mistake(caller, got=got, expected="(T,) numbers and (T,) booleans")
    if not np.isfinite(score).all():
        raise mistake(
            caller,
            got="a score that is not finite",
            expected="numbers",
            remedy="Give 0 to a time without a score.",
        )
    if not anomalous.any() or anomalous.all():
        raise mistake(
            caller,
            got=f"{anomalous.sum()} of {len(anomalous)} times in events",
            expected="some times in events, and some not",
        )
