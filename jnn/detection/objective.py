"""The mean loss of an object: of a batch of images in training, and of a whole data set."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jnn.detection import center_points
from jnn.losses import checks
from jnn.metrics import Metric


def image_losses(
    maps: Mapping[str, jax.Array], objects: Mapping[str, Any], size: tuple[int, int]
) -> dict[str, jax.Array]:
    """The losses ``heat`` and ``box``, sums over each image, and the number of its ``objects``.

    ``maps`` are the output of a network, as `jnn.detection.center_points.loss` takes them;
    ``objects`` are ``box`` ``(..., N, 4)``, ``label`` and ``mask`` ``(..., N)``, in images of
    ``size`` (height, width). Each result is ``(...)``.

    >>> objects = {"box": jnp.array([[0.0, 0.0, 4.0, 4.0]]), "label": jnp.array([0])}
    >>> maps = {"heat": jnp.zeros((1, 2, 1)), "box": jnp.zeros((1, 2, 4))}
    >>> losses = image_losses(maps, {**objects, "mask": jnp.array([True])}, size=(4, 8))
    >>> float(losses["objects"]), losses["box"].round(3).tolist()
    (1.0, 0.0)
    """
    boxes, label, mask = (objects[name] for name in ("box", "label", "mask"))
    classes = maps["heat"].shape[-1]
    targets = center_points.target_maps(boxes, label, mask, size=size, classes=classes)
    count = jnp.sum(mask, axis=-1).astype(jnp.float32)
    return {**center_points.loss({**maps}, targets), "objects": count}


def mean_losses(
    maps: Mapping[str, jax.Array],
    objects: Mapping[str, Any],
    size: tuple[int, int],
    *,
    box_weight: float,
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """The mean loss of an object in a batch of images, to train by, and its metrics.

    The arguments are those of `image_losses` and `per_object`. Metrics are ``heat`` and ``box``,
    and ``weight``, the number of objects, so that a mean over batches is one over objects.

    >>> objects = {"box": jnp.array([[0.0, 0.0, 4.0, 4.0]]), "label": jnp.array([0])}
    >>> maps = {"heat": jnp.zeros((1, 2, 1)), "box": jnp.zeros((1, 2, 4))}
    >>> objects |= {"mask": jnp.array([True])}
    >>> loss, metrics = mean_losses(maps, objects, size=(4, 8), box_weight=2.0)
    >>> float(loss) == float(metrics["heat"]), float(metrics["weight"])
    (True, 1.0)
    """
    sums = jax.tree.map(jnp.sum, image_losses(maps, objects, size))
    means = per_object(sums, box_weight=box_weight)
    return means.pop("loss"), {**means, "weight": jnp.maximum(sums["objects"], 1)}


def per_object(sums: Mapping[str, jax.Array], *, box_weight: float) -> dict[str, jax.Array]:
    """The means ``heat`` and ``box`` over objects, and ``loss``, heat + ``box_weight`` box.

    ``sums`` are those of `image_losses`, over several images. Without an object they are not
    divided: images without objects still have a loss, that of their false peaks.

    >>> sums = {"heat": jnp.array(6.0), "box": jnp.array(2.0), "objects": jnp.array(2.0)}
    >>> float(per_object(sums, box_weight=0.5)["loss"])
    3.5
    """
    objects = sums["objects"]
    total = jnp.where(objects == 0, 1, objects)
    means = {name: sums[name] / total for name in ("heat", "box")}
    return {"loss": means["heat"] + box_weight * means["box"], **means}


def loss_of_objects(box_weight: float) -> Metric:
    """`per_object` over all images of a data set; predictions are `image_losses`.

    Images with more objects count more, so that the result does not depend on the batches. Those of
    weight 0 do not count, whatever they hold.

    >>> metric = loss_of_objects(box_weight=0.5)
    >>> losses = {name: jnp.array([1.0, 3.0]) for name in ("heat", "box", "objects")}
    >>> sums = metric.measure(losses, None, jnp.array([1.0, 0.0]))  # the second is padding
    >>> float(metric.compute(sums)["loss"])
    1.5
    """

    def measure(losses, _, weights=None):
        return {name: total(values, weights) for name, values in losses.items()}

    def total(values, weights):
        weights = checks.spread("loss_of_objects", weights, values.shape, values.dtype)
        return jnp.sum(weights * jnp.where(weights == 0, 0, values))

    return Metric(measure, compute=partial(per_object, box_weight=box_weight))
