"""Boxes against pycocotools and against counting pixels."""

import jax
import numpy as np
import pytest

from jnn.detection import boxes
from jnn.errors import JnnError

overlaps = jax.jit(boxes.intersection_over_union)
area = jax.jit(boxes.area)

SAME = 1e-12  # float64: quotients of the same areas
SIDE = 12  # of the image in which pixels are counted
RNG = np.random.default_rng(0)


def drawn(*shape, whole=False):
    """Boxes of 1 to 6 pixels within the image."""
    low, size = RNG.uniform(0, SIDE - 6, (*shape, 2)), RNG.uniform(1, 6, (*shape, 2))
    candidates = np.concatenate([low, low + size], axis=-1)
    return np.round(candidates) if whole else candidates


def pixels(box):
    """Which pixels a box of whole numbers covers."""
    left, top, right, bottom = box
    y, x = np.mgrid[:SIDE, :SIDE]
    return (x >= left) & (x < right) & (y >= top) & (y < bottom)


def test_overlaps_are_those_of_pycocotools(float64):
    mask = pytest.importorskip(
        "pycocotools.mask", reason="compared with pycocotools: pip install -e '.[detection]'"
    )
    a, b = drawn(20), drawn(15)
    form = lambda boxes: np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
    expected = mask.iou(form(a), form(b), [0] * len(b))
    np.testing.assert_allclose(overlaps(a, b), expected, atol=SAME)


def test_overlaps_are_counted_pixels(float64):
    a, b = drawn(20, whole=True), drawn(20, whole=True)
    shared = np.array([[np.sum(pixels(p) & pixels(q)) for q in b] for p in a])
    covered = np.array([[np.sum(pixels(p) | pixels(q)) for q in b] for p in a])
    np.testing.assert_allclose(overlaps(a, b), shared / covered, atol=SAME)
    np.testing.assert_allclose(area(a), [pixels(p).sum() for p in a])
    hull = np.concatenate([np.minimum(a, b)[:, :2], np.maximum(a, b)[:, 2:]], axis=1)
    whole, shared, covered = (
        np.array([pixels(box).sum() for box in hull]),
        np.diag(shared),
        np.diag(covered),
    )
    generalized = jax.jit(boxes.generalized_intersection_over_union)(a, b)
    np.testing.assert_allclose(generalized, shared / covered - (whole - covered) / whole, atol=SAME)


def test_leading_axes_are_a_loop(float64):
    a, b = drawn(3, 5), drawn(3, 4)
    looped = np.stack([overlaps(a[i], b[i]) for i in range(3)])
    np.testing.assert_array_equal(overlaps(a, b), looped)


def test_boxes_that_do_not_touch_are_drawn_together():
    near, far = np.array([[0, 0, 1, 1], [5, 0, 6, 1]], np.float32)
    gradient = jax.jit(jax.grad(boxes.generalized_intersection_over_union))(near, far)
    gradient = np.asarray(gradient)
    assert gradient[2] > 0  # a right edge further to the right is better


def test_boxes_without_area_have_no_overlap_and_finite_gradients():
    empty = np.zeros((1, 4), np.float32)
    overlap = lambda box: boxes.intersection_over_union(box, empty)[0, 0]
    value, gradient = jax.jit(jax.value_and_grad(overlap))(empty)
    assert value == 0
    assert np.all(np.isfinite(gradient))
    assert jax.jit(boxes.generalized_intersection_over_union)(empty[0], empty[0]) == 0


def test_forms_are_inverse_to_each_other(float64):
    candidates = drawn(7)
    converted = np.asarray(jax.jit(boxes.to_center_size)(candidates))
    x, y, width, height = np.moveaxis(converted, -1, 0)
    np.testing.assert_allclose(width * height, area(candidates), atol=SAME)
    np.testing.assert_allclose(
        np.stack([x, y], axis=-1), (candidates[:, :2] + candidates[:, 2:]) / 2, atol=SAME
    )
    back = jax.jit(boxes.from_center_size)(converted)
    np.testing.assert_allclose(back, candidates, atol=SAME)


def test_clipped_boxes_cover_what_was_inside(float64):
    wide = drawn(10, whole=True) * 2 - 6
    clipped = np.asarray(jax.jit(boxes.clip, static_argnums=1)(wide, (SIDE, SIDE)))
    for box, inside in zip(wide, clipped, strict=True):
        np.testing.assert_array_equal(pixels(box), pixels(inside))
        assert inside.min() >= 0
        assert inside.max() <= SIDE


def greedy(a, scores, labels, threshold):
    """What stays, one after the other."""
    overlap = np.asarray(overlaps(a, a))
    kept = []
    for i in sorted(range(len(scores)), key=lambda i: -scores[i]):
        if scores[i] > -np.inf and all(
            labels[i] != labels[j] or overlap[i, j] <= threshold for j in kept
        ):
            kept.append(i)
    return np.isin(np.arange(len(scores)), kept)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("threshold", [0.0, 0.2, 0.5, 1.0])
def test_suppression_is_greedy(float64, threshold):
    # some scores are equal
    candidates, scores, labels = (
        drawn(4, 30),
        RNG.integers(0, 12, (4, 30)) / 12,
        RNG.integers(0, 3, (4, 30)),
    )
    scores[:, ::7] = -np.inf
    suppress = jax.jit(
        lambda *xs, labels=None: boxes.non_maximum_suppression(
            *xs, threshold=threshold, labels=labels
        )
    )
    expected = np.stack(
        [greedy(*one, threshold) for one in zip(candidates, scores, labels, strict=True)]
    )
    np.testing.assert_array_equal(suppress(candidates, scores, labels=labels), expected)
    expected = np.stack(
        [greedy(*one, np.zeros(30), threshold) for one in zip(candidates, scores, strict=True)]
    )
    np.testing.assert_array_equal(suppress(candidates, scores), expected)


def test_of_no_boxes_none_is_suppressed():
    no_boxes, no_scores = np.zeros((3, 0, 4), np.float32), np.zeros((3, 0), np.float32)
    assert boxes.non_maximum_suppression(no_boxes, no_scores).shape == (3, 0)


def test_mistakes_are_named():
    box, candidates = np.zeros(4, np.float32), np.zeros((3, 4), np.float32)
    with pytest.raises(JnnError, match=r"boxes of shape \(4, 3\), expected \(\.\.\., 4\)"):
        boxes.area(np.zeros((4, 3), np.float32))
    with pytest.raises(JnnError, match=r"boxes \(4,\) and \(4,\), expected \(\.\.\., N, 4\)"):
        boxes.intersection_over_union(box, box)
    with pytest.raises(JnnError, match="boxes of dtype int32"):
        boxes.area(np.zeros(4, np.int32))
    with pytest.raises(JnnError, match=r"threshold=1\.5"):
        boxes.non_maximum_suppression(candidates, np.zeros(3, np.float32), threshold=1.5)
    with pytest.raises(JnnError, match=r"boxes \(3, 4\), scores \(2,\)"):
        boxes.non_maximum_suppression(candidates, np.zeros(2, np.float32))
