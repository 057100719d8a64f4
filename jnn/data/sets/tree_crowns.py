"""Tree crowns in two aerial photographs, cut into tiles; a set for a demonstration, as it is small.

Both are of Yellowstone, at 10 cm a pixel, with a box drawn by hand around each crown: one
photograph is for training (574 trees), the other for testing (279). Boxes are left, top, right,
bottom in pixels, as in `jnn.detection.boxes`.
"""

from __future__ import annotations

import io
from xml.etree import ElementTree

import numpy as np

from jnn.data.fetch.sources import SOURCES, fetch
from jnn.data.splits import Splits
from jnn.errors import mistake

VISIBLE = 0.5
"""A box belongs to a tile that holds at least this part of it, cut to the tile."""

MOST = 32
"""Boxes that a tile of 200 x 200 pixels may have."""


def load_tree_crowns(
    *, size: int = 200, stride: int = 100, validation: float = 0.15, offline: bool = False
) -> Splits:
    """Tiles of ``size`` x ``size`` pixels: image ``(N, size, size, 3)`` uint8, box ``(N, 32, 4)``,
    label ``(N, 32)``, mask ``(N, 32)``.

    Training tiles overlap, ``stride`` pixels apart; those of validation and test do not. Validation
    is the fraction at the bottom of the training photograph, of which no training tile has a pixel.
    What is left at the right and at the bottom of a photograph is not used.
    """
    if not 0 < validation < 1:
        raise mistake(
            "load_tree_crowns",
            got=f"validation={validation}",
            expected="a number between 0 and 1, both excluded",
        )
    folder = fetch(SOURCES["trees"], offline=offline)
    (train, train_boxes), (test, test_boxes) = (
        (
            read_photograph((folder / f"{part}.png").read_bytes()),
            read_boxes((folder / f"{part}.xml").read_bytes()),
        )
        for part in ("train", "test")
    )
    border = round(len(train) * (1 - validation))
    lower = train_boxes - np.array([0, border, 0, border], np.float32)
    parts = (
        tiles(train[:border], train_boxes, size=size, stride=stride),
        tiles(train[border:], lower, size=size, stride=size),
        tiles(test, test_boxes, size=size, stride=size),
    )
    return Splits(*parts, ("tree",))


def read_photograph(content: bytes) -> np.ndarray:
    """A PNG as ``(H, W, 3)`` uint8."""
    from PIL import Image  # comes with matplotlib

    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image.convert("RGB"))


def read_boxes(content: bytes) -> np.ndarray:
    """The boxes ``(N, 4)`` float32 of all objects of a file in the format of Pascal VOC, whose
    pixels count from 1 and whose right and bottom are inside."""
    edges = ("xmin", "ymin", "xmax", "ymax")
    objects = list(ElementTree.fromstring(content).iter("object"))
    boxes = np.array(
        [[float(one.findtext(f"bndbox/{edge}", "nan")) for edge in edges] for one in objects],
        np.float32,
    ).reshape(-1, 4)
    if not len(boxes) or not np.all(np.isfinite(boxes)):
        raise mistake(
            "read_boxes",
            got=f"{len(boxes)} objects, or some without four edges",
            expected="objects with a bndbox each",
        )
    return boxes - np.array([1, 1, 0, 0], np.float32)


def tiles(
    image: np.ndarray, boxes: np.ndarray, *, size: int, stride: int, most: int = MOST
) -> dict[str, np.ndarray]:
    """All whole tiles of a photograph ``(H, W, C)``, row by row, ``stride`` pixels apart, and the
    boxes ``(N, 4)`` that are in them.

    Boxes are cut to the tile; one of which less than `VISIBLE` is inside does not belong to it. All
    have the label 0.

    >>> found = tiles(np.zeros((8, 12, 3), np.uint8), np.array([[3.0, 1.0, 8.0, 2.0]], np.float32), size=4, stride=4, most=1)
    >>> found["image"].shape, found["box"][found["mask"]].tolist()
    ((6, 4, 4, 3), [[0.0, 1.0, 4.0, 2.0]])
    """
    if image.ndim != 3 or size < 1 or stride < 1 or size > min(image.shape[:2]):
        raise mistake(
            "tiles",
            got=f"an image of shape {image.shape}, size={size}, stride={stride}",
            expected="tiles that fit into it",
        )
    corners = [
        (top, left)
        for top in range(0, image.shape[0] - size + 1, stride)
        for left in range(0, image.shape[1] - size + 1, stride)
    ]
    box, mask = np.zeros((len(corners), most, 4), np.float32), np.zeros((len(corners), most), bool)
    for i, (top, left) in enumerate(corners):
        moved = boxes - np.array([left, top, left, top], np.float32)
        inside = np.clip(moved, 0, size)
        own = inside[_area(inside) >= VISIBLE * _area(moved)]
        if len(own) > most:
            raise mistake(
                "tiles",
                got=f"{len(own)} boxes in a tile",
                expected=f"at most {most}",
                remedy="Raise most, or take smaller tiles.",
            )
        box[i, : len(own)], mask[i, : len(own)] = own, True
    pictures = np.stack([image[top : top + size, left : left + size] for top, left in corners])
    return {"image": pictures, "box": box, "label": np.zeros(mask.shape, np.int32), "mask": mask}


def _area(boxes: np.ndarray) -> np.ndarray:
    return np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
