"""Predictions and residuals of a regression."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jnn.errors import mistake
from jnn.explain import style
from jnn.wording import number


def predicted_against_true(
    prediction: np.ndarray, target: np.ndarray, *, name: str = "target"
) -> Figure:
    """Prediction against target, and residual against prediction, each example a dot.

    On the dashed line on the left prediction and target are equal. The residual is
    ``target - prediction``; its mean, by `binned_means`, is zero everywhere for a model that is
    right on average.

    ``prediction`` and ``target`` are ``(N,)``. The title has the RMSE and the coefficient of
    determination R².

    >>> figure = predicted_against_true(np.array([1.0, 2.0]), np.array([1.0, 3.0]), name="price")
    >>> figure.get_suptitle()
    'Predictions and residuals: RMSE 0.7071, R² 0.5, median absolute error 0.5'
    """
    prediction, target = np.asarray(prediction, np.float64), np.asarray(target, np.float64)
    if prediction.ndim != 1 or prediction.shape != target.shape or not len(target):
        got = f"predictions {prediction.shape} and targets {target.shape}"
        raise mistake("predicted_against_true", got=got, expected="(N,) for each, with N >= 1")
    residual = target - prediction
    title = f"Predictions and residuals: {_in_words(residual, target)}"
    figure, axes = style.panels(1, 2, width=9.6, height=4.2, title=title)
    left, right = axes[0]
    ends = [min(prediction.min(), target.min()), max(prediction.max(), target.max())]
    _dots(left, target, prediction)
    left.plot(ends, ends, color=style.INK, linewidth=1, linestyle=(0, (4, 3)))
    left.set_aspect("equal")
    style.gridded(left, "both")
    style.caption(left, "prediction against target", x=f"true {name}", y=f"predicted {name}")
    _dots(right, prediction, residual)
    right.axhline(0, color=style.INK, linewidth=1, linestyle=(0, (4, 3)))
    right.plot(
        *binned_means(prediction, residual),
        "o-",
        color=style.ORANGE,
        linewidth=1.6,
        markersize=4,
        label="mean",
    )
    style.gridded(right, "both")
    style.legend(right)
    style.caption(right, "residual: target − prediction", x=f"predicted {name}", y="residual")
    return figure


def binned_means(x: np.ndarray, y: np.ndarray, *, bins: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """The means of x and of y in bins of equally many examples, ordered by x.

    There are at most ``bins``, and at most one for each example.

    >>> binned_means(np.array([4.0, 1.0, 2.0, 3.0]), np.array([8.0, 0.0, 2.0, 6.0]), bins=2)
    (array([1.5, 3.5]), array([1., 7.]))
    """
    parts = np.array_split(np.argsort(x, kind="stable"), min(bins, len(x)))
    mean = lambda values: np.array([np.mean(values[part]) for part in parts])
    return mean(np.asarray(x)), mean(np.asarray(y))


def _dots(ax: Axes, x: np.ndarray, y: np.ndarray) -> None:
    """The more dots, the fainter each."""
    faint = float(np.clip(60 / len(x), 0.08, 0.6))
    ax.plot(
        x,
        y,
        "o",
        color=style.BLUE,
        markersize=4,
        alpha=faint,
        markeredgewidth=0,
        rasterized=len(x) > 1000,
    )


def _in_words(residual: np.ndarray, target: np.ndarray) -> str:
    spread = np.sum((target - target.mean()) ** 2)
    r2 = f", R² {number(float(1 - np.sum(residual**2) / spread))}" if spread > 0 else ""
    rmse, middle = float(np.sqrt(np.mean(residual**2))), float(np.median(np.abs(residual)))
    return f"RMSE {number(rmse)}{r2}, median absolute error {number(middle)}"
