"""Average precision of detections as COCO defines it, by pycocotools.

By decreasing confidence, each detection of a class is matched with a true box of its image and
class that is not matched yet; it is right where their IoU is at least a threshold. Precision, made
to fall with recall, is averaged over 101 recalls from 0 to 1 (Lin et al. 2014,
https://arxiv.org/abs/1405.0312). It needs all detections at once, so it is no `jnn.metrics.Metric`.
"""

import contextlib
import io
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from jnn.detection.center_points import Detections, suppress_across_classes
from jnn.errors import missing_extra, mistake
from jnn.labels import check_labels

OVERLAPS = np.linspace(0.5, 0.95, 10)
"""The IoUs from which on a detection is right."""

RECALLS = np.linspace(0, 1, 101)
"""Where precision is measured."""

ANY_CLASS = "any class"
"""The results of boxes whatever their classes, among those of several versions of images."""

MOST = 100  # detections of an image and class that count


class AveragePrecision(NamedTuple):
    """Average precision and its curves, at `OVERLAPS` and `RECALLS`.

    NaN for a class without an object.
    """

    per_class: np.ndarray
    """``(10, classes)``: of each overlap and class."""
    precision: np.ndarray
    """``(10, 101, classes)``: of each overlap, recall and class."""

    @property
    def mean(self) -> float:
        """COCO's mAP: the mean over overlaps from 0.5 to 0.95 and over classes."""
        return float(np.nanmean(self.per_class))

    @property
    def at_half(self) -> float:
        """mAP50: the mean over classes at an overlap of 0.5."""
        return float(np.nanmean(self.per_class[0]))


Views = Mapping[str, AveragePrecision]
"""The results of each version of the same images, by name."""


def average_precision(
    detections: Detections, truth: Mapping[str, np.ndarray], classes: int
) -> AveragePrecision:
    """The average precision of detections against the true boxes of the same images.

    Args:
        detections: for N images: boxes ``(N, M, 4)``, scores ``(N, M)`` (``-inf`` for padding),
            labels ``(N, M)``.
        truth: ``box`` ``(N, K, 4)``, ``label`` ``(N, K)``, ``mask`` ``(N, K)``, True where there is
            an object.
        classes: the number of classes.

    Raises:
        MissingExtraError: pycocotools is not installed.
        JnnError: shapes that disagree, no object in any image, a score that is NaN or ``inf``, or
            a label outside ``[0, classes)`` of an object or a detection, which COCO would not
            count.

    >>> boxes = np.array([[[0, 0, 4.0, 4.0], [5, 5, 9.0, 9.0]]])
    >>> detections = Detections(boxes, np.array([[0.9, 0.8]]), np.array([[0, 0]]))
    >>> true_box, mask = np.array([[[0, 0, 4.0, 3.0]]]), np.array([[True]])
    >>> truth = {"box": true_box, "label": np.array([[0]]), "mask": mask}
    >>> result = average_precision(detections, truth, 1)
    >>> print(result.per_class[:, 0].round(3), round(result.at_half, 3))
    [1. 1. 1. 1. 1. 1. 0. 0. 0. 0.] 1.0
    """
    boxes, scores, labels = (np.asarray(leaf) for leaf in detections)
    _check(boxes, scores, labels, truth)
    _check_classes("labels of objects", truth["label"], truth["mask"], classes)
    _check_classes("labels of detections", labels, np.isfinite(scores), classes)
    coco, evaluation = pycocotools()
    with contextlib.redirect_stdout(io.StringIO()):  # it prints each of its steps
        true, detected = coco(), coco()
        true.dataset = _data_set(truth["box"], truth["label"], truth["mask"], None, classes)
        detected.dataset = _data_set(boxes, labels, np.isfinite(scores), scores, classes)
        true.createIndex()
        detected.createIndex()
        run = evaluation(true, detected, "bbox")
        run.params.areaRng, run.params.areaRngLbl, run.params.maxDets = [[0, 1e10]], ["all"], [MOST]
        run.evaluate()
        run.accumulate()
    # (overlaps, recalls, classes), -1 for classes that are not there
    precision = run.eval["precision"][..., 0, 0]
    precision = np.where(precision < 0, np.nan, precision)
    return AveragePrecision(precision.mean(axis=1), precision)


def class_agnostic(detections: Detections, truth: Mapping[str, np.ndarray]) -> AveragePrecision:
    """`average_precision` of boxes whatever their classes, as if there were one.

    Of overlapping detections only the most confident counts (`suppress_across_classes`).

    >>> box, mask = np.array([[[0, 0, 4.0, 4.0]]]), np.array([[True]])
    >>> detections = Detections(box, np.array([[0.9]]), np.array([[1]]))
    >>> truth = {"box": box, "label": np.array([[0]]), "mask": mask}
    >>> results = average_precision(detections, truth, 2), class_agnostic(detections, truth)
    >>> [round(result.at_half) for result in results]
    [0, 1]
    """
    boxes, scores, labels = jax.device_get(jax.jit(suppress_across_classes)(detections))
    truth = {**truth, "label": np.zeros_like(truth["label"])}
    return average_precision(Detections(boxes, scores, np.zeros_like(labels)), truth, 1)


def of_views(
    views: Mapping[str, Detections], truth: Mapping[str, np.ndarray], classes: int
) -> dict[str, AveragePrecision]:
    """`average_precision` of the detections in several versions of the same images, by name.

    The first version is of the images as they are, others may be with noise. Of several classes,
    ``"any class"`` is the `class_agnostic` one of the first version.

    >>> box, mask = np.array([[[0, 0, 4.0, 4.0]]]), np.array([[True]])
    >>> detections = Detections(box, np.array([[0.9]]), np.array([[1]]))
    >>> truth = {"box": box, "label": np.array([[0]]), "mask": mask}
    >>> results = of_views({"clean": detections}, truth, 2)
    >>> {name: round(result.at_half) for name, result in results.items()}
    {'clean': 0, 'any class': 1}
    """
    results = {name: average_precision(view, truth, classes) for name, view in views.items()}
    if classes > 1:
        results[ANY_CLASS] = class_agnostic(next(iter(views.values())), truth)
    return results


def metrics_of_views(results: Views) -> dict[str, float]:
    """The metrics of the results of several versions of the test images, those of `of_views`.

    ``test/map50`` and ``test/map`` are `AveragePrecision.at_half` and `AveragePrecision.mean` of
    the first version, ``test/map50_noisy`` is that of another, named "noisy", and
    ``test/ap50_agnostic`` that of boxes whatever their classes.

    >>> precision = np.array([[1.0], [0.5]])
    >>> metrics_of_views({"clean": AveragePrecision(precision, precision[:, None])})
    {'test/map50': 1.0, 'test/map': 0.75}
    """
    first = next(iter(results.values()))
    others = {
        "test/ap50_agnostic" if name == ANY_CLASS else f"test/map50_{name}": result.at_half
        for name, result in list(results.items())[1:]
    }
    return {"test/map50": first.at_half, "test/map": first.mean, **others}


def _data_set(boxes, labels, mask, scores, classes: int) -> dict[str, Any]:
    """Images and their objects in COCO's format.

    Its boxes are left, top, width, height, and its numbers count from 1.
    """
    sizes = np.concatenate([boxes[..., :2], boxes[..., 2:] - boxes[..., :2]], axis=-1).astype(float)
    objects = [
        {
            "id": number,
            "image_id": int(i),
            "category_id": int(labels[i, j]),
            "bbox": sizes[i, j].tolist(),
            "area": float(sizes[i, j, 2] * sizes[i, j, 3]),
            "iscrowd": 0,
            **({} if scores is None else {"score": float(scores[i, j])}),
        }
        for number, (i, j) in enumerate(np.argwhere(mask), start=1)
    ]
    return {
        "images": [{"id": i} for i in range(len(boxes))],
        "categories": [{"id": k} for k in range(classes)],
        "annotations": objects,
    }


def _check(boxes, scores, labels, truth) -> None:
    true = {name: np.shape(truth[name]) for name in ("box", "label", "mask")}
    fits = boxes.shape == (*scores.shape, 4) and scores.shape == labels.shape and scores.ndim == 2
    true_fits = true["box"] == (*true["mask"], 4) and true["label"] == true["mask"]
    if not fits or not true_fits or true["mask"][:1] != (len(boxes),) or len(true["mask"]) != 2:
        got = f"boxes {boxes.shape}, scores {scores.shape}, labels {labels.shape}, and true {true}"
        expected = "(N, M, 4), (N, M), (N, M), and (N, K, 4), (N, K), (N, K)"
        raise mistake("average_precision", got=got, expected=expected)
    if not np.any(truth["mask"]):
        raise mistake("average_precision", got="no object in any image", expected="at least one")
    if np.any(np.isnan(scores) | (scores == np.inf)):
        got, expected = "scores that are NaN or inf", "numbers, and -inf for padding"
        raise mistake("average_precision", got=got, expected=expected)


def _check_classes(name: str, labels, mask, classes: int) -> None:
    """Refuse labels outside ``[0, classes)`` where the mask is True."""
    counted = np.asarray(labels)[np.asarray(mask, bool)]
    if counted.size:
        check_labels(counted, classes, f"average_precision: {name}")


def pycocotools() -> tuple[Any, Any]:
    """The classes ``COCO`` and ``COCOeval``; raises MissingExtraError without pycocotools."""
    try:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ImportError:
        raise missing_extra("Average precision needs pycocotools", "detection") from None
    return COCO, COCOeval
