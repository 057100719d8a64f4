"""Errors of a classifier: the confusion matrix, the worst mistakes, the calibration."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jnn.errors import mistake
from jnn.explain import style
from jnn.wording import number

RARE = 0.05
"""Fraction of a class up to which a mistake is pale, even where no other is more frequent."""
CALIBRATED = 0.02
"""Mean difference of confidence and accuracy, and calibration error, below which there is none."""
NARROW = 16
"""Letters in a line above or below a picture."""
FULL = 20
"""Classes up to which the cells of a confusion matrix hold their counts."""


def confusion(matrix: np.ndarray, classes: Sequence[str] | None = None) -> Figure:
    """The confusion matrix: row i, column j is how often class i was predicted as class j.

    Each cell is coloured by its fraction of the row: blue on the diagonal, which is right, orange
    off it, where the scale ends at the most frequent mistake (at 5 % of a class where all are
    rarer), so that rare ones show too. The recall is beside each row.

    ``matrix`` is ``(K, K)``, as `jnn.metrics.confusion_matrix` or scikit-learn's gives it. Raises
    `JnnError` for another shape, or another number of ``classes``.

    >>> figure = confusion(np.array([[9, 1], [2, 8]]), ["cat", "dog"])
    >>> figure.get_suptitle().split(";")[0]
    'Confusion matrix: 3 of 20 wrong'
    """
    matrix = np.asarray(matrix)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.size:
        raise mistake(
            "confusion", got=f"shape {matrix.shape}", expected="a square matrix, (classes, classes)"
        )
    k, names = len(matrix), _names("confusion", classes, len(matrix))
    totals = matrix.sum(axis=1, keepdims=True)
    fractions = matrix / np.where(totals == 0, 1, totals)
    right = np.eye(k, dtype=bool)
    worst = fractions[~right].max(initial=0)
    signed = np.where(right, -fractions, fractions / max(worst, RARE))

    side = min(9.0, max(4.0, 1.6 + 0.42 * k))
    figure, axes = style.panels(
        width=side + 0.6,
        height=side + 0.4,
        title=f"Confusion matrix: {_errors_in_words(matrix, names)}",
    )
    ax = axes[0, 0]
    ax.imshow(signed, cmap=style.SIGNED, vmin=-1.25, vmax=1.25)
    if k <= FULL:
        room = 100 * (side - 1.6) / k  # points of a font of which one digit fills a cell
        for i, j in zip(*np.nonzero(matrix), strict=True):
            count = f"{matrix[i, j]:.0f}" if matrix[i, j] % 1 == 0 else f"{matrix[i, j]:.4g}"
            ax.text(
                j,
                i,
                count,
                ha="center",
                va="center",
                fontsize=min(8 if k > 12 else 9, room / len(count)),
                color="white" if abs(signed[i, j]) > 0.62 else style.INK,
            )
    _class_ticks(ax, names)
    _recalls(ax, np.diagonal(fractions), matrix.sum(axis=1))
    style.caption(ax, x="predicted", y="true class")
    return figure


def _class_ticks(ax: Axes, names: list[str]) -> None:
    k = len(names)
    indices = style.spread(k)
    labels = [names[i] for i in indices]
    slanted = max(len(name) for name in names) > 3
    ax.set_xticks(indices, labels, rotation=45 * slanted, ha="right" if slanted else "center")
    ax.set_yticks(indices, labels)
    ax.set_xticks(np.arange(k - 1) + 0.5, minor=True)
    ax.set_yticks(np.arange(k - 1) + 0.5, minor=True)
    ax.grid(True, which="minor", color=style.FAINT, linewidth=0.6)
    ax.tick_params(which="both", length=0)
    ax.spines[:].set_visible(False)


def _recalls(ax: Axes, recalls: np.ndarray, totals: np.ndarray) -> None:
    k = len(recalls)
    if k > FULL:
        return
    for i in range(k):
        text = f"{100 * recalls[i]:.1f} %" if totals[i] else "none"
        ax.text(k - 0.3, i, text, ha="left", va="center", fontsize=8, color=style.QUIET)
    ax.text(k - 0.3, -0.75, "recall", ha="left", va="center", fontsize=8, color=style.QUIET)


def _errors_in_words(matrix: np.ndarray, names: list[str]) -> str:
    mistakes = matrix - np.diag(np.diagonal(matrix))
    wrong, total = mistakes.sum(), matrix.sum()
    if not wrong:
        return f"all {number(total)} right" if total else "no example"
    most = mistakes.max()
    errors = f"{number(wrong)} of {number(total)} wrong"
    if most == 1:
        return f"{errors}; no confusion is repeated"
    worst = np.argwhere(mistakes == most)
    if len(worst) > 1:
        return (
            f"{errors}; {len(worst)} confusions are the most frequent ({number(most)} times each)"
        )
    i, j = worst[0]
    example = f"{names[i]} predicted as {names[j]} ({number(most)} times)"
    return f"{errors}; the most frequent confusion is {example}"


def most_wrong(
    images: np.ndarray,
    labels: np.ndarray,
    probabilities: np.ndarray,
    classes: Sequence[str] | None = None,
    *,
    count: int = 12,
) -> Figure:
    """The misclassified images, by increasing probability of the true class.

    ``images`` ``(N, H, W)`` or ``(N, H, W, 1 or 3)``, ``labels`` ``(N,)`` integers,
    ``probabilities`` ``(N, K)``. Above each image are the predicted class and its probability,
    below it those of the true class.

    Raises `JnnError` where the lengths differ or a label is outside ``[0, K)``.

    >>> images, p = np.zeros((2, 4, 4)), np.array([[0.2, 0.8], [0.1, 0.9]])
    >>> figure = most_wrong(images, np.array([0, 1]), p, ["cat", "dog"])
    >>> figure.axes[0].get_title(), figure.axes[0].get_xlabel()
    ('dog (80 %)', 'true: cat (20 %)')
    """
    labels, probabilities = _checked("most_wrong", labels, probabilities)
    images = style.displayable(images)
    if len(images) != len(labels):
        raise mistake(
            "most_wrong",
            got=f"{len(images)} images and {len(labels)} labels",
            expected="as many of one as of the other",
        )
    names = _names("most_wrong", classes, probabilities.shape[1])
    predicted = probabilities.argmax(axis=1)
    of_truth = probabilities[np.arange(len(labels)), labels]
    wrong = np.flatnonzero(predicted != labels)
    chosen = wrong[np.argsort(of_truth[wrong], kind="stable")][:count]

    p = 100 * probabilities
    answers = [f"{names[predicted[i]]} ({p[i, predicted[i]]:.0f} %)" for i in chosen]
    truths = [f"true: {names[labels[i]]} ({p[i, labels[i]]:.0f} %)" for i in chosen]
    texts = [["\n".join(style.lines(text, NARROW)) for text in kind] for kind in (answers, truths)]
    more = sum(max((text.count("\n") for text in kind), default=0) for kind in texts)
    columns = min(6, max(1, len(chosen)))
    rows = max(1, -(-len(chosen) // columns))
    title = f"Misclassified: {len(wrong):,} of {len(labels):,}"
    if len(chosen) < len(wrong):
        title += f"; the {len(chosen)} with the lowest probability of the true class"
    height = (2.1 + 0.17 * more) * rows + 0.4 if len(chosen) else 0.7
    figure, axes = style.panels(
        rows, columns, width=max(4.0, 1.55 * columns), height=height, title=title
    )
    for ax, i, answer, truth in zip(axes.ravel()[: len(chosen)], chosen, *texts, strict=True):
        style.picture(ax, images[i])
        ax.set_title(answer, fontsize=10, color=style.ORANGE, fontweight="bold")
        ax.set_xlabel(truth, fontsize=9, color=style.QUIET)
    for ax in axes.ravel()[len(chosen) :]:
        ax.remove()
    return figure


class Reliability(NamedTuple):
    """Examples, mean confidence and accuracy in each of B equal bins of confidence, ``(B,)``.

    Both means are NaN in an empty bin.
    """

    count: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray

    @property
    def error(self) -> float:
        """The expected calibration error, ``Σ_b (n_b / n) |accuracy_b - confidence_b|``.

        NaN without an example. Source: Guo et al. 2017, equation 3.
        """
        if not self.count.any():
            return float("nan")
        gaps = np.nan_to_num(np.abs(self.accuracy - self.confidence))
        return float(self.count @ gaps / self.count.sum())


def reliability(probabilities: np.ndarray, labels: np.ndarray, *, bins: int = 15) -> Reliability:
    """Accuracy among predictions of about the same confidence.

    Confidence is the largest of the ``probabilities`` ``(N, K)``, in bins ``(b/B, (b+1)/B]`` as
    `jnn.metrics.expected_calibration_error` has them.
    """
    labels, probabilities = _checked("reliability", labels, probabilities)
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    b = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    count = np.bincount(b, minlength=bins)
    mean = lambda x: np.bincount(b, weights=x, minlength=bins) / np.where(count, count, np.nan)
    return Reliability(count, mean(confidence), mean(right))


def calibration(probabilities: np.ndarray, labels: np.ndarray, *, bins: int = 15) -> Figure:
    """Reliability diagram: accuracy against confidence, and a histogram of the confidence.

    A calibrated model lies on the diagonal. Arguments as for `reliability`; the title has the
    expected calibration error.
    """
    by_bin = reliability(probabilities, labels, bins=bins)
    title = f"Calibration: {_calibration_in_words(by_bin)}"
    figure, axes = style.panels(2, 1, width=4.6, height=5.4, heights=(3, 1), title=title)
    above, below = axes[:, 0]
    middles, width = (np.arange(bins) + 0.5) / bins, 0.92 / bins
    above.plot(
        [0, 1], [0, 1], color=style.QUIET, linewidth=1, linestyle=(0, (3, 3)), label="calibrated"
    )
    above.plot(
        by_bin.confidence,
        by_bin.accuracy,
        "o",
        color=style.ORANGE,
        markersize=6,
        label="accuracy of the bin",
        zorder=4,
        clip_on=False,
    )
    above.vlines(
        by_bin.confidence, by_bin.confidence, by_bin.accuracy, color=style.ORANGE, linewidth=1.6
    )
    above.set(xlim=(0, 1), ylim=(0, 1))
    style.gridded(above)
    style.caption(above, y="accuracy")
    style.legend(above, above=True)
    below.bar(middles, by_bin.count, width, color=style.BLUE)
    below.set(xlim=(0, 1))
    style.gridded(below)
    style.caption(below, x="confidence", y="examples")
    return figure


def _calibration_in_words(by_bin: Reliability) -> str:
    n = by_bin.count.sum()
    if not n:
        return "no example"
    lean = np.nansum(by_bin.count * (by_bin.confidence - by_bin.accuracy)) / n
    verdict = "calibrated"
    if abs(lean) >= CALIBRATED:
        verdict = "overconfident" if lean > 0 else "underconfident"
    elif by_bin.error >= CALIBRATED:
        verdict = "confidence equals accuracy on average"
    return f"{verdict}, expected calibration error {by_bin.error:.3f}"


def _checked(
    caller: str, labels: np.ndarray, probabilities: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    labels, probabilities = np.asarray(labels), np.asarray(probabilities, dtype=np.float64)
    if probabilities.ndim != 2 or labels.shape != probabilities.shape[:1]:
        shapes = f"probabilities {probabilities.shape} and labels {labels.shape}"
        raise mistake(caller, got=shapes, expected="(N, classes) and (N,)")
    classes = probabilities.shape[1]
    in_range = not len(labels) or 0 <= labels.min() <= labels.max() < classes
    if not np.issubdtype(labels.dtype, np.integer) or not in_range:
        raise mistake(
            caller,
            got=f"labels of {labels.dtype} such as {np.ravel(labels)[:3]}",
            expected=f"integers in [0, {classes})",
        )
    if len(labels) and not (probabilities.min() >= 0 and probabilities.max() <= 1 + 1e-5):
        raise mistake(
            caller,
            got=f"values from {probabilities.min():.3g} to {probabilities.max():.3g}",
            expected="probabilities",
            remedy="Apply jax.nn.softmax to the logits.",
        )
    return labels, probabilities


def _names(caller: str, classes: Sequence[str] | None, k: int) -> list[str]:
    names = [str(i) for i in range(k)]
    names = names if classes is None else [style.cut(str(name)) for name in classes]
    if len(names) != k:
        raise mistake(
            caller, got=f"{len(names)} names of classes", expected=f"{k}, one for each class"
        )
    return names
