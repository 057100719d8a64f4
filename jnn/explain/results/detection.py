"""Detections: drawn boxes, precision against recall, by class and by overlap, maps of centers."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from jnn.detection.center_points import Detections
from jnn.errors import mistake
from jnn.explain import style

COLUMNS = 4
MOST_CLASSES = 30
"""Classes of which the precision is drawn."""
TRUE, DETECTED = style.SKY, style.ORANGE


def drawn_boxes(
    images: np.ndarray,
    detections: Detections,
    truth: Mapping[str, np.ndarray],
    classes: Sequence[str],
    *,
    least: float = 0.5,
    names: bool = True,
    columns: int = COLUMNS,
) -> Figure:
    """Images ``(N, H, W, C)`` with their true boxes (blue, dashed) and detections (orange).

    ``detections`` and ``truth`` as in `jnn.detection.average_precision.average_precision`; those
    with a score of at least ``least`` are drawn. With ``names``, the class and score are above each
    detection, and the class below each true box.

    >>> boxes, scores = np.array([[[1, 1, 4.0, 4.0]]]), np.array([[0.9]])
    >>> detections = Detections(boxes, scores, labels=np.array([[0]]))
    >>> truth = {"box": np.array([[[0, 0, 4.0, 3.0]]]), "label": np.array([[0]])}
    >>> truth["mask"] = np.array([[True]])
    >>> figure = drawn_boxes(np.zeros((1, 8, 8, 1)), detections, truth, ["cat"])
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['cat', 'cat 0.90']
    """
    if not len(images) or not len(images) == len(detections.boxes) == len(truth["box"]):
        raise mistake(
            "drawn_boxes",
            got=f"{len(images)} images, {len(detections.boxes)} with detections, "
            f"{len(truth['box'])} with true boxes",
            expected="as many of each, one at least",
        )
    classes = [style.cut(name, 16) for name in classes]
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    figure, axes = style.panels(rows, columns, width=2.4 * columns + 0.2, height=2.5 * rows)
    for ax in axes.ravel()[len(images) :]:
        ax.remove()
    for i, ax in enumerate(axes.ravel()[: len(images)]):
        style.picture(ax, images[i])
        for j in np.flatnonzero(truth["mask"][i]):
            box = truth["box"][i, j]
            _rectangle(ax, box, TRUE, dashed=True)
            if names:
                name = classes[int(truth["label"][i, j])]
                _name(ax, (box[0], box[3]), name, TRUE, "top")
        for j in np.flatnonzero(detections.scores[i] >= least):
            box = detections.boxes[i, j]
            _rectangle(ax, box, DETECTED)
            if names:
                name = classes[int(detections.labels[i, j])]
                score = f"{detections.scores[i, j]:.2f}"
                _name(ax, (box[0], box[1]), f"{name} {score}", DETECTED, "bottom")
    return figure


def _rectangle(ax: Axes, box: np.ndarray, colour: str, *, dashed: bool = False) -> None:
    # Matplotlib puts the middle of a pixel at its number
    left, top, right, bottom = (float(edge) - 0.5 for edge in box)
    line = (0, (4, 2)) if dashed else "-"
    ax.add_patch(
        Rectangle(
            (left, top),
            right - left,
            bottom - top,
            fill=False,
            edgecolor=colour,
            linewidth=1.4,
            linestyle=line,
        )
    )


def _name(ax: Axes, place: tuple[float, float], text: str, colour: str, side: str) -> None:
    ax.text(
        *place,
        text,
        color=colour,
        fontsize=7,
        va=side,
        ha="left",
        fontweight="bold",
        path_effects=[withStroke(linewidth=2, foreground="black")],
    )


def precision_recall(recalls: np.ndarray, curves: Mapping[str, np.ndarray]) -> Figure:
    """Precision against recall ``(R,)``, a line ``(R,)`` for each name.

    >>> figure = precision_recall(np.linspace(0, 1, 3), {"clean": np.array([1.0, 0.8, 0.0])})
    >>> figure.axes[0].lines[0].get_label()
    'clean'
    """
    figure, ax = _lines("precision_recall", recalls, curves)
    ax.set(xlim=(0, 1.01))
    style.caption(
        ax,
        x="recall: share of objects that are detected",
        y="precision: share of detections that are right",
    )
    return figure


def precision_by_overlap(overlaps: np.ndarray, values: Mapping[str, np.ndarray]) -> Figure:
    """Average precision against the IoU from which a detection counts, a line for each name.

    >>> figure = precision_by_overlap(np.array([0.5, 0.75]), {"clean": np.array([0.9, 0.6])})
    >>> figure.axes[0].lines[0].get_ydata().tolist()
    [0.9, 0.6]
    """
    figure, ax = _lines("precision_by_overlap", overlaps, values, marker="o", markersize=4)
    ax.set_xticks(overlaps)
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:.2g}")
    style.caption(ax, x="IoU threshold", y="average precision")
    return figure


def _lines(
    caller: str, x: np.ndarray, lines: Mapping[str, np.ndarray], **shape
) -> tuple[Figure, Axes]:
    """Named lines from 0 to 1."""
    for name, y in lines.items():
        if np.shape(y) != np.shape(x):
            raise mistake(caller, got=f"{name} of shape {np.shape(y)}", expected=f"{np.shape(x)}")
    figure, axes = style.panels(width=6.4, height=3.8)
    ax = axes[0, 0]
    for i, (name, y) in enumerate(lines.items()):
        ax.plot(x, y, **style.line(i, style.METHODS), linewidth=1.6, label=name, **shape)
    ax.set_ylim(0, 1.01)
    style.gridded(ax, "both")
    style.legend(ax)
    return figure, ax


def precision_by_class(classes: Sequence[str], values: Mapping[str, np.ndarray]) -> Figure:
    """Average precision of each class, a bar for each of ``values``, ordered by the first.

    That of a class without an object is NaN and has no bar. Of more than `MOST_CLASSES`, those with
    the lowest of the first are drawn, and the title says so.

    >>> figure = precision_by_class(["cat", "dog"], {"clean": np.array([0.5, 0.75])})
    >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
    ['dog', 'cat']
    """
    first = np.asarray(next(iter(values.values())), float)
    if any(np.shape(value) != (len(classes),) for value in values.values()):
        raise mistake(
            "precision_by_class",
            got=f"{[np.shape(value) for value in values.values()]}",
            expected=f"({len(classes)},) for each",
        )
    order, title = np.argsort(-np.nan_to_num(first), kind="stable"), ""
    if len(order) > MOST_CLASSES:
        order = order[~np.isnan(first[order])][-MOST_CLASSES:]
        title = f"The {len(order)} of {len(classes)} classes with the lowest average precision"
        if not len(order):
            title = f"Average precision: none of {len(classes)} classes has an object"
    names = [style.cut(classes[int(k)]) for k in order]
    figure, axes = style.panels(
        width=6.4, height=0.8 + 0.22 * (len(values) + 0.5) * len(names), title=title
    )
    ax, height = axes[0, 0], 0.8 / len(values)
    for i, (name, value) in enumerate(values.items()):
        value = np.asarray(value)[order]
        bars = ax.barh(
            np.arange(len(names)) + (i - (len(values) - 1) / 2) * height,
            np.nan_to_num(value),
            height * 0.9,
            color=style.line(i, style.METHODS)["color"],
            label=name,
        )
        texts = ["no object" if np.isnan(precision) else f"{precision:.2f}" for precision in value]
        ax.bar_label(bars, texts, padding=3, fontsize=8, color=style.INK)
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.set_xlim(0, 1)
    ax.tick_params(axis="y", length=0)
    if len(values) > 1:
        ax.legend(
            frameon=False,
            fontsize=9,
            labelcolor=style.INK,
            handlelength=1.4,
            loc="lower center",
            bbox_to_anchor=(0.5, 1),
            ncols=len(values),
        )
    style.caption(ax, x="average precision at an overlap of 0.5")
    return figure


def center_map(
    image: np.ndarray, heat: np.ndarray, classes: Sequence[str], *, most: int = 3
) -> Figure:
    """An image ``(H, W, C)``, and over it the heat maps of its classes.

    ``heat`` is ``(h, w, classes)`` from 0 to 1; the ``most`` classes with the highest peaks are
    drawn, and where there are more, the title says so.

    >>> heat = np.ones((2, 2, 2)) * np.array([0.1, 0.9])
    >>> figure = center_map(np.zeros((8, 8, 1)), heat, ["cat", "dog"])
    >>> [ax.get_title(loc="left") for ax in figure.axes[:3]]
    ['', 'dog', 'cat']
    """
    hottest = np.argsort(-heat.max(axis=(0, 1)), kind="stable")[: min(most, len(classes))]
    width = 2.4 * (len(hottest) + 1) + 0.6
    is_cut = len(hottest) < len(classes)
    title = f"The {len(hottest)} of {len(classes)} classes with the highest peaks" if is_cut else ""
    figure, axes = style.panels(1, len(hottest) + 1, width=width, height=2.7, title=title)
    style.picture(axes[0, 0], image)
    extent = (-0.5, image.shape[1] - 0.5, image.shape[0] - 0.5, -0.5)
    for ax, k in zip(axes[0, 1:], hottest, strict=True):
        style.picture(ax, image)
        picture = ax.imshow(
            heat[..., k],
            cmap=style.MAGNITUDE,
            vmin=0,
            vmax=1,
            alpha=0.75,
            extent=extent,
            interpolation="nearest",
        )
        style.caption(ax, style.cut(classes[int(k)]))
    style.colour_bar(figure, picture, axes[0, 1:].tolist(), "heat")
    return figure
