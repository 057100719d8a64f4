"""Maps of centers against their formulas written as loops, and back to boxes again."""

import jax
import numpy as np
import pytest

from jnn.detection import center_points
from jnn.errors import JnnError

SINGLE = 1e-5  # float32, of numbers up to some dozen
PIXEL = 1e-3  # float32: a size through its logarithm
SIZE, STRIDE, CLASSES = (32, 40), 4, 3
BOXES = np.array([[2, 4, 14, 10], [20, 3, 36, 30], [11, 17, 19, 29], [0, 0, 0, 0]], np.float32)
LABELS, MASK = np.array([2, 0, 2, 1]), np.array([True, True, True, False])


target_maps = jax.jit(center_points.target_maps, static_argnames=("size", "classes"))
decode = jax.jit(center_points.decode, static_argnames="candidates")
loss = jax.jit(center_points.loss)


def maps(boxes=BOXES, labels=LABELS, mask=MASK):
    return jax.device_get(target_maps(boxes, labels, mask, size=SIZE, classes=CLASSES))


def gaussian(box, i, j):
    """The heat of an object in a cell, in row i and column j."""
    width, height = (box[2:] - box[:2]) / STRIDE
    column, row = np.floor((box[:2] + box[2:]) / 2 / STRIDE)
    return np.exp(
        -((j - column) ** 2) / (2 * (0.09 * width) ** 2)
        - (i - row) ** 2 / (2 * (0.09 * height) ** 2)
    )


def test_heat_and_owners_are_those_of_the_formula():
    targets = maps()
    assert targets.heat.shape == (8, 10, 3)
    for i, j in np.ndindex(8, 10):
        gaussians = np.array([gaussian(box, i, j) for box in BOXES[:3]])
        expected = [gaussians[1], 0, max(gaussians[0], gaussians[2])]
        np.testing.assert_allclose(targets.heat[i, j], expected, atol=SINGLE)
        if gaussians.max() > SINGLE:
            np.testing.assert_array_equal(targets.boxes[i, j], BOXES[gaussians.argmax()])
    np.testing.assert_array_equal(np.argwhere(targets.heat == 1), [[1, 2, 2], [4, 7, 0], [5, 3, 2]])


def test_every_object_counts_one():
    targets = maps()
    for box in BOXES[:3]:
        cell = np.all(targets.boxes == box, axis=-1)
        np.testing.assert_allclose(np.sum(targets.weight, where=cell), 1, atol=SINGLE)
    np.testing.assert_allclose(targets.weight.sum(), 3, atol=SINGLE)


def test_images_without_objects_have_empty_maps():
    targets = maps(mask=np.zeros(4, bool))
    assert not targets.heat.any()
    assert not targets.weight.any()


def test_no_room_for_an_object_is_as_none():
    empty = maps(*(array[:0] for array in (BOXES, LABELS, MASK)))
    jax.tree.map(np.testing.assert_array_equal, empty, maps(mask=np.zeros(4, bool)))
    batch = maps(np.zeros((2, 0, 4), np.float32), np.zeros((2, 0), int), np.zeros((2, 0), bool))
    assert [leaf.shape for leaf in batch] == [(2, *leaf.shape) for leaf in empty]


def test_what_is_masked_changes_nothing():
    other = BOXES.copy()
    other[3] = [-1e9, 5, 1e9, np.nan]
    jax.tree.map(np.testing.assert_array_equal, maps(other), maps())


def test_leading_axes_are_a_loop():
    boxes, labels = np.stack([BOXES, BOXES[[1, 0, 3, 2]]]), np.stack([LABELS, LABELS[[1, 0, 3, 2]]])
    targets, output = maps(boxes, labels, np.stack([MASK, MASK])), perfect(maps())
    looped = [maps(*one, MASK) for one in zip(boxes, labels, strict=True)]
    equal = lambda batch, *rows: np.testing.assert_array_equal(batch, np.stack(rows))
    jax.tree.map(equal, targets, *looped)
    twice = jax.tree.map(lambda leaf: np.stack([leaf, leaf[::-1]])[None], output)
    batch = jax.tree.map(lambda leaf: leaf[0, 1], jax.device_get(decode(twice)))
    jax.tree.map(
        np.testing.assert_array_equal,
        batch,
        decode(jax.tree.map(lambda leaf: leaf[::-1], output)),
    )


def perfect(targets):
    """What a network without any error gives."""
    center = (targets.boxes[..., :2] + targets.boxes[..., 2:]) / 2 / STRIDE
    rows, columns = np.mgrid[: center.shape[-3], : center.shape[-2]]
    offset = center - np.stack([columns, rows], axis=-1) - 0.5
    size = np.maximum(targets.boxes[..., 2:] - targets.boxes[..., :2], 1e-3)
    heat = np.clip(targets.heat, 1e-6, 1 - 1e-6)
    output = {
        "heat": np.log(heat / (1 - heat)),
        "box": np.concatenate([offset, np.log(size / STRIDE)], axis=-1),
    }
    return jax.tree.map(lambda values: values.astype(np.float32), output)


def test_perfect_maps_are_free_and_give_the_boxes_back():
    targets = maps()
    costs = loss(perfect(targets), targets)
    assert costs["box"] < PIXEL
    heat = np.asarray(targets.heat)
    # the least there is between 0 and 1
    unavoidable = -np.sum((1 - heat) ** 4 * heat**2 * np.log(np.maximum(1 - heat, 1e-9)))
    np.testing.assert_allclose(costs["heat"], unavoidable, atol=PIXEL)
    objects = jax.device_get(decode(perfect(targets), candidates=40))
    order = np.argsort(objects.boxes[:3, 0])
    np.testing.assert_allclose(objects.boxes[:3][order], BOXES[[0, 2, 1]], atol=PIXEL)
    np.testing.assert_array_equal(objects.labels[:3][order], [2, 2, 0])
    assert np.all(objects.scores[:3] > 0.99)
    assert np.all(objects.scores[3:] < 0.5)


def test_the_cost_of_boxes_is_their_weighted_distance():
    targets = maps()
    zeros = lambda *shape: np.zeros(shape, np.float32)
    costs = loss({"heat": zeros(8, 10, 3), "box": zeros(8, 10, 4)}, targets)
    total = 0.0
    for i, j in np.ndindex(8, 10):
        cell, box = np.array([j, i, j + 1, i + 1]) * STRIDE, np.asarray(targets.boxes[i, j])
        shared = np.prod(np.maximum(np.minimum(cell, box)[2:] - np.maximum(cell, box)[:2], 0))
        union = STRIDE**2 + np.prod(box[2:] - box[:2]) - shared
        hull = np.prod(np.maximum(cell, box)[2:] - np.minimum(cell, box)[:2])
        total += targets.weight[i, j] * (1 - shared / union + (hull - union) / hull)
    np.testing.assert_allclose(costs["box"], total, rtol=SINGLE)


def test_one_class_suppresses_itself_alone():
    heat = np.full((1, 3, 2), -9, np.float32)
    heat[0, 0] = [3, 2]  # two classes in one cell
    heat[0, 1] = [1, -9]  # the first again, a quarter further
    raw = np.zeros((1, 3, 4), np.float32)
    raw[..., 2:] = np.log(4)
    decoded = jax.device_get(decode({"heat": heat, "box": raw}, candidates=3))
    np.testing.assert_array_equal(decoded.labels[:2], [0, 1])
    assert decoded.scores[2] == -np.inf
    alone = jax.device_get(jax.jit(center_points.suppress_across_classes)(decoded))
    assert np.isfinite(alone.scores).sum() == 1
    jax.tree.map(lambda one, best: np.testing.assert_array_equal(one[0], best[0]), alone, decoded)


def test_huge_sizes_stay_finite():
    raw = np.full((1, 1, 4), 1e4, np.float32)
    cell_boxes = jax.jit(center_points.cell_boxes)
    assert np.all(np.isfinite(cell_boxes(raw)))
    assert np.all(np.isfinite(jax.grad(lambda raw: cell_boxes(raw).sum())(raw)))


def test_mistakes_are_named():
    with pytest.raises(JnnError, match=r"boxes \(4, 4\), labels \(3,\), mask \(4,\)"):
        maps(labels=LABELS[:3])
    with pytest.raises(JnnError, match="stride=0"):
        center_points.target_maps(
            np.zeros((1, 4), np.float32),
            np.zeros(1, int),
            np.zeros(1, bool),
            size=(8, 8),
            classes=1,
            stride=0,
        )
