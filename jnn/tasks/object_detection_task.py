"""The task of detecting objects, scored by average precision on versions of the test images."""

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jnn.data.splits import Splits
from jnn.detection import average_precision as precision
from jnn.detection.center_detector import CenterDetector
from jnn.detection.center_points import Detections
from jnn.detection.objective import loss_of_objects
from jnn.train.evaluate import make_evaluate, predict_all
from jnn.train.experiment import once
from jnn.train.feed import in_memory
from jnn.train.loop import Fitted
from jnn.train.preparation import Preparation
from jnn.train.step import Objective
from jnn.train.task import Task

BATCH = 100
"""Images of a batch in evaluation."""

Detectors = Mapping[str, Mapping[str, Callable[[np.ndarray], Detections]]]
"""Methods by name, each with what it detects in the images of each view."""


def object_detection(
    network: CenterDetector,
    objective: Objective,
    splits: Splits,
    *,
    batch_size: int,
    box_weight: float,
    views: Mapping[str, np.ndarray],
    baselines: Callable[[], Detectors] = dict,
    least: float = 0.3,
) -> Task:
    """Train a detector; test the average precision of what it detects in each of the ``views``.

    ``splits`` have ``image`` ``(N, H, W, C)``, ``box`` ``(N, K, 4)``, ``label`` and ``mask``
    ``(N, K)``. ``views`` are versions of the test images, the first as they are. Params are kept by
    the mean loss of an object, `jnn.detection.objective.loss_of_objects` with ``box_weight``, on
    the validation part. Metrics are this loss and those of
    `jnn.detection.average_precision.metrics_of_views`, of which ``test/map50`` is that of the
    ``baselines``. The report draws detections with a score of at least ``least``. Raises
    MissingExtraError without pycocotools.

    >>> from jnn.architectures.detector import DetectorConfig, detector
    >>> from jnn.data.sets.scenes import load_discs
    >>> splits, network = load_discs(), CenterDetector(detector(DetectorConfig(classes=1)))
    >>> objective = lambda params, state, batch, key: (0.0, (state, {}))
    >>> views, settings = {"clean": splits.test["image"]}, {"batch_size": 8, "box_weight": 1.0}
    >>> task = object_detection(network, objective, splits, views=views, **settings)
    >>> task.best, task.feed.steps_per_epoch, task.data["test"]
    ('validation/loss', 2, 24)
    """
    precision.pycocotools()  # which the test needs: without it, no hour of training is lost
    example = jax.ShapeDtypeStruct(splits.train["image"].shape[1:], jnp.float32)
    metric = loss_of_objects(box_weight)
    evaluate = partial(make_evaluate, network.losses, metric, target="label", batch_size=BATCH)
    test_losses = evaluate(splits.test, split="test")
    judge = partial(precision.of_views, truth=splits.test, classes=len(splits.classes))

    @once
    def detections(params: Any, state: Any) -> dict[str, Detections]:
        find = partial(predict_all, network.detect, params, state, batch_size=BATCH)
        return {view: find({"image": image}) for view, image in views.items()}

    results = once(lambda *kept: judge(detections(*kept)))

    @cache
    def of_baselines() -> dict[str, dict[str, float]]:
        detected = {
            name: {view: detect[view](image) for view, image in views.items()}
            for name, detect in baselines().items()
        }
        return {name: precision.metrics_of_views(judge(seen)) for name, seen in detected.items()}

    def sections(fitted: Fitted) -> list[Any]:
        """What it detects and what not, the maps behind it, and how precise it is."""
        from jnn.explain.sections.object_detection import report

        kept, image = (fitted.params, fitted.state), list(views.values())[-1][0]
        heat = np.asarray(jax.nn.sigmoid(jax.jit(network.maps)(*kept, image)["heat"]))
        seen = views, detections(*kept), results(*kept), splits.test, splits.classes
        return report(*seen, heat=heat, baselines=of_baselines(), least=least)

    return Task(
        model=network.model,
        objective=objective,
        feed=in_memory(splits.train, batch_size),
        example=example,
        preparation=Preparation(example, pixels=True),
        validate=evaluate(splits.validation, split="validation"),
        best="validation/loss",
        lowest=True,
        test=lambda *kept: precision.metrics_of_views(results(*kept)) | test_losses(*kept),
        baselines=lambda: {name: x["test/map50"] for name, x in of_baselines().items()},
        sections=sections,
        data=splits.sizes,
    )
