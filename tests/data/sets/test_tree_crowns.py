"""Tiles of photographs and the boxes in them."""

import io

import numpy as np
import pytest
from PIL import Image

from jnn.data.sets import tree_crowns
from jnn.errors import JnnError

RNG = np.random.default_rng(0)


def voc(*boxes):
    """A file of Pascal VOC: edges count from 1, and the last pixel is inside."""
    names = ("xmin", "ymin", "xmax", "ymax")
    edges = lambda box: "".join(
        f"<{name}>{edge}</{name}>" for name, edge in zip(names, box, strict=True)
    )
    objects = "".join(
        f"<object><name>Tree</name><bndbox>{edges(box)}</bndbox></object>" for box in boxes
    )
    return f"<annotation><size><width>9</width></size>{objects}</annotation>".encode()


def png(image):
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, format="png")
    return stream.getvalue()


def test_boxes_of_a_file_count_from_zero_and_end_outside():
    np.testing.assert_array_equal(
        tree_crowns.read_boxes(voc((1, 1, 9, 5), (3, 2, 3, 2))), [[0, 0, 9, 5], [2, 1, 3, 2]]
    )


def test_a_tile_has_the_boxes_of_which_half_is_in_it():
    image = RNG.integers(0, 256, (40, 60, 3), dtype=np.uint8)
    low = RNG.integers(0, 30, (25, 2))
    boxes = np.concatenate([low, low + RNG.integers(2, 10, (25, 2))], axis=1).astype(np.float32)
    cut = tree_crowns.tiles(image, boxes, size=20, stride=10)
    corners = [(top, left) for top in range(0, 21, 10) for left in range(0, 41, 10)]
    assert len(cut["image"]) == len(corners)
    for (top, left), tile, tile_boxes, mask in zip(
        corners, cut["image"], cut["box"], cut["mask"], strict=True
    ):
        np.testing.assert_array_equal(tile, image[top : top + 20, left : left + 20])
        expected = []
        for x1, y1, x2, y2 in boxes:
            inside = [max(x1, left), max(y1, top), min(x2, left + 20), min(y2, top + 20)]
            width, height = max(inside[2] - inside[0], 0), max(inside[3] - inside[1], 0)
            if width * height >= 0.5 * (x2 - x1) * (y2 - y1):
                expected.append(np.array(inside) - [left, top, left, top])
        np.testing.assert_array_equal(tile_boxes[mask], np.reshape(expected, (-1, 4)))


def test_parts_share_no_pixel(tmp_path, monkeypatch):
    """The training photograph has the number of its row in every pixel."""
    rows = np.repeat(np.arange(100, dtype=np.uint8), 50 * 3).reshape(100, 50, 3)
    files = {"train.png": png(rows), "test.png": png(np.full((60, 50, 3), 200, np.uint8))}
    files |= {"train.xml": voc((5, 3, 14, 12), (5, 83, 14, 92)), "test.xml": voc((1, 1, 8, 8))}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    monkeypatch.setattr(tree_crowns, "fetch", lambda source, offline: tmp_path)
    splits = tree_crowns.load_tree_crowns(size=20, stride=10, validation=0.3)
    train, validation, test = splits[:3]
    assert train["image"].max() == 69
    assert validation["image"].min() == 70
    assert np.all(test["image"] == 200)
    assert splits.classes == ("tree",)
    np.testing.assert_array_equal(validation["box"][validation["mask"]], [[4, 12, 14, 20]])
    assert train["box"][train["mask"]][:, 1].tolist() == [2] * train["mask"].sum()


def test_mistakes_are_named():
    with pytest.raises(JnnError, match="0 objects"):
        tree_crowns.read_boxes(voc())
    for content in (b"", b"<annotation>", voc((1, 1, 9, "5_0")), voc((1, 1, 9, "wide"))):
        with pytest.raises(JnnError, match=r"read_boxes: got .*, expected the XML of Pascal VOC"):
            tree_crowns.read_boxes(content)
    with pytest.raises(JnnError, match=r"size=30, stride=10, expected tiles that fit"):
        tree_crowns.tiles(np.zeros((20, 40, 3), np.uint8), np.zeros((1, 4)), size=30, stride=10)
    with pytest.raises(JnnError, match="3 boxes in a tile, expected at most 2"):
        tree_crowns.tiles(
            np.zeros((9, 9, 3), np.uint8),
            np.tile([[1.0, 1, 3, 3]], (3, 1)),
            size=9,
            stride=9,
            most=2,
        )
    with pytest.raises(JnnError, match="validation=1"):
        tree_crowns.load_tree_crowns(validation=1.0)
