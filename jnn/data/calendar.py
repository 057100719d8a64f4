"""The time of day and of the year as features of a model."""

import numpy as np

from jnn.errors import mistake
from jnn.integers import check_integer

DAY, YEAR = np.timedelta64(1, "D"), np.timedelta64(8766, "h")  # 365.25 days


def calendar_features(time: np.ndarray, *, harmonics: int = 2) -> np.ndarray:
    """Sines and cosines of the time of day and of the year, ``(T, 4 harmonics)`` float64.

    With φ the fraction of the day, and then of the year, that has passed, the columns are
    ``sin 2πkφ`` and ``cos 2πkφ`` for k = 1 ... ``harmonics``. Midnight is next to 23:59, and a
    linear model of two harmonics can have an afternoon that is shorter than the night.

    ``time`` is ``(T,)`` datetime64; a day, week, month or year is its first hour. Raises `JnnError`
    for other times, for one that is missing (NaT), and for ``harmonics < 1``.

    >>> calendar_features(np.array(["2012-01-01T06"], "datetime64[h]"), harmonics=1)[0, :2].round(3)
    array([1., 0.])
    """
    time = np.asarray(time)
    if not np.issubdtype(time.dtype, np.datetime64) or time.ndim != 1:
        got = f"{time.dtype} of shape {time.shape}"
        raise mistake("calendar_features", got=got, expected="datetime64 of shape (T,)")
    harmonics = check_integer("calendar_features", "harmonics", harmonics)
    missing = np.flatnonzero(np.isnat(time))
    if len(missing):
        got, remedy = f"NaT at {missing[0]}", "Drop the times that are missing."
        raise mistake("calendar_features", got=got, expected="times", remedy=remedy)
    # A month has no length in days, and a year no whole number of weeks.
    time = time.astype(np.promote_types(time.dtype, "datetime64[h]"))
    day, year = time.astype("datetime64[D]"), time.astype("datetime64[Y]")
    phases = [(time - day) / DAY, (time - year) / YEAR]
    return np.stack(
        [
            function(2 * np.pi * k * phase)
            for phase in phases
            for k in range(1, harmonics + 1)
            for function in (np.sin, np.cos)
        ],
        axis=1,
    )
