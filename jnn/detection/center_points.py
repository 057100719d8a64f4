"""Objects as points: boxes to the maps that a network is trained on, and its maps to boxes again.

A map has a cell for every ``stride`` x ``stride`` pixels. For each class it is a heat map, 1 in the
cells of the centers of objects; for each cell it has a box, of which the network gives the offset
of its center from the middle of the cell and the logarithm of its size, both in cells. Sources:
CenterNet, Zhou et al. 2019, https://arxiv.org/abs/1904.07850; from TTFNet, Liu et al. 2019,
https://arxiv.org/abs/1909.00700, is that the heat falls off as the box is wide and high, and that
all the cells around a center learn its box, which takes far fewer steps.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jnn.detection import boxes as box
from jnn.detection.losses import generalized_iou, heat_map_focal
from jnn.errors import mistake
from jnn.precision import numerics

SPREAD = 0.54 / 6  # the deviation of a Gaussian over the size of its box, in TTFNet
LARGEST = 10.0  # the logarithm of the size of a box: no float32 overflows in an early step


class Maps(NamedTuple):
    """What a network is to give for an image: heat ``(..., h, w, classes)``, boxes
    ``(..., h, w, 4)`` in pixels, and what each cell's box counts, ``(..., h, w)``: 1 for all the
    cells of an object together."""

    heat: jax.Array
    boxes: jax.Array
    weight: jax.Array


class Detections(NamedTuple):
    """What was found in an image, the surest first: boxes ``(..., N, 4)`` in pixels, scores
    ``(..., N)`` from 0 to 1, and labels ``(..., N)``, arrays of JAX, or of NumPy once they are on
    the host. A score of ``-inf`` is padding."""

    boxes: Any
    scores: Any
    labels: Any


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
    ``(..., N)`` True where there is an object. The heat of a class is
    ``max_i exp(-(dx² / (2 sx²) + dy² / (2 sy²)))`` over its objects i, with the distance d of a
    cell to the center's cell and deviations s of 0.09 box sizes; a cell learns the box of the
    object whose heat is greatest there. Maps are as large as the size over the stride, rounded up.

    >>> maps = target_maps(jnp.array([[2.0, 0.0, 10.0, 8.0]]), jnp.array([1]), jnp.array([True]), size=(8, 12), classes=2)
    >>> maps.heat[..., 1].round(1).tolist(), maps.boxes[0, 1].tolist()
    ([[0.0, 0.0, 0.0], [0.0, 1.0, 0.0]], [2.0, 0.0, 10.0, 8.0])
    """
    _check(boxes, labels, mask, classes, stride)
    boxes = jnp.where(mask[..., None], boxes, 0)
    height, width = (-(-length // stride) for length in size)
    x, y, w, h = (
        part[..., None] for part in jnp.moveaxis(box.to_center_size(boxes) / stride, -1, 0)
    )
    exponent = lambda place, center, size: (
        ((_row(place, boxes.ndim) - jnp.floor(center)) / jnp.maximum(SPREAD * size, 1e-6)) ** 2 / 2
    )
    across, down = exponent(width, x, w), exponent(height, y, h)  # (..., N, w) and (..., N, h)
    # (..., N, h, w)
    each = jnp.where(
        mask[..., None, None], jnp.exp(-(down[..., :, None] + across[..., None, :])), 0
    )
    is_class = labels[..., None] == _row(classes, labels.ndim + 1)
    heat = jnp.max(jnp.where(is_class[..., None, None, :], each[..., None], 0), axis=-4)
    owner = jnp.argmax(each, axis=-3)
    own = each * jax.nn.one_hot(owner, boxes.shape[-2], axis=-3, dtype=each.dtype)
    whole = jnp.sum(own, axis=(-2, -1), keepdims=True)
    flat = owner.reshape(*owner.shape[:-2], -1, 1)
    learned = jnp.take_along_axis(boxes, flat, axis=-2).reshape(*owner.shape, 4)
    return Maps(heat, learned, jnp.sum(own / jnp.where(whole > 0, whole, 1), axis=-3))


def cell_boxes(raw: jax.Array, *, stride: int = 4) -> jax.Array:
    """The boxes in pixels, ``(..., h, w, 4)`` in float32, of what the network gives,
    ``dx, dy, log width, log height`` in cells.

    >>> cell_boxes(jnp.zeros((1, 2, 4)), stride=4).tolist()
    [[[0.0, 0.0, 4.0, 4.0], [4.0, 0.0, 8.0, 4.0]]]
    """
    raw = numerics(raw)
    height, width = raw.shape[-3:-1]
    rows, columns = jnp.meshgrid(
        jnp.arange(height, dtype=raw.dtype), jnp.arange(width, dtype=raw.dtype), indexing="ij"
    )
    middle = jnp.broadcast_to(jnp.stack([columns, rows], axis=-1) + 0.5, (*raw.shape[:-1], 2))
    size = jnp.exp(jnp.minimum(raw[..., 2:], LARGEST))
    return stride * box.from_center_size(jnp.concatenate([middle + raw[..., :2], size], axis=-1))


def loss(output: dict[str, jax.Array], maps: Maps, *, stride: int = 4) -> dict[str, jax.Array]:
    """The sums over an image of what it costs: ``heat`` by `heat_map_focal`, ``box`` by
    `generalized_iou`, each ``(...)``, not divided by the number of objects.

    ``output`` has ``heat`` ``(..., h, w, classes)``, logits, and ``box`` ``(..., h, w, 4)``, as
    `cell_boxes` takes them.

    >>> maps = target_maps(jnp.array([[0.0, 0.0, 4.0, 4.0]]), jnp.array([0]), jnp.array([True]), size=(4, 8), classes=1)
    >>> print(f"{loss({'heat': jnp.zeros((1, 2, 1)), 'box': jnp.zeros((1, 2, 4))}, maps)['box']:.3f}")
    0.000
    """
    heat = jnp.sum(heat_map_focal(output["heat"], maps.heat), axis=(-3, -2, -1))
    distance = generalized_iou(cell_boxes(output["box"], stride=stride), maps.boxes)
    return {
        "heat": heat,
        "box": jnp.sum(jnp.where(maps.weight > 0, maps.weight * distance, 0), axis=(-2, -1)),
    }


def decode(
    output: dict[str, jax.Array], *, stride: int = 4, candidates: int = 100, threshold: float = 0.5
) -> Detections:
    """The objects that the maps of a network show.

    The ``candidates`` of the highest heat, of all cells and classes, have their boxes; of those of
    one class that overlap by an IoU above ``threshold`` the surest stays, by
    `jnn.detection.boxes.non_maximum_suppression`. Output as in `loss` -> `Detections` of so many,
    or of all cells and classes where those are fewer, the suppressed ones at the end with a score
    of ``-inf``. Pure, of fixed sizes, for ``jit``.

    >>> heat = jnp.array([[[-9.0], [2.0], [-9.0]]])
    >>> found = decode({"heat": heat, "box": jnp.zeros((1, 3, 4))}, candidates=2)
    >>> found.boxes[0].tolist(), found.scores.round(2).tolist()
    ([4.0, 0.0, 8.0, 4.0], [0.8799999952316284, 0.0])
    """
    heat = numerics(output["heat"])
    classes, leading = heat.shape[-1], heat.shape[:-3]
    logits, place = jax.lax.top_k(
        heat.reshape(*leading, -1), min(candidates, heat.size // max(1, _product(leading)))
    )
    all_boxes = cell_boxes(output["box"], stride=stride).reshape(*leading, -1, 4)
    boxes = jnp.take_along_axis(all_boxes, (place // classes)[..., None], axis=-2)
    scores, labels = jax.nn.sigmoid(logits), place % classes
    keep = box.non_maximum_suppression(boxes, scores, threshold=threshold, labels=labels)
    return ordered(Detections(boxes, jnp.where(keep, scores, -jnp.inf), labels))


def ordered(found: Detections) -> Detections:
    """The same detections, the surest first."""
    order = jnp.argsort(-found.scores, axis=-1, stable=True)
    boxes = jnp.take_along_axis(found.boxes, order[..., None], axis=-2)
    return Detections(
        boxes, *(jnp.take_along_axis(leaf, order, axis=-1) for leaf in (found.scores, found.labels))
    )


def one_class_each(found: Detections, *, threshold: float = 0.5) -> Detections:
    """The surest of overlapping detections of all classes, where `decode` may take one object for
    several.
    """
    keep = box.non_maximum_suppression(found.boxes, found.scores, threshold=threshold)
    return ordered(Detections(found.boxes, jnp.where(keep, found.scores, -jnp.inf), found.labels))


def _row(length: int, rank: int) -> jax.Array:
    """0, 1, ... along the last of ``rank`` axes."""
    return jnp.arange(length).reshape((1,) * (rank - 1) + (-1,))


def _product(sizes: tuple[int, ...]) -> int:
    return sizes[0] * _product(sizes[1:]) if sizes else 1


def _check(boxes, labels, mask, classes: int, stride: int) -> None:
    if (
        boxes.ndim < 2
        or boxes.shape[-1] != 4
        or labels.shape != boxes.shape[:-1]
        or mask.shape != labels.shape
    ):
        got = f"boxes {boxes.shape}, labels {labels.shape}, mask {mask.shape}"
        raise mistake("target_maps", got=got, expected="(..., N, 4), (..., N) and (..., N)")
    if classes < 1 or stride < 1:
        raise mistake(
            "target_maps", got=f"classes={classes}, stride={stride}", expected="integers >= 1"
        )
