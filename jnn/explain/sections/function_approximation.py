"""The report of networks of several sizes that learned a function."""

from collections.abc import Mapping, Sequence

import numpy as np

from jnn.explain.page.report import Section
from jnn.explain.results import functions


def error_by_size(
    errors: np.ndarray, widths: Sequence[int], depths: Sequence[int], *, name: str = "test RMSE"
) -> list[Section]:
    """The error against width and depth; ``errors`` are (members, widths, depths)."""
    return [
        Section(
            "Error against width and depth",
            f"Median {name} of {len(errors)} networks of each size; bands reach from the best to "
            "the worst.",
            functions.error_grid(errors, widths, depths, name=name),
        )
    ]


def curves(
    x: np.ndarray,
    y: np.ndarray,
    predictions: Mapping[str, np.ndarray],
    *,
    samples: tuple[np.ndarray, np.ndarray] | None = None,
) -> list[Section]:
    """A function of one variable and what networks learned of it.

    ``x``, the target ``y`` and each prediction, which has the name of its network, are (N,);
    ``samples`` are the points that were learned from.
    """
    return [
        Section(
            "Learned functions",
            "The target and the predictions of several networks, and below it their errors.",
            functions.curve_fit(x, y, predictions, samples=samples),
        )
    ]


def surfaces(x: np.ndarray, y: np.ndarray, predictions: Mapping[str, np.ndarray]) -> list[Section]:
    """A function of two variables and what each network learned of it, a section for each.

    ``x`` (N M, 2) is the grid of ``np.meshgrid``, ravelled; the target ``y`` and each prediction
    are (N M,).
    """
    x0, x1 = np.unique(x[:, 0]), np.unique(x[:, 1])
    on_grid = lambda values: np.reshape(values, (len(x1), len(x0)))
    return [
        Section(
            f"Learned surface, {name}",
            "The target, the prediction, and their difference.",
            functions.surface(x0, x1, on_grid(y), on_grid(prediction)),
        )
        for name, prediction in predictions.items()
    ]
