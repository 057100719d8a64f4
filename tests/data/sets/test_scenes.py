"""Scenes: what is on the canvas, the boxes around it, and from which images it is."""

import numpy as np
import pytest

from jnn.data.sets import scenes
from jnn.data.splits import Splits
from jnn.errors import JnnError


def garments(number=10, value=None):
    """Rectangles of different shapes; the brightness of each says which one it is."""
    images, labels = np.zeros((number, 28, 28), np.uint8), np.arange(number) % 10
    for i, image in enumerate(images):
        image[2 : 12 + i, 4 : 25 - i] = 100 + 10 * i if value is None else value
    return images, labels.astype(np.int32)


def test_each_box_is_tight_around_one_object():
    images, labels = garments()
    drawn = scenes.compose(images, labels, 60, seed=0)
    counts = drawn["mask"].sum(axis=1)
    assert set(counts) == {1, 2, 3}
    for image, boxes, label, mask in zip(
        *(drawn[name] for name in ("image", "box", "label", "mask")), strict=True
    ):
        rest = image[..., 0].copy()
        for (left, top, right, bottom), k in zip(boxes[mask].astype(int), label[mask], strict=True):
            inside = image[top:bottom, left:right, 0]
            bright = inside > scenes.INK
            assert all(edge.any() for edge in (bright[0], bright[-1], bright[:, 0], bright[:, -1]))
            assert inside.max() == 100 + 10 * k
            rest[top:bottom, left:right] = 0
        assert not rest.any()
        assert not boxes[~mask].any()


def test_boxes_of_a_scene_do_not_overlap():
    drawn = scenes.compose(*garments(), 60, seed=1, most=5, size=80)
    for boxes, mask in zip(drawn["box"], drawn["mask"], strict=True):
        painted = np.zeros((80, 80), int)
        for left, top, right, bottom in boxes[mask].astype(int):
            painted[top:bottom, left:right] += 1
        assert painted.max() == 1


def test_sizes_are_within_the_scale():
    image = np.full((1, 28, 28), 255, np.uint8)
    drawn = scenes.compose(image, np.zeros(1, int), 200, seed=0, scale=(0.5, 1.0))
    sizes = (drawn["box"][..., 2:] - drawn["box"][..., :2])[drawn["mask"]]
    np.testing.assert_array_equal(sizes[:, 0], sizes[:, 1])
    assert (sizes.min(), sizes.max()) == (14, 28)


def test_a_scene_is_a_function_of_its_seed():
    first, again, other = (scenes.compose(*garments(), 5, seed=seed) for seed in (0, 0, 1))
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["image"], other["image"])
    longer = scenes.compose(*garments(), 8, seed=0)
    np.testing.assert_array_equal(longer["image"][:5], first["image"])


def test_dark_images_are_passed_over():
    images, labels = garments(2)
    images[0] = scenes.INK
    drawn = scenes.compose(images, labels, 20, seed=0)
    assert set(drawn["label"][drawn["mask"]]) == {1}


def test_noise_has_its_deviation_and_stays_within_bytes():
    grey = np.full((50, 20, 20, 1), 128, np.uint8)
    drawn = scenes.noisy(grey, deviation=20, seed=0)
    assert drawn.dtype == np.uint8
    error = drawn.astype(float) - 128
    assert abs(error.mean() + 0.5) < 4 * 20 / np.sqrt(error.size)  # rounded down
    assert abs(error.std() - 20) < 4 * 20 / np.sqrt(2 * error.size)
    assert scenes.noisy(np.full(100, 255, np.uint8)).max() == 255
    np.testing.assert_array_equal(drawn, scenes.noisy(grey, deviation=20, seed=0))


def test_parts_are_of_their_own_images(monkeypatch):
    part = lambda value: dict(zip(("image", "label"), garments(value=value), strict=True))
    monkeypatch.setattr(
        scenes,
        "load_fashion_mnist",
        lambda **_: Splits(part(80), part(120), part(200), tuple("abcdefghij")),
    )
    first, other = (scenes.load_scenes(train=8, validation=4, test=4, seed=seed) for seed in (0, 1))
    assert [int(scene["image"].max()) for scene in first[:3]] == [80, 120, 200]
    assert [scene["mask"].shape for scene in first[:3]] == [(8, 8), (4, 3), (4, 3)]
    np.testing.assert_array_equal(first.test["image"], other.test["image"])
    assert not np.array_equal(first.train["image"], other.train["image"])
    assert not np.array_equal(first.validation["image"], other.validation["image"])


def test_mistakes_are_named():
    images, labels = garments()
    with pytest.raises(JnnError, match=r"float64 images of shape \(10, 28, 28\)"):
        scenes.compose(images / 255, labels, 1, seed=0)
    with pytest.raises(JnnError, match=r"labels of shape \(9,\)"):
        scenes.compose(images, labels[:9], 1, seed=0)
    with pytest.raises(JnnError, match="number=0"):
        scenes.compose(images, labels, 0, seed=0)
    with pytest.raises(
        JnnError, match=r"images of 28 pixels on a canvas of 32, expected .* images that fit"
    ):
        scenes.compose(images, labels, 1, seed=0, size=32)
