"""Boxes ``(..., 4)`` as left, top, right, bottom in pixels.

Pixel i covers i to i + 1: width is right minus left, and the box of a whole image of H x W is
``(0, 0, W, H)``. Everything is computed in float32 at least.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jnn.errors import mistake
from jnn.integers import check_fraction
from jnn.losses import checks


def area(boxes: ArrayLike) -> jax.Array:
    """Width times height, ``(..., 4)`` -> ``(...)``; zero where right < left or bottom < top.

    >>> area(jnp.array([[1.0, 1.0, 4.0, 3.0], [2.0, 0.0, 1.0, 5.0]])).tolist()
    [6.0, 0.0]
    """
    left, top, right, bottom = _edges("area", boxes)
    return jnp.maximum(right - left, 0) * jnp.maximum(bottom - top, 0)


def to_center_size(boxes: ArrayLike) -> jax.Array:
    """Boxes ``(..., 4)`` as center x, center y, width, height.

    >>> to_center_size(jnp.array([1.0, 1.0, 4.0, 3.0])).tolist()
    [2.5, 2.0, 3.0, 2.0]
    """
    left, top, right, bottom = _edges("to_center_size", boxes)
    return jnp.stack([(left + right) / 2, (top + bottom) / 2, right - left, bottom - top], axis=-1)


def from_center_size(boxes: ArrayLike) -> jax.Array:
    """Boxes ``(..., 4)`` from their center and size: the inverse of `to_center_size`."""
    x, y, width, height = _edges("from_center_size", boxes)
    return jnp.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2], axis=-1)


def clip(boxes: ArrayLike, size: tuple[int, int]) -> jax.Array:
    """The part of each box ``(..., 4)`` within an image of ``size`` (height, width).

    >>> clip(jnp.array([-2.0, 3.0, 5.0, 20.0]), (16, 4)).tolist()
    [0.0, 3.0, 4.0, 16.0]
    """
    left, top, right, bottom = _edges("clip", boxes)
    height, width = size
    limits = ((left, width), (top, height), (right, width), (bottom, height))
    return jnp.stack([jnp.clip(edge, 0, limit) for edge, limit in limits], axis=-1)


def intersection_over_union(a: ArrayLike, b: ArrayLike) -> jax.Array:
    """The intersection over union (IoU) of each box of a with each box of b.

    a ``(..., N, 4)``, b ``(..., M, 4)`` with equal leading axes -> ``(..., N, M)`` from 0 to 1;
    zero where both are empty. As pycocotools' ``mask.iou`` without crowds, and torchvision's
    ``box_iou``.

    >>> detected = jnp.array([[0.0, 0.0, 2.0, 2.0]])
    >>> true = jnp.array([[0.0, 0.0, 2.0, 1.0], [5.0, 5.0, 6.0, 6.0]])
    >>> intersection_over_union(detected, true).tolist()
    [[0.5, 0.0]]
    """
    a, b = _boxes("intersection_over_union", a), _boxes("intersection_over_union", b)
    if a.ndim < 2 or a.ndim != b.ndim or a.shape[:-2] != b.shape[:-2]:
        raise mistake(
            "intersection_over_union",
            got=f"boxes {a.shape} and {b.shape}",
            expected="(..., N, 4) and (..., M, 4)",
        )
    shared = _shared(a[..., :, None, :], b[..., None, :, :])
    return _ratio(shared, area(a)[..., :, None] + area(b)[..., None, :] - shared)


def generalized_intersection_over_union(a: ArrayLike, b: ArrayLike) -> jax.Array:
    """The generalized IoU of pairs of boxes, ``IoU - (hull - union) / hull``: from -1 to 1.

    The hull is the smallest box around both. a and b are ``(..., 4)`` of one shape, the result is
    ``(...)``. It has a gradient even where boxes do not touch.

    Source: Rezatofighi et al. 2019, https://arxiv.org/abs/1902.09630; as torchvision's
    ``generalized_box_iou``.

    >>> a, b = jnp.array([0.0, 0.0, 1.0, 1.0]), jnp.array([3.0, 0.0, 4.0, 1.0])
    >>> print(generalized_intersection_over_union(a, b))
    -0.5
    """
    caller = "generalized_intersection_over_union"
    a, b = checks.paired(caller, _boxes(caller, a), b, ("a", "b"))
    shared = _shared(a, b)
    union = area(a) + area(b) - shared
    low, high = jnp.minimum(a[..., :2], b[..., :2]), jnp.maximum(a[..., 2:], b[..., 2:])
    hull = area(jnp.concatenate([low, high], axis=-1))
    return _ratio(shared, union) - _ratio(hull - union, hull)


def non_maximum_suppression(
    boxes: ArrayLike, scores: ArrayLike, *, threshold: float = 0.5, labels: ArrayLike | None = None
) -> jax.Array:
    """Which boxes to keep when those that overlap a box of a higher score are suppressed.

    By decreasing score, a box is kept if its IoU with every box kept before is at most
    ``threshold``; of equal scores the first is kept. boxes ``(..., N, 4)``, scores ``(..., N)`` ->
    ``(..., N)`` booleans, in the order of the boxes.

    With ``labels`` ``(..., N)`` only boxes of one label suppress each other. A box whose score is
    ``-inf`` (padding) is neither kept nor suppresses another. The cost is N steps of N comparisons,
    under ``jit`` and ``vmap`` as well. As torchvision's ``batched_nms``.

    >>> boxes = jnp.array([[0.0, 0.0, 4.0, 4.0], [0.0, 0.0, 4.0, 5.0], [8.0, 8.0, 9.0, 9.0]])
    >>> non_maximum_suppression(boxes, jnp.array([0.8, 0.9, 0.1])).tolist()
    [False, True, True]
    """
    caller = "non_maximum_suppression"
    check_fraction(caller, "threshold", threshold, ends="[]")
    boxes, scores = _boxes(caller, boxes), checks.floating(caller, "scores", scores)
    labels = jnp.zeros(scores.shape, jnp.int32) if labels is None else jnp.asarray(labels)
    if boxes.shape[:-1] != scores.shape or labels.shape != scores.shape or not scores.ndim:
        got = f"boxes {boxes.shape}, scores {scores.shape}, labels {labels.shape}"
        raise mistake(caller, got=got, expected="(..., N, 4), (..., N) and (..., N)")
    if not scores.shape[-1]:
        return jnp.zeros(scores.shape, bool)
    suppress = _suppress
    for _ in scores.shape[:-1]:
        suppress = jax.vmap(suppress, in_axes=(0, 0, 0, None))
    return suppress(boxes, scores, labels, threshold)


@jax.jit
def _suppress(boxes: jax.Array, scores: jax.Array, labels: jax.Array, threshold) -> jax.Array:
    order = jnp.argsort(-scores, stable=True)
    boxes, scores, labels = boxes[order], scores[order], labels[order]
    same_label = labels[:, None] == labels[None, :]
    rivals = (intersection_over_union(boxes, boxes) > threshold) & same_label
    rank = jnp.arange(len(scores))

    def visit(i, keep):
        return keep & ~(rivals[i] & keep[i] & (rank > i))

    keep = jax.lax.fori_loop(0, len(scores), visit, scores > -jnp.inf)
    return jnp.zeros_like(keep).at[order].set(keep)


def _shared(a: jax.Array, b: jax.Array) -> jax.Array:
    """The area of the intersection of boxes that broadcast against each other."""
    low, high = jnp.maximum(a[..., :2], b[..., :2]), jnp.minimum(a[..., 2:], b[..., 2:])
    return jnp.prod(jnp.maximum(high - low, 0), axis=-1)


def _ratio(above: jax.Array, below: jax.Array) -> jax.Array:
    """Zero where both are zero, with a finite gradient."""
    return above / jnp.where(below > 0, below, 1)


def _boxes(caller: str, boxes: ArrayLike) -> jax.Array:
    boxes = checks.floating(caller, "boxes", boxes)
    if boxes.ndim == 0 or boxes.shape[-1] != 4:
        raise mistake(
            caller,
            got=f"boxes of shape {boxes.shape}",
            expected="(..., 4)",
            remedy="Left, top, right, bottom come last.",
        )
    return boxes


def _edges(caller: str, boxes: ArrayLike) -> tuple[jax.Array, ...]:
    boxes = _boxes(caller, boxes)
    return tuple(boxes[..., i] for i in range(4))
