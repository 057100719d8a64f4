"""Objects as points: target maps from boxes, and boxes from the maps that a network predicts.

A map has a cell for every ``stride`` x ``stride`` pixels. For each class there is a heat map, 1 in
the cells of the centers of objects; for each cell there is a box, of which the network predicts the
offset of its center from the middle of the cell and the logarithm of its size, both in cells.

Sources: CenterNet, Zhou et al. 2019, https://arxiv.org/abs/1904.07850. From TTFNet, Liu et al.
2019, https://arxiv.org/abs/1909.00700: the deviations of the heat are in proportion to the box's
width and height, and all cells around a center learn its box, which takes far fewer steps.
"""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jnn.detection import boxes as box
from jnn.detection.losses import generalized_iou, heat_map_focal
from jnn.errors import mistake
from jnn.precision import numerics

SPREAD = 0.54 / 6  # TTFNet: the deviation of a Gaussian as a fraction of the size of its box
LARGEST = 10.0  # of the logarithm of a box's size, so that no early step overflows float32


class Maps(NamedTuple):
    """The targets of a network for an image."""

    heat: jax.Array
    """``(..., h, w, classes)`` from 0 to 1."""
    boxes: jax.Array
    """``(..., h, w, 4)`` in pixels."""
    weight: jax.Array
    """``(..., h, w)``: of each cell's box; the weights of the cells of an object sum to 1."""


class Detections(NamedTuple):
    """The detections in an image by decreasing confidence, as arrays of JAX or NumPy."""

    boxes: Any
    """``(..., N, 4)`` in pixels."""
    scores: Any
    """``(..., N)`` from 0 to 1; ``-inf`` is padding."""
    labels: Any
    """``(..., N)`` integers."""


def target_maps(
    boxes: jax.Array,
    labels: jax.Array,
    mask: jax.Array,
    *,
    size: tuple[int, int],
    classes: int,
    stride: int = 4,
) -> Maps:
    """The maps of the objects in images of ``size`` (height, width), in float32.

    boxes ``(..., N, 4)`` in pixels, labels ``(..., N)`` integers below ``classes``, mask
    ``(..., N)`` True where there is an object. Maps are as large as the size over the stride,
    rounded up.

    The heat of a class is ``max_i exp(-(dx² / (2 sx²) + dy² / (2 sy²)))`` over its objects i, with
    the distance d of a cell to the center's cell and deviations s of 0.09 box sizes; a cell learns
    the box of the object whose heat is greatest there.

    >>> boxes, labels, mask = jnp.array([[2.0, 0.0, 10.0, 8.0]]), jnp.array([1]), jnp.array([True])
    >>> maps = target_maps(boxes, labels, mask, size=(8, 12), classes=2)
    >>> maps.heat[..., 1].round(1).tolist(), maps.boxes[0, 1].tolist()
    ([[0.0, 0.0, 0.0], [0.0, 1.0, 0.0]], [2.0, 0.0, 10.0, 8.0])
    """
    _check(boxes, labels, mask, classes, stride)
    if not mask.shape[-1]:  # no Gaussian is the largest of none: an object of padding has one
        edges = [(0, 0)] * (labels.ndim - 1) + [(0, 1)]
        labels, mask, boxes = (
            jnp.pad(a, edges + [(0, 0)] * (a.ndim - labels.ndim)) for a in (labels, mask, boxes)
        )
    boxes = jnp.where(mask[..., None], boxes, 0)
    height, width = (-(-length // stride) for length in size)
    centers = jnp.moveaxis(box.to_center_size(boxes) / stride, -1, 0)[..., None]
    x, y, w, h = centers  # in cells, (..., N, 1)

    def exponent(cells: int, center: jax.Array, size: jax.Array) -> jax.Array:
        distance = _row(cells, boxes.ndim) - jnp.floor(center)
        return (distance / jnp.maximum(SPREAD * size, 1e-6)) ** 2 / 2

    across, down = exponent(width, x, w), exponent(height, y, h)  # (..., N, w) and (..., N, h)
    gaussians = jnp.exp(-(down[..., :, None] + across[..., None, :]))  # (..., N, h, w)
    gaussians = jnp.where(mask[..., None, None], gaussians, 0)
    is_class = labels[..., None] == _row(classes, labels.ndim + 1)
    heat = jnp.max(jnp.where(is_class[..., None, None, :], gaussians[..., None], 0), axis=-4)
    owner = jnp.argmax(gaussians, axis=-3)
    owned = jax.nn.one_hot(owner, boxes.shape[-2], axis=-3, dtype=gaussians.dtype) * gaussians
    total = jnp.sum(owned, axis=(-2, -1), keepdims=True)
    flat = owner.reshape(*owner.shape[:-2], -1, 1)
    learned = jnp.take_along_axis(boxes, flat, axis=-2).reshape(*owner.shape, 4)
    return Maps(heat, learned, jnp.sum(owned / jnp.where(total > 0, total, 1), axis=-3))


def cell_boxes(raw: jax.Array, *, stride: int = 4) -> jax.Array:
    """The boxes in pixels, ``(..., h, w, 4)`` in float32, of a network's output.

    ``raw`` ``(..., h, w, 4)`` has dx, dy, log width and log height, in cells.

    >>> cell_boxes(jnp.zeros((1, 2, 4)), stride=4).tolist()
    [[[0.0, 0.0, 4.0, 4.0], [4.0, 0.0, 8.0, 4.0]]]
    """
    raw = numerics(raw)
    height, width = raw.shape[-3:-1]
    down, across = (jnp.arange(length, dtype=raw.dtype) for length in (height, width))
    rows, columns = jnp.meshgrid(down, across, indexing="ij")
    middle = jnp.broadcast_to(jnp.stack([columns, rows], axis=-1) + 0.5, (*raw.shape[:-1], 2))
    size = jnp.exp(jnp.minimum(raw[..., 2:], LARGEST))
    return stride * box.from_center_size(jnp.concatenate([middle + raw[..., :2], size], axis=-1))


def loss(output: dict[str, jax.Array], maps: Maps, *, stride: int = 4) -> dict[str, jax.Array]:
    """The losses ``heat``, by `heat_map_focal`, and ``box``, by `generalized_iou`, each ``(...)``.

    They are sums over an image, not divided by the number of objects. ``output`` has ``heat``
    ``(..., h, w, classes)``, logits, and ``box`` ``(..., h, w, 4)``, as `cell_boxes` takes them.

    >>> boxes, labels, mask = jnp.array([[0.0, 0.0, 4.0, 4.0]]), jnp.array([0]), jnp.array([True])
    >>> maps = target_maps(boxes, labels, mask, size=(4, 8), classes=1)
    >>> output = {"heat": jnp.zeros((1, 2, 1)), "box": jnp.zeros((1, 2, 4))}
    >>> print(f"{loss(output, maps)['box']:.3f}")
    0.000
    """
    heat = jnp.sum(heat_map_focal(output["heat"], maps.heat), axis=(-3, -2, -1))
    distance = generalized_iou(cell_boxes(output["box"], stride=stride), maps.boxes)
    weighted = jnp.where(maps.weight > 0, maps.weight * distance, 0)
    return {"heat": heat, "box": jnp.sum(weighted, axis=(-2, -1))}


def decode(
    output: dict[str, jax.Array], *, stride: int = 4, candidates: int = 100, threshold: float = 0.5
) -> Detections:
    """The objects in the maps that a network predicts.

    They are the boxes at the ``candidates`` highest peaks of heat among all cells and classes,
    after `jnn.detection.boxes.non_maximum_suppression` within each class by an IoU above
    ``threshold``.

    ``output`` as in `loss` -> `Detections` of ``candidates`` boxes, or of all cells and classes
    where those are fewer; suppressed boxes come last, with a score of ``-inf``. Pure, with static
    shapes, for ``jit``.

    >>> heat = jnp.array([[[-9.0], [2.0], [-9.0]]])
    >>> detections = decode({"heat": heat, "box": jnp.zeros((1, 3, 4))}, candidates=2)
    >>> detections.boxes[0].tolist(), detections.scores.round(2).tolist()
    ([4.0, 0.0, 8.0, 4.0], [0.8799999952316284, 0.0])
    """
    heat = numerics(output["heat"])
    classes, leading = heat.shape[-1], heat.shape[:-3]
    count = min(candidates, math.prod(heat.shape[-3:]))
    logits, index = jax.lax.top_k(heat.reshape(*leading, -1), count)
    all_boxes = cell_boxes(output["box"], stride=stride).reshape(*leading, -1, 4)
    boxes = jnp.take_along_axis(all_boxes, (index // classes)[..., None], axis=-2)
    scores, labels = jax.nn.sigmoid(logits), index % classes
    keep = box.non_maximum_suppression(boxes, scores, threshold=threshold, labels=labels)
    return by_confidence(Detections(boxes, jnp.where(keep, scores, -jnp.inf), labels))


def by_confidence(detections: Detections) -> Detections:
    """The same detections by decreasing confidence."""
    boxes, scores, labels = detections
    order = jnp.argsort(-scores, axis=-1, stable=True)
    take = lambda leaf: jnp.take_along_axis(leaf, order, axis=-1)
    return Detections(
        jnp.take_along_axis(boxes, order[..., None], axis=-2), take(scores), take(labels)
    )


def suppress_across_classes(detections: Detections, *, threshold: float = 0.5) -> Detections:
    """Class-agnostic non-maximum suppression: of overlapping detections the most confident stays.

    `decode` suppresses within each class only, and may report one object as several classes.
    """
    boxes, scores, labels = detections
    keep = box.non_maximum_suppression(boxes, scores, threshold=threshold)
    return by_confidence(Detections(boxes, jnp.where(keep, scores, -jnp.inf), labels))


def _row(length: int, rank: int) -> jax.Array:
    """0, 1, ... along the last of ``rank`` axes."""
    return jnp.arange(length).reshape((1,) * (rank - 1) + (-1,))


def _check(boxes, labels, mask, classes: int, stride: int) -> None:
    matching = boxes.shape == (*labels.shape, 4) and mask.shape == labels.shape
    if not matching or labels.ndim < 1:
        got = f"boxes {boxes.shape}, labels {labels.shape}, mask {mask.shape}"
        raise mistake("target_maps", got=got, expected="(..., N, 4), (..., N) and (..., N)")
    if classes < 1 or stride < 1:
        got = f"classes={classes}, stride={stride}"
        raise mistake("target_maps", got=got, expected="integers >= 1")
