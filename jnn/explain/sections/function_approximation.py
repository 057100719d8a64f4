"""The report of networks of several sizes that learned a function."""

from collections.abc import Mapping, Sequence

import numpy as np

from jnn.explain.page.report import Section
from jnn.explain.results import functions


def report(
    x: np.ndarray,
    y: np.ndarray,
    learned: Mapping[tuple[int, int], np.ndarray],
    *,
    samples: tuple[np.ndarray, np.ndarray],
) -> list[Section]:
    """The error against the size, and functions that the deepest networks learned.

    ``learned`` are the values ``(members, N)`` of networks by their width and depth, each of all
    widths with each of all depths, at the points x ``(N, D)`` with D of 1 or 2, where the function
    is y ``(N,)``. Drawn are those of the first member. ``samples`` are the points ``(M, D)`` and
    values ``(M,)`` that were learned from.
    """
    widths, depths = (list(dict.fromkeys(sizes)) for sizes in zip(*learned, strict=True))
    grid = error_by_size(errors(learned, y), widths, depths)
    deepest = {width: learned[width, depths[-1]][0] for width in widths}
    if x.shape[1] == 1:
        predictions = {f"width {width}": values for width, values in deepest.items()}
        return [*grid, *curves(x[:, 0], y, predictions, samples=(samples[0][:, 0], samples[1]))]
    name = lambda width: f"width {width}, depth {depths[-1]}"
    ends = {name(width): deepest[width] for width in (widths[0], widths[-1])}
    return [*grid, *surfaces(x, y, ends)]


def errors(learned: Mapping[tuple[int, int], np.ndarray], y: np.ndarray) -> np.ndarray:
    """The RMSE of each network, ``(members, widths, depths)``, of the values `report` takes.

    >>> errors({(8, 1): np.array([[0.0, 2.0]]), (8, 2): np.ones((1, 2))}, np.ones(2)).tolist()
    [[[1.0, 0.0]]]
    """
    widths, depths = (list(dict.fromkeys(sizes)) for sizes in zip(*learned, strict=True))
    rmse = lambda values: np.sqrt(np.mean((values - y) ** 2, axis=-1))
    of_size = [[rmse(learned[width, depth]) for depth in depths] for width in widths]
    return np.moveaxis(np.array(of_size), -1, 0)


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
