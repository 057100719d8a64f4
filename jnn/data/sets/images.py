"""Labelled images, as ``{"image": (N, H, W, C), "label": (N,) int32}``.

Images stay uint8 in memory, a quarter of float32, where the source has bytes;
`jnn.data.image_scaling.to_float` converts a batch to numbers from 0 to 1 on the device. Validation
is always a part of the published training set, so that the test part is never used for choices.
"""

from __future__ import annotations

import gzip
import io
import math
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jnn.data.fetch.sources import SOURCES, fetch
from jnn.data.splits import Splits, from_arrays, with_validation
from jnn.data.text_files import read_bytes
from jnn.errors import mistake

FASHION_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
DIGIT_CLASSES = tuple("0123456789")
SHAPES = {"digits": (8, 8, 1), "mnist5k": (28, 28, 1), "fashion_mnist": (28, 28, 1)}
CLASSES = {"digits": DIGIT_CLASSES, "mnist5k": DIGIT_CLASSES, "fashion_mnist": FASHION_CLASSES}


def load_images(name: str, *, offline: bool = False, synthetic: int | None = None) -> Splits:
    """Labelled images by the name of their set: digits, mnist5k or fashion_mnist.

    Their shape is in ``SHAPES``, the names of their classes are in ``CLASSES``. With ``synthetic``,
    so many `synthetic_images` of the same classes take the place of those that are not embedded.
    Raises JnnError for another name.

    >>> load_images("fashion_mnist", synthetic=200).sizes
    {'train': 144, 'validation': 16, 'test': 40}
    """
    if name not in SHAPES:
        raise mistake("load_images", got=name, expected=f"one of {', '.join(SHAPES)}")
    if name == "digits":
        return load_digits()
    if synthetic is not None:
        return synthetic_images(synthetic, CLASSES[name])
    return {"mnist5k": load_mnist5k, "fashion_mnist": load_fashion_mnist}[name](offline=offline)


def load_digits(*, validation: float = 0.1, seed: int = 0) -> Splits:
    """Handwritten digits, (N, 8, 8, 1) float32 from 0 to 1, embedded in scikit-learn.

    Test: 20 %, stratified, random_state 0. Validation: the fraction ``validation`` of the rest,
    stratified, drawn with ``seed``.
    """
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    images = (pixels / 16).astype(np.float32).reshape(-1, 8, 8, 1)
    return _digit_splits(images, labels, validation, seed)


def load_mnist5k(*, validation: float = 0.1, seed: int = 0, offline: bool = False) -> Splits:
    """5,000 MNIST digits, (N, 28, 28, 1) uint8.

    Test: 20 %, stratified, random_state 0. Validation: the fraction ``validation`` of the rest,
    stratified, drawn with ``seed``.
    """
    path = fetch(SOURCES["mnist5k"], offline=offline) / "mnist_5k.csv.gz"
    content = gzip.decompress(path.read_bytes())
    table = np.loadtxt(io.BytesIO(content), delimiter=",", dtype=np.uint8)
    return _digit_splits(table[:, :-1].reshape(-1, 28, 28, 1), table[:, -1], validation, seed)


def synthetic_images(count: int, classes: Sequence[str]) -> Splits:
    """Noise of the form of Fashion-MNIST, 28 x 28, brighter for later classes; for smoke runs.

    >>> splits = synthetic_images(200, DIGIT_CLASSES)
    >>> splits.train["image"].shape, splits.sizes["test"]
    ((144, 28, 28, 1), 40)
    """
    rng, label = np.random.default_rng(0), np.arange(count, dtype=np.int32) % len(classes)
    image = rng.normal(60, 40, (count, 28, 28, 1)) + 12 * label[:, None, None, None]
    arrays = {"image": np.clip(image, 0, 255).astype(np.uint8), "label": label}
    return from_arrays(arrays, stratify="label", classes=classes)


def _digit_splits(images: np.ndarray, labels: np.ndarray, validation: float, seed: int) -> Splits:
    arrays = {"image": images, "label": labels.astype(np.int32)}
    return from_arrays(
        arrays, test=0.2, validation=validation, seed=seed, stratify="label", classes=DIGIT_CLASSES
    )


def load_fashion_mnist(*, validation: float = 0.1, seed: int = 0, offline: bool = False) -> Splits:
    """Fashion-MNIST, (N, 28, 28, 1) uint8.

    Test: the published 10,000. Validation: the fraction ``validation`` of the published 60,000,
    stratified, drawn with ``seed``.
    """
    folder = fetch(SOURCES["fashion_mnist"], offline=offline)
    train, test = (
        {
            "image": read_idx(folder / f"{part}-images-idx3-ubyte.gz")[..., None],
            "label": read_idx(folder / f"{part}-labels-idx1-ubyte.gz").astype(np.int32),
        }
        for part in ("train", "t10k")
    )
    return with_validation(
        train, test, validation, seed=seed, stratify="label", classes=FASHION_CLASSES
    )


def read_idx(path: Path) -> np.ndarray:
    """The array of bytes in an IDX file, the format of MNIST, gzipped or not.

    Its contents are 0, 0, 8, the rank, the sizes as big-endian uint32, then the bytes. Raises
    JnnError for a missing, damaged or other file.
    """
    content = read_bytes(path)
    try:
        content = gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content
    except (OSError, EOFError, zlib.error) as error:
        raise mistake(
            path.name,
            got=f"{type(error).__name__}: {error}",
            expected="a whole gzip file",
            remedy="It is truncated or altered: fetch it again.",
        ) from error
    rank = content[3] if content[:3] == b"\0\0\x08" and len(content) > 3 else 0
    start = 4 + 4 * rank
    sizes = np.frombuffer(content, ">u4", rank, offset=4) if len(content) >= start else ()
    shape = tuple(int(size) for size in sizes)
    if not rank or len(content) - start != math.prod(shape):
        got = f"{len(content)} bytes, shape {str(shape)[:60]}"
        raise mistake(path.name, got=got, expected="an IDX file of bytes")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
