"""Scenes for object detection: one to three garments of Fashion-MNIST on a black canvas.

The garments are real photographs, the layout is synthetic, as in the family of Multi-MNIST sets;
boxes are exact. Boxes are left, top, right, bottom in pixels, right and bottom outside, as in
`jnn.detection.boxes`.
"""

from __future__ import annotations

import numpy as np

from jnn.data.sets.images import load_digits, load_fashion_mnist
from jnn.data.splits import Splits
from jnn.errors import mistake

INK = 20
"""Pixels above this value belong to the garment."""

TRIES = 20
"""Most draws of a garment, its size and its place until it overlaps no other one.

After so many the scene has one garment less.
"""


def compose(
    images: np.ndarray,
    labels: np.ndarray,
    number: int,
    *,
    seed: int,
    size: int = 64,
    most: int = 3,
    scale: tuple[float, float] = (0.6, 1.2),
) -> dict[str, np.ndarray]:
    """``number`` scenes of ``size`` x ``size`` pixels with 1 to ``most`` separate objects.

    images ``(N, H, W)`` or ``(N, H, W, 1)`` uint8 are square, labels ``(N,)``. Each object is a
    random image, scaled by a uniform number in ``scale`` (bilinear, by Pillow) and cropped to the
    tight box of its pixels above `INK`; its place is uniform. Returns

        image  (number, size, size, 1) uint8
        box    (number, most, 4) float32, zeros where there are fewer objects
        label  (number, most) int32
        mask   (number, most) bool, True where there is an object

    A pure function of its arguments, which include ``seed``.

    >>> scenes = compose(np.full((1, 28, 28), 255, np.uint8), np.array([7]), 2, seed=0)
    >>> scenes["image"].shape, scenes["label"][scenes["mask"]].tolist()
    ((2, 64, 64, 1), [7, 7, 7, 7, 7, 7])
    """
    _check(images, labels, number, size, most, scale)
    rng = np.random.default_rng(seed)
    pictures = images.reshape(images.shape[:3])
    image = np.zeros((number, size, size), np.uint8)
    box, label = np.zeros((number, most, 4), np.float32), np.zeros((number, most), np.int32)
    count = np.zeros(number, np.int32)
    for i in range(number):
        for _ in range(rng.integers(1, most + 1)):
            placed = _place(rng, pictures, box[i, : count[i]], size, scale)
            if placed is not None:
                index, garment, (left, top, right, bottom) = placed
                image[i, top:bottom, left:right] = garment
                box[i, count[i]], label[i, count[i]] = (left, top, right, bottom), labels[index]
                count[i] += 1
    return {
        "image": image[..., None],
        "box": box,
        "label": label,
        "mask": np.arange(most) < count[:, None],
    }


def _place(rng, pictures: np.ndarray, taken: np.ndarray, size: int, scale: tuple[float, float]):
    """The index of a random picture, its pasted pixels, and its box; None after `TRIES`.

    The box overlaps none of those ``taken``.
    """
    for _ in range(TRIES):
        index = rng.integers(len(pictures))
        garment = tight(resized(pictures[index], round(pictures.shape[1] * rng.uniform(*scale))))
        height, width = garment.shape
        if not garment.size:
            continue
        top, left = rng.integers(0, size - height + 1), rng.integers(0, size - width + 1)
        right, bottom = left + width, top + height
        beside = (left >= taken[:, 2]) | (taken[:, 0] >= right)
        above_or_below = (top >= taken[:, 3]) | (taken[:, 1] >= bottom)
        if np.all(beside | above_or_below):
            return index, garment, (left, top, right, bottom)
    return None


def resized(image: np.ndarray, side: int) -> np.ndarray:
    """A grey image ``(H, W)`` uint8 as ``(side, side)``, bilinear and antialiased."""
    from PIL import Image  # comes with matplotlib

    return np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BILINEAR))


def tight(image: np.ndarray) -> np.ndarray:
    """The tight box ``(h, w)`` of all pixels of a grey image above `INK`; it may be empty."""
    rows = np.flatnonzero((image > INK).any(axis=1))
    columns = np.flatnonzero((image > INK).any(axis=0))
    if not len(rows):
        return image[:0, :0]
    return image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def noisy(image: np.ndarray, *, deviation: float = 40.0, seed: int = 2) -> np.ndarray:
    """Images uint8 with normal noise of ``deviation``, clipped to 0 .. 255 and rounded down."""
    noise = np.random.default_rng(seed).normal(0, deviation, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def load_scenes(
    *,
    train: int = 40_000,
    validation: int = 1000,
    test: int = 1000,
    crowd: int = 8,
    held_out: float = 0.05,
    seed: int = 0,
    offline: bool = False,
) -> Splits:
    """Scenes by `compose`, as many as given for each part, with 1 to 3 objects.

    Training scenes have 1 to ``crowd`` objects, since a crowded scene teaches more at the same
    cost.

    Test scenes are made of the published 10,000 test images, always with seed 1: the first 1,000
    have 2,009 objects. Validation scenes are made of the fraction ``held_out`` of the other 60,000,
    training scenes of the rest; ``seed`` draws both.
    """
    garments = load_fashion_mnist(validation=held_out, seed=seed, offline=offline)

    def scenes(part: dict[str, np.ndarray], number: int, seed: int, most: int = 3):
        return compose(part["image"], part["label"], number, seed=seed, most=most)

    return Splits(
        scenes(garments.train, train, 2 * seed + 2, crowd),
        scenes(garments.validation, validation, 2 * seed + 3),
        scenes(garments.test, test, 1),
        garments.classes,
    )


def load_digit_scenes(*, train: int = 64, validation: int = 16, test: int = 32) -> Splits:
    """Scenes of one to three of scikit-learn's digits, so many in each part; nothing is downloaded.

    The parts have the digits of those of `jnn.data.sets.images.load_digits`.

    >>> splits = load_digit_scenes(train=3, validation=2, test=1)
    >>> splits.sizes, splits.train["image"].shape
    ({'train': 3, 'validation': 2, 'test': 1}, (3, 64, 64, 1))
    """
    digits = load_digits()

    def composed(part, number: int, seed: int):
        enlarged = np.kron(255 * part["image"][..., 0], np.ones((3, 3))).astype(np.uint8)
        return compose(enlarged, part["label"], number, seed=seed)

    counts = (train, validation, test)
    parts = [composed(digits[seed], number, seed) for seed, number in enumerate(counts)]
    return Splits(*parts, classes=digits.classes)


def load_discs(*, train: int = 16, validation: int = 8, test: int = 24) -> Splits:
    """Brown discs of 20 pixels on green, one in each image of 64 x 64; nothing is downloaded.

    They stand in for tree crowns in aerial photographs, `jnn.data.sets.tree_crowns`.

    >>> load_discs(train=3).train["box"].shape
    (3, 1, 4)
    """
    rng, (y, x) = np.random.default_rng(0), np.mgrid[:64, :64]
    number = train + validation + test
    corner = rng.integers(0, 44, (number, 1, 2))[..., [0, 1, 0, 1]]
    box = corner + np.array([0, 0, 20, 20], np.float32)
    left, top = box[..., 0, None], box[..., 1, None]
    inside = ((x - left - 10) ** 2 + (y - top - 10) ** 2 < 100)[..., None]
    image = np.where(inside, (120, 100, 60), (80, 160, 80))
    image = (image + rng.integers(-30, 30, image.shape)).astype(np.uint8)
    label, mask = np.zeros((number, 1), np.int32), np.ones((number, 1), bool)
    arrays = {"image": image, "box": box, "label": label, "mask": mask}
    part = lambda *rows: {name: array[slice(*rows)] for name, array in arrays.items()}
    middle = train + validation
    return Splits(part(train), part(train, middle), part(middle, number), ("tree",))


def _check(
    images: np.ndarray,
    labels: np.ndarray,
    number: int,
    size: int,
    most: int,
    scale: tuple[float, float],
) -> None:
    is_grey = images.ndim == 3 or (images.ndim == 4 and images.shape[3] == 1)
    is_square = is_grey and images.shape[1] == images.shape[2] and images.dtype == np.uint8
    if not is_square or labels.shape != images.shape[:1] or not len(images):
        got = f"{images.dtype} images of shape {images.shape} and labels of shape {labels.shape}"
        raise mistake("compose", got=got, expected="uint8 (N, S, S) and (N,)")
    if number < 1 or most < 1:
        raise mistake("compose", got=f"number={number}, most={most}", expected="integers >= 1")
    smallest, largest = (round(images.shape[1] * factor) for factor in scale)
    if not 0 < scale[0] <= scale[1] or largest > size or smallest < 1:
        got = f"scale={scale} of images of {images.shape[1]} pixels on a canvas of {size}"
        raise mistake("compose", got=got, expected="0 < low <= high, and images that fit")
