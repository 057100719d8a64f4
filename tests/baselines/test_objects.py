"""Detectors without a network, on images with known objects."""

import numpy as np
import pytest

from jnn.baselines import objects
from jnn.errors import JnnError

RNG = np.random.default_rng(0)


def rectangles(number):
    """One or two rectangles an image, whose class is their brightness, which no scaling changes."""
    image, box = np.zeros((number, 40, 40, 1), np.uint8), np.zeros((number, 2, 4), np.float32)
    label, mask = RNG.integers(0, 2, (number, 2)), np.ones((number, 2), bool)
    mask[::3, 1] = False
    for i, j in np.argwhere(mask):
        left, top = RNG.integers(0, 8) + 20 * j, RNG.integers(0, 28)
        box[i, j] = left, top, left + RNG.integers(7, 12), top + RNG.integers(7, 12)
        x1, y1, x2, y2 = box[i, j].astype(int)
        image[i, y1:y2, x1:x2] = 90 + 120 * label[i, j]
    return {"image": image, "box": box, "label": label, "mask": mask}


def test_components_are_the_rectangles_and_their_classes():
    train, test = rectangles(30), rectangles(6)
    detections = objects.components(train)(test["image"])
    for boxes, scores, labels, i in zip(*detections, range(6), strict=True):
        true_labels = {
            tuple(box): label
            for box, label in zip(
                test["box"][i, test["mask"][i]], test["label"][i, test["mask"][i]], strict=True
            )
        }
        real = np.isfinite(scores)
        detected = zip(boxes[real], labels[real], strict=True)
        assert {tuple(box): label for box, label in detected} == true_labels
        width, height = (boxes[real, 2:] - boxes[real, :2]).T
        np.testing.assert_array_equal(scores[real], width * height)


def test_what_is_dark_or_small_is_no_component():
    train = rectangles(15)
    image = np.full((2, 40, 40, 1), 15, np.uint8)
    image[1, 3:8, 3:8] = 200  # 25 pixels
    assert not np.isfinite(objects.components(train)(image).scores).any()
    assert np.isfinite(objects.components(train)(image, threshold=10).scores).sum() == 2


def test_blur_removes_noise():
    train, test = rectangles(30), rectangles(6)
    noisy = np.clip(test["image"] + RNG.normal(0, 25, test["image"].shape), 0, 255).astype(np.uint8)
    detect, count = objects.components(train), test["mask"].sum()
    blurred = np.isfinite(detect(noisy, threshold=45, blur=1.5).scores).sum()
    assert blurred == count < np.isfinite(detect(noisy).scores).sum()


def test_the_mean_box_is_in_the_middle():
    train = rectangles(30)
    detections = objects.mean_box(train, np.zeros((3, 40, 60, 1)))
    boxes = train["box"][train["mask"]]
    mean = (boxes[:, 2:] - boxes[:, :2]).mean(axis=0)
    sizes = detections.boxes[:, :, 2:] - detections.boxes[:, :, :2]
    np.testing.assert_allclose(sizes, np.broadcast_to(mean, (3, 2, 2)))
    middle = detections.boxes.mean(axis=(0, 1)).reshape(2, 2).mean(axis=0)
    np.testing.assert_allclose(middle, [30, 20])
    share = train["label"][train["mask"]].mean()
    np.testing.assert_allclose(detections.scores, np.tile([1 - share, share], (3, 1)))


def test_without_a_training_object_there_is_no_mean_box():
    train = rectangles(3)
    with pytest.raises(JnnError, match="got no object in any training image"):
        objects.mean_box({**train, "mask": np.zeros_like(train["mask"])}, train["image"])


def test_a_grid_does_not_overlap_and_stays_inside():
    detections = objects.grid_of_boxes(rectangles(30), np.zeros((2, 40, 50, 1)))
    left, top, right, bottom = np.moveaxis(detections.boxes[0], -1, 0)
    assert min(left.min(), top.min()) == 0
    assert right.max() <= 50
    assert bottom.max() <= 40
    columns, rows = np.unique(left), np.unique(top)
    assert len(left) == len(columns) * len(rows)
    np.testing.assert_allclose(np.diff(columns), right[0] - left[0])
    assert 50 - right.max() < right[0] - left[0]


def test_blobs_of_colour_are_at_the_objects_and_as_large():
    y, x = np.mgrid[:60, :60]
    corner, radius = RNG.integers(2, 30, (20, 1, 2)), RNG.integers(5, 13, (20, 1, 1))
    box = np.concatenate([corner, corner + 2 * radius], axis=-1).astype(np.float32)
    disc = (
        (x + 0.5 - corner[..., :1] - radius) ** 2 + (y + 0.5 - corner[..., 1:] - radius) ** 2
        < radius**2
    )[..., None]
    image = (
        np.where(disc, (150, 90, 40), (60, 160, 70)) + RNG.integers(-20, 20, (20, 60, 60, 3))
    ).astype(np.uint8)
    train = {
        "image": image[:15],
        "box": box[:15],
        "label": np.zeros((15, 1), int),
        "mask": np.ones((15, 1), bool),
    }
    detections = objects.colour_blobs(train, pixels=20_000)(image[15:])
    best = detections.boxes[np.arange(5), detections.scores.argmax(axis=1)]
    # pixels
    np.testing.assert_allclose(
        (best[:, :2] + best[:, 2:]) / 2, (box[15:, 0, :2] + box[15:, 0, 2:]) / 2, atol=1
    )
    # scales are 1.13 apart, and blurred colours grow
    np.testing.assert_allclose(best[:, 2] - best[:, 0], 2 * radius[15:, 0, 0], rtol=0.3)


def test_detections_are_padded():
    one = np.array([[0.0, 1.0, 2.0, 3.0]]), np.array([0.5]), np.array([3])
    none = tuple(leaf[:0] for leaf in one)
    detections = objects.stacked([none, one])
    np.testing.assert_array_equal(detections.scores, [[-np.inf], [0.5]])
    np.testing.assert_array_equal(detections.boxes[1], one[0])
    assert objects.stacked([none]).boxes.shape == (1, 1, 4)
