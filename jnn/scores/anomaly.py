"""Scores of how unusual each time of a series is, and how well they find labelled events.

A score is ``(T,)``, one number a time, the more unusual the larger; `trailing_mean` smooths one
without a look ahead. An alarm is raised where it is above a threshold, which is set where nothing
unusual happened.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jnn.data.series_windows import stretches
from jnn.errors import mistake
from jnn.layers.checks import check_float

NEAR = 100
"""Times from an anomaly within which the UCR archive counts it as found."""


def running_forecasts(
    forecast: Callable[[jax.Array], jax.Array],
    x: jax.Array,
    *,
    length: int,
    horizon: int = 1,
    limit: float = np.inf,
) -> jax.Array:
    """What was expected of each time of a series, ``horizon`` times before, ``(T,)``; NaN for the
    first ``length + horizon - 1`` times.

        x̂_t = forecast(k_{t-horizon-length+1} ... k_{t-horizon}),   k_t = x_t if |x_t - x̂_t| <=
                                                                     limit else x̂_t

    ``forecast`` is a function of JAX from a window ``(length,)`` to a number, ``x`` ``(T,)``. With
    a ``limit``, values too far from what was expected are not believed: later forecasts see what
    was expected in their place, so that what comes after an event is not judged by the event. That
    is the cleaning of a robust filter, and shares its weakness: after a change that stays, it may
    never believe again. Source: Masreliez & Martin 1977, https://doi.org/10.1109/TAC.1977.1101538,
    with hard rejection.

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
    unknown = jnp.full(horizon, jnp.nan, x.dtype)

    def advance(memory, x_t):
        window, pending = memory
        expected = pending[0]
        kept = jnp.where(jnp.abs(x_t - expected) > limit, expected, x_t)  # NaN is above no limit
        window = jnp.concatenate([window[1:], kept[None]])
        pending = jnp.concatenate([pending[1:], forecast(window).astype(x.dtype).reshape(1)])
        return (window, pending), expected

    first = jnp.concatenate([unknown[1:], forecast(x[:length]).astype(x.dtype).reshape(1)])
    expected = jax.lax.scan(advance, (x[:length], first), x[length:])[1]
    return jnp.concatenate([jnp.full(length, jnp.nan, x.dtype), expected])


def trailing_mean(score: np.ndarray, size: int) -> np.ndarray:
    """The mean of the last ``size`` values up to each time, of as many as there are at the
    beginning: ``(T,)`` float64.

    >>> trailing_mean(np.array([1.0, 3.0, 5.0]), 2).tolist()
    [1.0, 2.0, 4.0]
    """
    score = np.asarray(score, np.float64)
    if size < 1:
        raise mistake("trailing_mean", got=f"size={size}", expected="an integer >= 1")
    padded = np.concatenate([np.full(size - 1, np.nan), score])
    return np.nanmean(np.lib.stride_tricks.sliding_window_view(padded, size), axis=1)


def throughout(mask: np.ndarray, size: int) -> np.ndarray:
    """Where the last ``size`` values of ``mask`` ``(T,)`` are all True, ``(T,)`` bool: what depends
    on so many times depends on no other.

    >>> throughout(np.array([True, True, False, True, True]), 2).tolist()
    [False, True, False, False, True]
    """
    padded = np.concatenate([np.zeros(size - 1, bool), mask])
    return np.all(np.lib.stride_tricks.sliding_window_view(padded, size), axis=1)


def ranking(score: np.ndarray, anomalous: np.ndarray) -> dict[str, float]:
    """``auc``, the area under the curve of true by false positives, and ``average_precision``, by
    scikit-learn.

    An AUC of 0.9 says that a time of an event scores higher than one outside in 9 of 10 pairs; a
    score without worth has an AUC of 0.5, and an average precision of the share of times within
    events. ``score`` ``(T,)`` and ``anomalous`` ``(T,)`` bool, both of the tested times.
    """
    from sklearn.metrics import average_precision_score, roc_auc_score

    _check("ranking", score, anomalous)
    return {
        "auc": float(roc_auc_score(anomalous, score)),
        "average_precision": float(average_precision_score(anomalous, score)),
    }


def alarms(score: np.ndarray, anomalous: np.ndarray, threshold: float) -> dict[str, float]:
    """``precision``, ``recall`` and ``f1`` of the times at which the score is above the threshold,
    and ``events_found``, the share of events in which it is so at least once. Precision is 0
    without an alarm.

    >>> alarms(np.array([0.0, 2.0, 2.0, 0.0, 0.0]), np.array([False, False, True, True, False]), 1.0)
    {'precision': 0.5, 'recall': 0.5, 'f1': 0.5, 'events_found': 1.0}
    """
    _check("alarms", score, anomalous)
    alarm, events = np.asarray(score) > threshold, stretches(anomalous)
    both = np.sum(alarm & anomalous)
    return {
        "precision": float(both / max(1, alarm.sum())),
        "recall": float(both / anomalous.sum()),
        "f1": float(2 * both / (alarm.sum() + anomalous.sum())),
        "events_found": float(np.mean([alarm[event].any() for event in events])),
    }


def hit(score: np.ndarray, events: Sequence[range], *, near: int = NEAR) -> bool:
    """Whether the most unusual time lies in one of the ``events``, or at most ``near`` times from
    one: the UCR archive's score.

    >>> hit(np.array([0.0, 0.0, 5.0, 1.0]), [range(3, 4)], near=1), hit(np.array([5.0, 0.0, 0.0, 1.0]), [range(3, 4)], near=1)
    (True, False)
    """
    highest = int(np.argmax(score))
    return any(event.start - near <= highest < event.stop + near for event in events)


def _check(where: str, score: Any, anomalous: Any) -> None:
    score, anomalous = np.asarray(score), np.asarray(anomalous)
    if score.ndim != 1 or score.shape != anomalous.shape or anomalous.dtype != bool:
        got = f"scores {score.shape} and {anomalous.dtype} {anomalous.shape}"
        raise mistake(where, got=got, expected="(T,) numbers and (T,) booleans")
    if not np.isfinite(score).all():
        raise mistake(
            where,
            got="a score that is not finite",
            expected="numbers",
            remedy="A time of which nothing is known scores 0.",
        )
    if not anomalous.any() or anomalous.all():
        raise mistake(
            where,
            got=f"{anomalous.sum()} of {len(anomalous)} times in events",
            expected="some times in events, and some not",
        )
