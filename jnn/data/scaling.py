"""Standardization: features of mean 0 and standard deviation 1, fitted to the training part."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from jnn.data.checks import check_finite
from jnn.data.splits import Splits
from jnn.errors import mistake


class Scaling(NamedTuple):
    """Mean and standard deviation of each column, both (D,) float64."""

    mean: np.ndarray
    deviation: np.ndarray


def fit_scaling(x: np.ndarray, caller: str = "features") -> Scaling:
    """The mean and the standard deviation (with divisor N) of each column of ``x``.

    ``x`` is (N, D), or (N,) for one column. Computed in float64. Raises JnnError for a column that
    is constant, which has no scale, for one that is not finite, and for what are no real numbers. A
    column is constant if it varies no more than by rounding, as in scikit-learn's
    ``StandardScaler``, with eps = 2^-52:

        variance <= N eps variance + (N eps mean)^2

    >>> fit_scaling(np.array([[1.0, 10.0], [3.0, 30.0]])).mean
    array([ 2., 20.])
    """
    x = np.asarray(x)
    if x.dtype.kind in "cmMOSU" or x.dtype.names:
        raise mistake(caller, got=f"dtype {x.dtype}", expected="real numbers")
    x = x.astype(np.float64)
    if x.ndim not in (1, 2) or len(x) < 2:
        raise mistake(caller, got=f"shape {x.shape}", expected="(N, D) or (N,) with N >= 2")
    check_finite(x, caller)
    with np.errstate(over="ignore", invalid="ignore"):
        mean, deviation = x.mean(axis=0), x.std(axis=0)
    if not np.all(np.isfinite(deviation)):
        got, expected = f"values up to {np.abs(x).max():g}", "values whose squares are finite"
        raise mistake(caller, got=got, expected=expected, remedy="Choose a larger unit.")
    rounding = len(x) * np.finfo(np.float64).eps
    varies = deviation**2 > rounding * deviation**2 + (rounding * mean) ** 2
    constant = np.flatnonzero(np.atleast_1d(~varies))
    if len(constant):
        raise mistake(
            caller,
            got=f"constant columns {', '.join(map(str, constant))}",
            expected="columns that vary",
            remedy="Drop them: they carry no information.",
        )
    return Scaling(mean, deviation)


def scale(scaling: Scaling, x: Any) -> Any:
    """(x - mean) / deviation, float32, for NumPy and JAX arrays alike."""
    return ((x - scaling.mean) / scaling.deviation).astype(np.float32)


def unscale(scaling: Scaling, x: Any) -> Any:
    """x * deviation + mean, float32: the inverse of ``scale``."""
    return (x * scaling.deviation + scaling.mean).astype(np.float32)


def standardize(splits: Splits, name: str = "features") -> tuple[Splits, Scaling]:
    """``splits`` with array ``name`` scaled in all three parts, and the scaling.

    The scaling is fitted to the training part only. Raises JnnError for NaN or infinity in a part.
    """
    scaling = fit_scaling(splits.train[name], f"train[{name!r}]")
    check_finite(splits.validation[name], f"validation[{name!r}]")
    check_finite(splits.test[name], f"test[{name!r}]")
    train, validation, test = ({**part, name: scale(scaling, part[name])} for part in splits[:3])
    return splits._replace(train=train, validation=validation, test=test), scaling
