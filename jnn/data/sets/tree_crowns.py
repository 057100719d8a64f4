"""Tree crowns in two aerial photographs, cut into tiles: a small data set for demonstration.

Both are of Yellowstone, at 10 cm a pixel, with a box drawn by hand around each crown: one
photograph is for training (574 trees), the other for testing (279). Boxes are left, top, right,
bottom in pixels, as in `jnn.detection.boxes`.
"""

from __future__ import annotations

import io
from xml.etree import ElementTree

import numpy as np

from jnn.data.array_files import parse_number
from jnn.data.fetch.sources import SOURCES, fetch
from jnn.data.splits import Splits
from jnn.errors import mistake
from jnn.integers import check_fraction

VISIBLE = 0.5
"""A box belongs to a tile that has at least this part of it, and is clipped to the tile."""

MOST = 32
"""The most boxes in a tile of 200 x 200 pixels."""


def load_tree_crowns(
    *, size: int = 200, stride: int = 100, validation: float = 0.15, offline: bool = False
) -> Splits:
    """Tiles of ``size`` x ``size`` pixels with their boxes.

    The arrays are image ``(N, size, size, 3)`` uint8, box ``(N, 32, 4)``, label ``(N, 32)`` and
    mask ``(N, 32)``. Training tiles overlap, ``stride`` pixels apart; those of validation and test
    do not. Validation is the fraction at the bottom of the training photograph, of which no
    training tile has a pixel. Remainders at the right and at the bottom of a photograph are not
    used.
    """
    check_fraction("load_tree_crowns", "validation", validation)
    folder = fetch(SOURCES["trees"], offline=offline)
    train, test = (read_photograph((folder / f"{p}.png").read_bytes()) for p in ("train", "test"))
    train_boxes, test_boxes = (
        read_boxes((folder / f"{part}.xml").read_bytes()) for part in ("train", "test")
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
    """The boxes ``(N, 4)`` float32 of all objects of a file in the format of Pascal VOC.

    In such files pixels count from 1, and the right and bottom edges are inside.
    """
    edge = lambda item, name: parse_number(item.findtext(f"bndbox/{name}", "nan"))
    try:
        objects = list(ElementTree.fromstring(content).iter("object"))
        names = ("xmin", "ymin", "xmax", "ymax")
        edges = [[edge(item, name) for name in names] for item in objects]
    except (ElementTree.ParseError, ValueError) as error:
        got = f"{type(error).__name__}: {error}"
        raise mistake("read_boxes", got=got, expected="the XML of Pascal VOC") from error
    boxes = np.array(edges, np.float32).reshape(-1, 4)
    if not len(boxes) or not np.all(np.isfinite(boxes)):
        got = f"{len(boxes)} objects, or some without four edges"
        raise mistake("read_boxes", got=got, expected="objects with a bndbox each")
    return boxes - np.array([1, 1, 0, 0], np.float32)


def tiles(
    image: np.ndarray, boxes: np.ndarray, *, size: int, stride: int, most: int = MOST
) -> dict[str, np.ndarray]:
    """All whole tiles of a photograph ``(H, W, C)``, row by row, and the boxes ``(N, 4)`` in them.

    Tiles are ``stride`` pixels apart. Boxes are clipped to the tile; one of which less than
    `VISIBLE` is inside does not belong to it. All have the label 0.

    >>> photograph, box = np.zeros((8, 12, 3), np.uint8), np.array([[3.0, 1.0, 8.0, 2.0]])
    >>> cut = tiles(photograph, box.astype(np.float32), size=4, stride=4, most=1)
    >>> cut["image"].shape, cut["box"][cut["mask"]].tolist()
    ((6, 4, 4, 3), [[0.0, 1.0, 4.0, 2.0]])
    """
    if image.ndim != 3 or size < 1 or stride < 1 or size > min(image.shape[:2]):
        got = f"an image of shape {image.shape}, size={size}, stride={stride}"
        raise mistake("tiles", got=got, expected="tiles that fit into it")
    corners = [
        (top, left)
        for top in range(0, image.shape[0] - size + 1, stride)
        for left in range(0, image.shape[1] - size + 1, stride)
    ]
    box, mask = np.zeros((len(corners), most, 4), np.float32), np.zeros((len(corners), most), bool)
    for i, (top, left) in enumerate(corners):
        shifted = boxes - np.array([left, top, left, top], np.float32)
        clipped = np.clip(shifted, 0, size)
        visible = clipped[_area(clipped) >= VISIBLE * _area(shifted)]
        count = len(visible)
        if count > most:
            remedy = "Raise most, or take smaller tiles."
            got = f"{count} boxes in a tile"
            raise mistake("tiles", got=got, expected=f"at most {most}", remedy=remedy)
        box[i, :count], mask[i, :count] = visible, True
    pictures = np.stack([image[top : top + size, left : left + size] for top, left in corners])
    return {"image": pictures, "box": box, "label": np.zeros(mask.shape, np.int32), "mask": mask}


def _area(boxes: np.ndarray) -> np.ndarray:
    return np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
