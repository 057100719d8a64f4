"""Windows of time series, without leakage from the future.

A series is an array ``(T,)`` or ``(T, D)``: D numbers at each of T equally spaced times. The parts
of a series are ``range``s of times, as in ``series[range(10, 20)]``; `jnn.data.series_splits` makes
those for training, validation and test. Windows are cut from parts: by `forecast_windows` for a
model that predicts what follows, by `windows` for one that reconstructs its input.

    train, test = range(0, 700), range(700, 1000)               # hours
    scaled, scaling = standardize_series(series, train)         # fitted to the training hours only
    cut = partial(forecast_windows, scaled, scaled, length=24, horizons=[1])
    train_windows, test_windows = cut(within=train), cut(within=test, reach_back=True)

Every function here is causal: its results for the times up to t do not depend on later times.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from jnn.data.checks import check_finite
from jnn.data.scaling import Scaling, fit_scaling, scale
from jnn.errors import mistake
from jnn.integers import check_integer

Parts = range | Sequence[range]
"""A stretch of times, or several: consecutive recordings, or one recording without some events."""


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
    """Windows of inputs up to a time, and the targets at some horizons after it.

    With o_n the origin of window n, its last input time,

        "inputs"[n] = inputs[o_n - length + 1 : o_n + 1]     (N, length, D)
        "targets"[n, k] = targets[o_n + horizons[k]]         (N, H) or (N, H, C)
        "origin"[n] = o_n                                    (N,) int32

    Args:
        inputs: ``(T, D)``, or ``(T,)`` for D = 1.
        targets: ``(T,)`` or ``(T, C)``, of the same times and often the same array.
        length: the number of input times.
        horizons: how many times ahead the targets are, each >= 1, so that inputs end before targets
            begin.
        within: the part or parts of the series to cut windows from, by default all of it. No window
            crosses the end of a part.
        stride: times from one origin to the next.
        reach_back: True lets the inputs, but not the targets, begin before their part: at the start
            of a test part the end of the validation part is known. Not for several recordings one
            after the other.

    Windows are ordered by their origin within each part; a part that is too short has none.

    Raises:
        JnnError: no part has a window, parts outside the series, NaN or infinity in a window.

    >>> x = np.arange(6.0)
    >>> windows = forecast_windows(x, x, length=2, horizons=[1, 3])
    >>> windows["inputs"][:, :, 0].tolist(), windows["targets"].tolist(), windows["origin"].tolist()
    ([[0.0, 1.0], [1.0, 2.0]], [[2.0, 4.0], [3.0, 5.0]], [1, 2])
    """
    cut = _forecasts(
        "forecast_windows", inputs, targets, length, 1, horizons, within, stride, reach_back
    )
    return {**cut, "targets": cut["targets"][:, 0]}


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
    """Windows in which each of the last ``origins`` times is an origin, for causal models.

    A recurrent or causal network computes all of these forecasts in one pass. ``"inputs"`` is
    ``(N, length - 1 + origins, D)``; ``"targets"``, ``(N, origins, H)`` or ``(N, origins, H, C)``,
    has at ``[n, j]`` the targets after ``inputs[n, length - 1 + j]``, a time that ends at least
    ``length`` inputs; ``"origin"`` ``(N,)`` is the last of the origins.

    With ``stride``, by default ``origins``, every time is an origin once, except some at the
    end of a part. The other arguments are those of `forecast_windows`.

    >>> x = np.arange(8.0)
    >>> cut = forecast_sequences(x, x, length=2, origins=3, horizons=[1])
    >>> cut["inputs"][:, :, 0].tolist(), cut["targets"][:, :, 0].tolist()
    ([[0.0, 1.0, 2.0, 3.0], [3.0, 4.0, 5.0, 6.0]], [[2.0, 3.0, 4.0], [5.0, 6.0, 7.0]])
    """
    stride = origins if stride is None else stride
    return _forecasts(
        "forecast_sequences", inputs, targets, length, origins, horizons, within, stride, reach_back
    )


def _forecasts(
    caller: str,
    inputs,
    targets,
    length: int,
    origins: int,
    horizons,
    within,
    stride: int,
    reach_back: bool,
):
    inputs, targets = _series(caller, inputs), np.asarray(targets)
    if targets.ndim not in (1, 2) or len(targets) != len(inputs):
        got = f"inputs {inputs.shape} and targets {targets.shape}"
        raise mistake(caller, got=got, expected="targets (T,) or (T, C) of the same T times")
    ahead = np.asarray(horizons)
    integers = ahead.ndim == 1 and np.issubdtype(ahead.dtype, np.integer)
    if not integers or not len(ahead) or ahead.min() < 1:
        remedy = "A horizon of 0 would be an input."
        raise mistake(caller, got=f"horizons={horizons!r}", expected="integers >= 1", remedy=remedy)
    ahead = ahead.astype(np.int64)  # NumPy adds a uint64 to others as floats
    length, origins, stride = _positive(caller, length=length, origins=origins, stride=stride)
    input_length = length + origins - 1

    def last_origins(part: range) -> np.ndarray:
        earliest = part.start + input_length - 1
        if reach_back:
            earliest = max(part.start - int(ahead.min()) + origins - 1, input_length - 1)
        return np.arange(earliest, part.stop - int(ahead.max()), stride)

    origin = _origins(caller, inputs, length, within, last_origins)
    all_origins = origin[:, None] + np.arange(1 - origins, 1)[None]
    cut_inputs = _cut(inputs, origin, input_length)
    cut_targets = targets[all_origins[:, :, None] + ahead]
    check_finite(cut_inputs, f"{caller}['inputs']")
    check_finite(cut_targets, f"{caller}['targets']")
    return {"inputs": cut_inputs, "targets": cut_targets, "origin": origin}


def windows(
    series: np.ndarray, *, length: int, within: Parts | None = None, stride: int = 1
) -> dict[str, np.ndarray]:
    """Windows of a series to be reconstructed.

    ``"inputs"`` ``(N, length, D)`` is ``series[o_n - length + 1 : o_n + 1]`` for each ``"origin"``
    o_n, ``(N,)``, its last time. Arguments and errors are those of `forecast_windows`.

    >>> windows(np.arange(5.0), length=3, stride=2)["inputs"][:, :, 0].tolist()
    [[0.0, 1.0, 2.0], [2.0, 3.0, 4.0]]
    """
    series = _series("windows", series)
    length, stride = _positive("windows", length=length, stride=stride)
    of_part = lambda part: np.arange(part.start + length - 1, part.stop, stride)
    origin = _origins("windows", series, length, within, of_part)
    inputs = _cut(series, origin, length)
    check_finite(inputs, "windows['inputs']")
    return {"inputs": inputs, "origin": origin}


def over_time(values: np.ndarray, origin: np.ndarray, size: int) -> np.ndarray:
    """The mean over windows of their values at each of ``size`` times: ``(size, ...)``.

    It is NaN at times without a window. ``values`` ``(N, length, ...)`` has a value for each time
    of a window, such as a reconstruction error, and window n ends at time ``origin[n]``. For
    forecasts ``(N, H)``, of the times ``origin + horizon``, pass ``values[:, k, None]`` and those
    times.

    >>> over_time(np.array([[1.0, 2.0], [4.0, 8.0]]), np.array([1, 2]), 4).tolist()
    [1.0, 3.0, 8.0, nan]
    """
    values, origin = np.asarray(values, np.float64), np.asarray(origin)
    is_index = origin.dtype.kind in "iu" or not origin.size
    if values.ndim < 2 or origin.shape != values.shape[:1] or not is_index:
        got = f"values {values.shape} and origin {origin.shape} of {origin.dtype}"
        raise mistake("over_time", got=got, expected="(N, length, ...) and integers (N,)")
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
    """The series with mean 0 and deviation 1 over the times of ``train``, and the `Scaling`.

    The series is ``(T,)`` or ``(T, D)``, the result float32. Only the times of ``train`` determine
    the scaling. Raises JnnError for a column that is constant over ``train``, and for NaN or
    infinity.

    >>> scaled, scaling = standardize_series(np.array([1.0, 3.0, 100.0]), range(0, 2))
    >>> float(scaling.mean), scaled.tolist()
    (2.0, [-1.0, 1.0, 98.0])
    """
    series = np.asarray(series)
    parts = _parts("standardize_series", train, len(series))
    times = np.concatenate([np.asarray(part) for part in parts])
    scaling = fit_scaling(series[times], "standardize_series")
    check_finite(series, "standardize_series")
    return scale(scaling, series), scaling


def fill_forward(series: np.ndarray, first: float = 0.0) -> np.ndarray:
    """The series ``(T,)`` or ``(T, D)`` with each NaN replaced by the last value of its column.

    NaNs before the first value are replaced by ``first``.

    >>> fill_forward(np.array([np.nan, 2.0, np.nan, np.nan, 1.0]), first=7.0).tolist()
    [7.0, 2.0, 2.0, 2.0, 1.0]
    """
    series = np.asarray(series, np.float64)
    time = np.arange(len(series)).reshape(-1, *[1] * (series.ndim - 1))
    last = np.maximum.accumulate(np.where(np.isnan(series), -1, time), axis=0)
    filled = np.take_along_axis(series, np.maximum(last, 0), axis=0)
    return np.where(last < 0, first, filled)


def stretches(mask: np.ndarray) -> list[range]:
    """The times where ``mask`` ``(T,)`` is True, as parts, such as a recording without its events.

    >>> stretches(np.array([True, True, False, True]))
    [range(0, 2), range(3, 4)]
    """
    mask = np.asarray(mask)
    if mask.ndim != 1 or mask.dtype != bool:
        got = f"{mask.dtype} of shape {mask.shape}"
        raise mistake("stretches", got=got, expected="booleans of shape (T,)")
    ends = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]])))
    return [range(int(start), int(stop)) for start, stop in ends.reshape(-1, 2)]


def _series(caller: str, series: np.ndarray) -> np.ndarray:
    series = np.asarray(series)
    if series.ndim not in (1, 2) or not len(series):
        raise mistake(
            caller,
            got=f"a series of shape {series.shape}",
            expected="(T,) or (T, D) with T >= 1",
            remedy="Time comes first.",
        )
    return series[:, None] if series.ndim == 1 else series


def _parts(caller: str, within: Parts | None, size: int) -> list[range]:
    within = range(size) if within is None else within
    is_one = isinstance(within, range) or not np.iterable(within)
    parts: list[Any] = [within] if is_one else list(within)
    for part in parts:
        if not isinstance(part, range):
            remedy = "The times from a to b - 1 are range(a, b)."
            raise mistake(caller, got=f"the part {part!r}", expected="a range", remedy=remedy)
        if part.step != 1 or not 0 <= part.start < part.stop <= size:
            expected = f"a range of steps of 1, not empty, within {range(size)}"
            raise mistake(caller, got=f"the part {part}", expected=expected)
    if not parts:
        raise mistake(caller, got="no parts", expected="at least one")
    return parts


def _positive(caller: str, **settings: int) -> list[int]:
    return [check_integer(caller, name, value) for name, value in settings.items()]


def _origins(
    caller: str,
    series: np.ndarray,
    length: int,
    within: Parts | None,
    of_part: Callable[[range], np.ndarray],
) -> np.ndarray:
    """The origins of the windows of all parts, (N,) int32."""
    parts = _parts(caller, within, len(series))
    origin = np.concatenate([of_part(part) for part in parts])
    if not len(origin):
        raise mistake(
            caller,
            got=f"length={length} for parts of at most {max(map(len, parts))} times",
            expected="a window that fits",
            remedy="Choose shorter windows or horizons, or longer parts.",
        )
    return origin.astype(np.int32)


def _cut(series: np.ndarray, origin: np.ndarray, length: int) -> np.ndarray:
    """(N, length, D), a copy."""
    cut = sliding_window_view(series, length, axis=0)[origin - length + 1]
    return np.ascontiguousarray(cut.swapaxes(1, 2))
