"""Boxes ``(..., 4)`` as left, top, right, bottom in pixels; the right and bottom edges are outside,
so that width is right minus left.

Pixel i covers i to i + 1: the box of a whole image of H x W is ``(0, 0, W, H)``. All is computed in
float32 at least.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jnn.errors import mistake
from jnn.losses import checks


def area(boxes: ArrayLike) -> jax.Array:
    """Width times height, ``(..., 4)`` -> ``(...)``; zero where a box is turned inside out.

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
    """Boxes ``(..., 4)`` given as center x, center y, width, height: the inverse of
    `to_center_size`.
    """
    x, y, width, height = _edges("from_center_size", boxes)
    return jnp.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2], axis=-1)


def clip(boxes: ArrayLike, size: tuple[int, int]) -> jax.Array:
    """What of each box ``(..., 4)`` lies within an image of ``size`` (height, width).

    >>> clip(jnp.array([-2.0, 3.0, 5.0, 20.0]), (16, 4)).tolist()
    [0.0, 3.0, 4.0, 16.0]
    """
    left, top, right, bottom = _edges("clip", boxes)
    height, width = size
    inside = [
        jnp.clip(edge, 0, most)
        for edge, most in ((left, width), (top, height), (right, width), (bottom, height))
    ]
    return jnp.stack(inside, axis=-1)


def intersection_over_union(a: ArrayLike, b: ArrayLike) -> jax.Array:
    """The area that two boxes share over the area that they cover, of each box of a with each of b.

    a ``(..., N, 4)``, b ``(..., M, 4)`` with equal leading axes -> ``(..., N, M)`` from 0 to 1;
    zero where both are empty. As pycocotools' ``mask.iou`` without crowds, and torchvision's
    ``box_iou``.

    >>> found, true = jnp.array([[0.0, 0.0, 2.0, 2.0]]), jnp.array([[0.0, 0.0, 2.0, 1.0], [5.0, 5.0, 6.0, 6.0]])
    >>> intersection_over_union(found, true).tolist()
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
    """``IoU - (hull - union) / hull`` of pairs of boxes, where the hull is the smallest box around
    both: from -1 to 1.

    a and b are ``(..., 4)`` of one shape, the result is ``(...)``. It has a gradient also where
    boxes do not touch. Source: Rezatofighi et al. 2019, https://arxiv.org/abs/1902.09630; as
    torchvision's ``generalized_box_iou``.

    >>> print(generalized_intersection_over_union(jnp.array([0.0, 0.0, 1.0, 1.0]), jnp.array([3.0, 0.0, 4.0, 1.0])))
    -0.5
    """
    a, b = checks.paired(
        "generalized_intersection_over_union",
        _boxes("generalized_intersection_over_union", a),
        b,
        ("a", "b"),
    )
    shared = _shared(a, b)
    union = area(a) + area(b) - shared
    hull = jnp.concatenate(
        [jnp.minimum(a[..., :2], b[..., :2]), jnp.maximum(a[..., 2:], b[..., 2:])], axis=-1
    )
    return _ratio(shared, union) - _ratio(area(hull) - union, area(hull))


def non_maximum_suppression(
    boxes: ArrayLike, scores: ArrayLike, *, threshold: float = 0.5, labels: ArrayLike | None = None
) -> jax.Array:
    """Which boxes to keep: from the highest score down, each that overlaps none kept before by an
    IoU above ``threshold``.

    boxes ``(..., N, 4)``, scores ``(..., N)`` -> ``(..., N)`` booleans, in the order given; of
    equal scores the first is kept. With ``labels`` ``(..., N)`` only boxes of one label suppress
    each other. A box whose score is ``-inf`` (padding) is neither kept nor suppresses another. N
    steps of N comparisons each, under ``jit`` and ``vmap`` as well. As torchvision's
    ``batched_nms``.

    >>> boxes = jnp.array([[0.0, 0.0, 4.0, 4.0], [0.0, 0.0, 4.0, 5.0], [8.0, 8.0, 9.0, 9.0]])
    >>> non_maximum_suppression(boxes, jnp.array([0.8, 0.9, 0.1])).tolist()
    [False, True, True]
    """
    where = "non_maximum_suppression"
    if not 0 <= threshold <= 1:
        raise mistake(where, got=f"threshold={threshold}", expected="a number from 0 to 1")
    boxes, scores = _boxes(where, boxes), checks.floating(where, "scores", scores)
    labels = jnp.zeros(scores.shape, jnp.int32) if labels is None else jnp.asarray(labels)
    if boxes.shape[:-1] != scores.shape or labels.shape != scores.shape or not scores.ndim:
        got = f"boxes {boxes.shape}, scores {scores.shape}, labels {labels.shape}"
        raise mistake(where, got=got, expected="(..., N, 4), (..., N) and (..., N)")
    suppress = _suppress
    for _ in scores.shape[:-1]:
        suppress = jax.vmap(suppress, in_axes=(0, 0, 0, None))
    return suppress(boxes, scores, labels, threshold)


def _suppress(
    boxes: jax.Array, scores: jax.Array, labels: jax.Array, threshold: float
) -> jax.Array:
    order = jnp.argsort(-scores, stable=True)
    boxes, scores, labels = boxes[order], scores[order], labels[order]
    rivals = (intersection_over_union(boxes, boxes) > threshold) & (
        labels[:, None] == labels[None, :]
    )
    place = jnp.arange(len(scores))

    def visit(i, keep):
        return keep & ~(rivals[i] & keep[i] & (place > i))

    keep = jax.lax.fori_loop(0, len(scores), visit, scores > -jnp.inf)
    return jnp.zeros_like(keep).at[order].set(keep)


def _shared(a: jax.Array, b: jax.Array) -> jax.Array:
    """The area of the intersection of boxes that broadcast against each other."""
    low, high = jnp.maximum(a[..., :2], b[..., :2]), jnp.minimum(a[..., 2:], b[..., 2:])
    return jnp.prod(jnp.maximum(high - low, 0), axis=-1)


def _ratio(above: jax.Array, below: jax.Array) -> jax.Array:
    """Zero where both are zero, with a finite gradient."""
    return above / jnp.where(below > 0, below, 1)


def _boxes(where: str, boxes: ArrayLike) -> jax.Array:
    boxes = checks.floating(where, "boxes", boxes)
    if boxes.ndim == 0 or boxes.shape[-1] != 4:
        raise mistake(
            where,
            got=f"boxes of shape {boxes.shape}",
            expected="(..., 4)",
            remedy="Left, top, right, bottom come last.",
        )
    return boxes


def _edges(where: str, boxes: ArrayLike) -> tuple[jax.Array, ...]:
    boxes = _boxes(where, boxes)
    return tuple(boxes[..., i] for i in range(4))
