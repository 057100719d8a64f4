"""The report of an object detector.

Detections and true boxes are those of `jnn.detection.average_precision.average_precision`.

>>> from jnn.detection.average_precision import average_precision
>>> rng, box = np.random.default_rng(0), np.array([[[0, 0, 4.0, 3.0]]])
>>> truth = {"box": box, "label": np.array([[0]]), "mask": np.array([[True]])}
>>> detections = Detections(box + 1, np.array([[0.9]]), np.array([[0]]))
>>> images = rng.random((1, 8, 8, 1))
>>> [s.title for s in boxes(images, detections, truth, ["cat"])]
['Detections', 'Worst errors']
>>> results = {"clean": average_precision(detections, truth, 1)}
>>> [s.title for s in precision(results, ["cat"], {"model": {"test/map": 0.1}})]
['Comparison of methods', 'Precision-recall curves', 'Average precision by overlap']
"""

from collections.abc import Mapping, Sequence

import jax
import numpy as np

from jnn.detection.average_precision import (
    OVERLAPS,
    RECALLS,
    AveragePrecision,
    Views,
    metrics_of_views,
)
from jnn.detection.boxes import intersection_over_union
from jnn.detection.center_points import Detections, suppress_across_classes
from jnn.explain.page.report import Section
from jnn.explain.results import detection
from jnn.tables import metric_table

MOST_IMAGES = 8
"""Images that are drawn in a section."""


def report(
    views: Mapping[str, np.ndarray],
    detections: Mapping[str, Detections],
    results: Views,
    truth: Mapping[str, np.ndarray],
    classes: Sequence[str],
    *,
    heat: np.ndarray,
    baselines: Mapping[str, Mapping[str, float]],
    least: float,
) -> list[Section]:
    """What is detected and what not, the maps behind it, and how precise it is.

    ``views`` are versions of the test images, the first as they are, with the ``detections`` in
    each and their ``results`` by `jnn.detection.average_precision.of_views`. ``heat``
    ``(h, w, classes)`` is that of the first image of the last version, ``baselines`` are the
    metrics of other methods, and ``least`` is the least score that is drawn.
    """
    first, last = next(iter(views)), list(views)[-1]
    examples = views[last], detections[last]
    methods = {"this model": metrics_of_views(results), **baselines}
    settings = {"least": least, "examples": examples}
    return [
        *boxes(views[first], detections[first], truth, classes, **settings),
        *center_maps(views[last][0], heat, classes),
        *precision(results, classes, methods),
    ]


def boxes(
    images: np.ndarray,
    detections: Detections,
    truth: Mapping[str, np.ndarray],
    classes: Sequence[str],
    *,
    least: float = 0.3,
    examples: tuple[np.ndarray, Detections] | None = None,
) -> list[Section]:
    """Detections with a score of at least ``least``: of the first images, and the worst.

    ``images`` ``(N, H, W, C)``. ``examples`` are other versions of the same images, such as noisy
    ones, with their detections, of which the first are drawn instead. Of overlapping detections the
    most confident is drawn, whatever their classes.
    """

    def draw(view: tuple[np.ndarray, Detections], rows: np.ndarray):
        pictures, leaves = view[0][rows], Detections(*(leaf[rows] for leaf in view[1]))
        true = {name: truth[name][rows] for name in ("box", "label", "mask")}
        names = len(classes) > 1
        return detection.drawn_boxes(pictures, leaves, true, classes, least=least, names=names)

    clean = images, most_confident(detections)
    first_view = (examples[0], most_confident(examples[1])) if examples else clean
    errors = errors_per_image(clean[1], truth, least=least)
    worst = np.argsort(-errors, kind="stable")[:MOST_IMAGES]
    count = f"{len(worst)} of {len(images):,} test images"
    legend = f"Orange: a score of at least {least}. Blue and dashed: the true boxes."
    return [
        Section(
            "Detections",
            f"The first {count}. {legend}",
            draw(first_view, np.arange(len(worst))),
        ),
        Section(
            "Worst errors",
            f"The {count} with the most misses and false positives. {legend}",
            draw(clean, worst),
        ),
    ]


def center_maps(image: np.ndarray, heat: np.ndarray, classes: Sequence[str]) -> list[Section]:
    """The heat maps ``(h, w, classes)`` that a network of centers gives one image ``(H, W, C)``."""
    return [
        Section(
            "Heat maps of centers",
            "A test image, and the maps of the classes with the highest peaks: a peak is the "
            "center of an object.",
            detection.center_map(image, heat, classes),
        )
    ]


def precision(
    results: Mapping[str, AveragePrecision],
    classes: Sequence[str],
    methods: Mapping[str, Mapping[str, float]],
) -> list[Section]:
    """Precision against recall, average precision by class, and by the overlap that counts.

    ``results`` are those of each version of the test images, or of other classes, such as one for
    all objects; ``methods`` are the metrics of the model and its baselines.
    """
    overall = {name: np.nanmean(result.precision[0], axis=-1) for name, result in results.items()}
    overlaps = {name: np.nanmean(result.per_class, axis=-1) for name, result in results.items()}
    per_class = {name: result.per_class[0] for name, result in results.items()}
    by_class = {name: ap for name, ap in per_class.items() if len(ap) == len(classes)}
    sections = [
        Section(
            "Comparison of methods",
            "Average precision on the test part, as COCO defines it.",
            metric_table(methods),
        ),
        Section(
            "Precision-recall curves",
            "By decreasing confidence; a detection is right where its overlap (IoU) is at least "
            "0.5. Means over the classes.",
            detection.precision_recall(RECALLS, overall),
        ),
        Section(
            "Average precision by overlap",
            "The larger the overlap (IoU) that counts as right, the fewer detections are.",
            detection.precision_by_overlap(OVERLAPS, overlaps),
        ),
    ]
    if len(classes) > 1:
        figure = detection.precision_by_class(classes, by_class)
        caption = "At an overlap (IoU) of at least 0.5."
        sections.insert(2, Section("Average precision by class", caption, figure))
    return sections


def most_confident(detections: Detections) -> Detections:
    """The most confident of overlapping detections, whatever their classes, as NumPy arrays."""
    return jax.device_get(jax.jit(suppress_across_classes)(detections))


def errors_per_image(
    detections: Detections, truth: Mapping[str, np.ndarray], *, least: float
) -> np.ndarray:
    """The misses and false positives ``(N,)`` in each image, of scores of at least ``least``.

    A detection is right where its class and at least half of the union with a true box agree.

    >>> box, mask = np.array([[[0, 0, 4.0, 3.0]]]), np.array([[True]])
    >>> detections = Detections(box + 9, np.array([[0.9]]), np.array([[0]]))
    >>> truth = {"box": box, "label": np.array([[0]]), "mask": mask}
    >>> errors_per_image(detections, truth, least=0.5).tolist()
    [2]
    """
    overlap = np.asarray(jax.jit(intersection_over_union)(detections.boxes, truth["box"]))
    confident = detections.scores >= least
    same_class = detections.labels[:, :, None] == truth["label"][:, None, :]
    right = (overlap >= 0.5) & same_class & confident[:, :, None] & truth["mask"][:, None, :]
    misses = truth["mask"] & ~right.any(axis=1)
    false_positives = confident & ~right.any(axis=2)
    return np.sum(misses, axis=1) + np.sum(false_positives, axis=1)
