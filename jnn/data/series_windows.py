"""Windows of series in time, none of which knows its future.

A series is an array ``(T,)`` or ``(T, D)``: D numbers at each of T equally spaced times. The parts
of a series are ``range``s of times, as ``series[range(10, 20)]`` takes them;
`jnn.data.series_splits` makes those for training, validation and test. From a part come windows:
`forecast_windows` for a model that predicts what follows, `windows` for one that reconstructs what
it sees.

    part = range(0, 700)                                      # the first 700 hours are for training
    scaled, scaling = standardize_series(series, part)        # by what is known from these hours
                                                              alone
    train = forecast_windows(scaled, scaled, length=24, horizons=[1], within=part) test =
    forecast_windows(scaled, scaled, length=24, horizons=[1], within=range(700, 1000),
    reach_back=True)

Every function here is causal: what it makes of the times up to t is the same whatever comes after
t.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from jnn.data.checks import check_finite
from jnn.data.scaling import Scaling, fit_scaling, scale
from jnn.errors import mistake

Parts = range | Sequence[range]
"""A stretch of times, or several: recordings one after the other, or what is left of one without
some events.
"""


def forecast_windows(
    inputs: np.ndarray,
    targets: np.ndarray,
    *,
    length: int,
    horizons: Sequence[int],
    within: Parts | None = None,
    stride: int = 1,
    reach_back: bool = False,
) -> dict[str, np.ndarray]:
    """What is seen up to a time, and what is to be predicted of the times after it.

    With o_n the origin of window n, the last time that is seen,
    ``"inputs"[n] = inputs[o_n - length + 1 : o_n + 1]`` is ``(N, length, D)``,
    ``"targets"[n, k] = targets[o_n + horizons[k]]`` is ``(N, H)`` or ``(N, H, C)``, and
    ``"origin"`` is ``(N,)`` int32.

    ``inputs``      ``(T, D)``, or ``(T,)`` for D = 1; ``targets`` ``(T,)`` or ``(T, C)``, of the
                    same times and often the same array.
    ``horizons``    how many times ahead the targets are, each >= 1: the inputs end before the
                    targets begin.
    ``within``      the part or parts of the series that the windows are of, by default all of it.
                    No window crosses an end of a part.
    ``stride``      times from one origin to the next.
    ``reach_back``  True lets the inputs, but not the targets, begin before their part does: at the
                    start of a test part the last of the validation part are known. Not for several
                    recordings one after the other.

    Windows are ordered by their origin within each part; a part that is too short has none. Raises
    JnnError where no part has any, for parts outside the series, and for NaN or infinity in a
    window.

    >>> x = np.arange(6.0)
    >>> windows = forecast_windows(x, x, length=2, horizons=[1, 3])
    >>> windows["inputs"][:, :, 0].tolist(), windows["targets"].tolist(), windows["origin"].tolist()
    ([[0.0, 1.0], [1.0, 2.0]], [[2.0, 4.0], [3.0, 5.0]], [1, 2])
    """
    found = _forecasts(
        "forecast_windows", inputs, targets, length, 1, horizons, within, stride, reach_back
    )
    return {**found, "targets": found["targets"][:, 0]}


def forecast_sequences(
    inputs: np.ndarray,
    targets: np.ndarray,
    *,
    length: int,
    origins: int,
    horizons: Sequence[int],
    within: Parts | None = None,
    stride: int | None = None,
    reach_back: bool = False,
) -> dict[str, np.ndarray]:
    """Windows in which each of the last ``origins`` times is an origin, for models that predict at
    every element and see no later one.

    A recurrent or causal network computes all of these forecasts in one pass. ``"inputs"`` is
    ``(N, length - 1 + origins, D)``, ``"targets"[n, j]`` ``(N, origins, H)`` or
    ``(N, origins, H, C)`` is what follows ``inputs[n, length - 1 + j]``, before which the model has
    seen ``length`` times or more, and ``"origin"`` ``(N,)`` the last of the origins. With
    ``stride``, by default ``origins``, every time is an origin once, but for some at the end of a
    part. All else is as in `forecast_windows`.

    >>> x = np.arange(8.0)
    >>> found = forecast_sequences(x, x, length=2, origins=3, horizons=[1])
    >>> found["inputs"][:, :, 0].tolist(), found["targets"][:, :, 0].tolist()
    ([[0.0, 1.0, 2.0, 3.0], [3.0, 4.0, 5.0, 6.0]], [[2.0, 3.0, 4.0], [5.0, 6.0, 7.0]])
    """
    stride = origins if stride is None else stride
    return _forecasts(
        "forecast_sequences", inputs, targets, length, origins, horizons, within, stride, reach_back
    )


def _forecasts(
    where: str,
    inputs,
    targets,
    length: int,
    origins: int,
    horizons,
    within,
    stride: int,
    reach_back: bool,
):
    inputs, targets = _series(where, inputs), np.asarray(targets)
    if targets.ndim not in (1, 2) or len(targets) != len(inputs):
        got = f"inputs {inputs.shape} and targets {targets.shape}"
        raise mistake(where, got=got, expected="targets (T,) or (T, C) of the same T times")
    ahead = np.asarray(horizons)
    if (
        ahead.ndim != 1
        or not len(ahead)
        or not np.issubdtype(ahead.dtype, np.integer)
        or ahead.min() < 1
    ):
        remedy = "A horizon of 0 would be an input."
        raise mistake(where, got=f"horizons={horizons!r}", expected="integers >= 1", remedy=remedy)
    _check_positive(where, length=length, origins=origins, stride=stride)
    seen = length + origins - 1

    def last_origins(part: range) -> np.ndarray:
        earliest = (
            max(part.start - int(ahead.min()) + origins - 1, seen - 1)
            if reach_back
            else part.start + seen - 1
        )
        return np.arange(earliest, part.stop - int(ahead.max()), stride)

    origin = _origins(where, inputs, length, within, last_origins)
    each = origin[:, None] + np.arange(1 - origins, 1)[None]
    found = {
        "inputs": _cut(inputs, origin, seen),
        "targets": targets[each[:, :, None] + ahead],
        "origin": origin,
    }
    for name in ("inputs", "targets"):
        check_finite(found[name], f"{where}[{name!r}]")
    return found


def windows(
    series: np.ndarray, *, length: int, within: Parts | None = None, stride: int = 1
) -> dict[str, np.ndarray]:
    """Stretches of a series to be reconstructed: ``"inputs"`` ``(N, length, D)``, and ``"origin"``
    ``(N,)``, the last time of each.

    ``"inputs"[n] = series[o_n - length + 1 : o_n + 1]``. Arguments and errors as in
    `forecast_windows`.

    >>> windows(np.arange(5.0), length=3, stride=2)["inputs"][:, :, 0].tolist()
    [[0.0, 1.0, 2.0], [2.0, 3.0, 4.0]]
    """
    series = _series("windows", series)
    _check_positive("windows", length=length, stride=stride)
    origin = _origins(
        "windows",
        series,
        length,
        within,
        lambda part: np.arange(part.start + length - 1, part.stop, stride),
    )
    inputs = _cut(series, origin, length)
    check_finite(inputs, "windows['inputs']")
    return {"inputs": inputs, "origin": origin}


def over_time(values: np.ndarray, origin: np.ndarray, size: int) -> np.ndarray:
    """The mean, at each of ``size`` times, of what windows say of it: ``(size, ...)``, NaN where no
    window is.

    ``values`` ``(N, length, ...)`` has a value for each time of a window, such as the error of a
    reconstruction, and window n ends at time ``origin[n]``. Values of forecasts, ``(N, H)``, have
    their own times ``origin + horizon``: give ``values[:, k, None]`` and those.

    >>> over_time(np.array([[1.0, 2.0], [4.0, 8.0]]), np.array([1, 2]), 4).tolist()
    [1.0, 3.0, 8.0, nan]
    """
    values, origin = np.asarray(values, np.float64), np.asarray(origin)
    if values.ndim < 2 or origin.shape != values.shape[:1]:
        got = f"values {values.shape} and origin {origin.shape}"
        raise mistake("over_time", got=got, expected="(N, length, ...) and (N,)")
    length = values.shape[1]
    if len(origin) and (origin.min() < length - 1 or origin.max() >= size):
        got = f"windows of {length} that end from {origin.min()} to {origin.max()}"
        raise mistake("over_time", got=got, expected=f"windows within {size} times")
    total, count = np.zeros((size, *values.shape[2:])), np.zeros(size)
    for place in range(length):
        time = origin - length + 1 + place
        np.add.at(total, time, values[:, place])
        np.add.at(count, time, 1)
    with np.errstate(invalid="ignore"):
        return total / count.reshape(-1, *[1] * (values.ndim - 2))


def standardize_series(series: np.ndarray, train: Parts) -> tuple[np.ndarray, Scaling]:
    """The series ``(T,)`` or ``(T, D)`` with mean 0 and deviation 1 over the times of ``train``,
    float32, and that `Scaling`.

    Nothing of other times enters the scaling. Raises JnnError for a column that is constant over
    ``train``, and for NaN or infinity.

    >>> scaled, scaling = standardize_series(np.array([1.0, 3.0, 100.0]), range(0, 2))
    >>> float(scaling.mean), scaled.tolist()
    (2.0, [-1.0, 1.0, 98.0])
    """
    series = np.asarray(series)
    times = np.concatenate(
        [np.asarray(part) for part in _parts("standardize_series", train, len(series))]
    )
    scaling = fit_scaling(series[times], "standardize_series")
    check_finite(series, "standardize_series")
    return scale(scaling, series), scaling


def fill_forward(series: np.ndarray, first: float = 0.0) -> np.ndarray:
    """The series ``(T,)`` or ``(T, D)`` with the last known value of a column in place of each NaN,
    and ``first`` before any is known.

    >>> fill_forward(np.array([np.nan, 2.0, np.nan, np.nan, 1.0]), first=7.0).tolist()
    [7.0, 2.0, 2.0, 2.0, 1.0]
    """
    series = np.asarray(series, np.float64)
    time = np.arange(len(series)).reshape(-1, *[1] * (series.ndim - 1))
    last = np.maximum.accumulate(np.where(np.isnan(series), -1, time), axis=0)
    filled = np.take_along_axis(series, np.maximum(last, 0), axis=0)
    return np.where(last < 0, first, filled)


def stretches(mask: np.ndarray) -> list[range]:
    """The times where ``mask`` ``(T,)`` is True, as parts: what is left for training of a recording
    where ``mask`` is False in events.

    >>> stretches(np.array([True, True, False, True]))
    [range(0, 2), range(3, 4)]
    """
    mask = np.asarray(mask)
    if mask.ndim != 1 or mask.dtype != bool:
        raise mistake(
            "stretches",
            got=f"{mask.dtype} of shape {mask.shape}",
            expected="booleans of shape (T,)",
        )
    ends = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]])))
    return [range(int(start), int(stop)) for start, stop in ends.reshape(-1, 2)]


def _series(where: str, series: np.ndarray) -> np.ndarray:
    series = np.asarray(series)
    if series.ndim not in (1, 2) or not len(series):
        raise mistake(
            where,
            got=f"a series of shape {series.shape}",
            expected="(T,) or (T, D) with T >= 1",
            remedy="Time comes first.",
        )
    return series[:, None] if series.ndim == 1 else series


def _parts(where: str, within: Parts | None, size: int) -> list[range]:
    parts = (
        [range(size)] if within is None else [within] if isinstance(within, range) else list(within)
    )
    for part in parts:
        if part.step != 1 or not 0 <= part.start < part.stop <= size:
            raise mistake(
                where,
                got=f"the part {part}",
                expected=f"a range of steps of 1, with something in it, within {range(size)}",
            )
    if not parts:
        raise mistake(where, got="no parts", expected="one at least")
    return parts


def _check_positive(where: str, **settings: int) -> None:
    for name, value in settings.items():
        if value < 1:
            raise mistake(where, got=f"{name}={value}", expected="an integer >= 1")


def _origins(
    where: str,
    series: np.ndarray,
    length: int,
    within: Parts | None,
    of_part: Callable[[range], np.ndarray],
) -> np.ndarray:
    """The origins of the windows of all parts, (N,) int32."""
    parts = _parts(where, within, len(series))
    origin = np.concatenate([of_part(part) for part in parts])
    if not len(origin):
        longest = max(map(len, parts))
        remedy = "Choose shorter windows or horizons, or longer parts."
        raise mistake(
            where,
            got=f"length={length} for parts of at most {longest} times",
            expected="a window that fits",
            remedy=remedy,
        )
    return origin.astype(np.int32)


def _cut(series: np.ndarray, origin: np.ndarray, length: int) -> np.ndarray:
    """(N, length, D), a copy."""
    return np.ascontiguousarray(
        sliding_window_view(series, length, axis=0)[origin - length + 1].swapaxes(1, 2)
    )
