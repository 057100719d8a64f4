"""Average precision of detections as COCO defines it, by pycocotools.

Detections of a class are taken from the surest down; one is right where it overlaps a true box of
its image and class, that is not taken yet, by at least an IoU. Precision, made to fall with recall,
is averaged over 101 recalls from 0 to 1 (Lin et al. 2014, https://arxiv.org/abs/1405.0312). It
needs all detections at once, so it is no `jnn.metrics.Metric`.
"""

import contextlib
import io
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from jnn.detection.center_points import Detections
from jnn.errors import MissingExtraError, mistake

OVERLAPS = np.linspace(0.5, 0.95, 10)
"""The IoUs from which on a detection is right."""

RECALLS = np.linspace(0, 1, 101)
"""Where precision is measured."""

MOST = 100  # detections of an image and class that count


class AveragePrecision(NamedTuple):
    """Of each overlap and class, ``(10, classes)``, and the curves behind it,
    ``(10, 101, classes)``, at `OVERLAPS` and `RECALLS`; NaN for a class without an object."""

    each: np.ndarray
    precision: np.ndarray

    @property
    def mean(self) -> float:
        """COCO's mAP: the mean over overlaps from 0.5 to 0.95 and over classes."""
        return float(np.nanmean(self.each))

    @property
    def at_half(self) -> float:
        """mAP50: the mean over classes at an overlap of 0.5."""
        return float(np.nanmean(self.each[0]))


def average_precision(
    found: Detections, truth: Mapping[str, np.ndarray], classes: int
) -> AveragePrecision:
    """How well detections fit the true boxes of the same images.

    ``found``  for N images: boxes ``(N, M, 4)``, scores ``(N, M)`` (``-inf`` for padding), labels
               ``(N, M)``.
    ``truth``  ``box`` ``(N, K, 4)``, ``label`` ``(N, K)``, ``mask`` ``(N, K)``, True where there is
               an object.

    Raises MissingExtraError without pycocotools, and JnnError for shapes that disagree or where
    there is no object at all.

    >>> found = Detections(np.array([[[0, 0, 4.0, 4.0], [5, 5, 9.0, 9.0]]]), np.array([[0.9, 0.8]]), np.array([[0, 0]]))
    >>> truth = {"box": np.array([[[0, 0, 4.0, 3.0]]]), "label": np.array([[0]]), "mask": np.array([[True]])}
    >>> result = average_precision(found, truth, 1)
    >>> print(result.each[:, 0].round(3), round(result.at_half, 3))
    [1. 1. 1. 1. 1. 1. 0. 0. 0. 0.] 1.0
    """
    boxes, scores, labels = (np.asarray(leaf) for leaf in found)
    _check(boxes, scores, labels, truth)
    coco, evaluation = pycocotools()
    with contextlib.redirect_stdout(io.StringIO()):  # it tells of each of its steps
        known, answers = coco(), coco()
        known.dataset = _data_set(truth["box"], truth["label"], truth["mask"], None, classes)
        answers.dataset = _data_set(boxes, labels, np.isfinite(scores), scores, classes)
        known.createIndex()
        answers.createIndex()
        run = evaluation(known, answers, "bbox")
        run.params.areaRng, run.params.areaRngLbl, run.params.maxDets = [[0, 1e10]], ["all"], [MOST]
        run.evaluate()
        run.accumulate()
    # (overlaps, recalls, classes), -1 for classes that are not there
    precision = run.eval["precision"][..., 0, 0]
    precision = np.where(precision < 0, np.nan, precision)
    return AveragePrecision(precision.mean(axis=1), precision)


def _data_set(boxes, labels, mask, scores, classes: int) -> dict[str, Any]:
    """Images with their objects in the form of COCO, whose boxes are left, top, width, height and
    whose numbers count from 1.
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
    own = {name: np.shape(truth[name]) for name in ("box", "label", "mask")}
    fits = (
        boxes.shape == (*scores.shape, 4)
        and scores.shape == labels.shape
        and scores.ndim == 2
        and len(own["box"]) == 3
    )
    if (
        not fits
        or own["label"] != own["mask"]
        or own["box"] != (*own["mask"], 4)
        or own["box"][0] != len(boxes)
    ):
        got = f"found boxes {boxes.shape}, scores {scores.shape}, labels {labels.shape}, and {own}"
        raise mistake(
            "average_precision",
            got=got,
            expected="(N, M, 4), (N, M), (N, M), and (N, K, 4), (N, K), (N, K)",
        )
    if not np.any(truth["mask"]):
        raise mistake("average_precision", got="no object in any image", expected="one at least")


def pycocotools() -> tuple[Any, Any]:
    """The data set and the evaluation of pycocotools. Raises MissingExtraError where it is not
    installed.
    """
    try:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ImportError:
        raise MissingExtraError(
            'Average precision needs pycocotools: pip install "jnn[detection]".'
        ) from None
    return COCO, COCOeval
