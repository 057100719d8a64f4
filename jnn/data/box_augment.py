"""Augmentation of images with their boxes: pure functions ``(key, image, boxes) -> image, boxes``.

Images are ``(..., H, W, C)``, boxes ``(..., N, 4)`` as in `jnn.detection.boxes`; each image is
changed by its own random draw. Augmentations that do not change boxes are in `jnn.data.augment`.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from jnn.errors import mistake
from jnn.integers import check_fraction
from jnn.model import where
from jnn.threefry import unrolled


def random_flip(
    key: jax.Array, image: jax.Array, boxes: jax.Array, *, probability: float = 0.5
) -> tuple[jax.Array, jax.Array]:
    """Each image mirrored left to right with ``probability``, its boxes too.

    >>> image, boxes = jnp.zeros((2, 8, 1)), jnp.array([[1.0, 0.0, 3.0, 2.0]])
    >>> image, boxes = random_flip(jax.random.key(0), image, boxes, probability=1.0)
    >>> boxes.tolist()
    [[5.0, 0.0, 7.0, 2.0]]
    """
    _check("random_flip", image, boxes, probability)
    width = image.shape[-2]
    left, top, right, bottom = (boxes[..., i] for i in range(4))
    flipped = jnp.stack([width - right, top, width - left, bottom], axis=-1)
    flipped_image = jnp.flip(image, axis=image.ndim - 2)
    return _choose(key, probability, (flipped_image, flipped), (image, boxes))


def random_transpose(
    key: jax.Array, image: jax.Array, boxes: jax.Array, *, probability: float = 0.5
) -> tuple[jax.Array, jax.Array]:
    """Each square image transposed with ``probability``, its boxes too: rows become columns."""
    _check("random_transpose", image, boxes, probability)
    if image.shape[-3] != image.shape[-2]:
        got = f"images of shape {image.shape}"
        raise mistake("random_transpose", got=got, expected="as many rows as columns")
    transposed = jnp.stack([boxes[..., i] for i in (1, 0, 3, 2)], axis=-1)
    return _choose(key, probability, (jnp.swapaxes(image, -3, -2), transposed), (image, boxes))


def random_symmetry(
    key: jax.Array, image: jax.Array, boxes: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """One of the eight symmetries of a square for each image.

    It suits pictures without an orientation, such as aerial photographs.
    """
    keys = jax.random.split(key, 4)
    image, boxes = random_flip(keys[0], image, boxes)
    # always, so that the next flip is along the other axis
    image, boxes = random_transpose(keys[1], image, boxes, probability=1.0)
    image, boxes = random_flip(keys[2], image, boxes)
    return random_transpose(keys[3], image, boxes)


def _choose(key, probability, changed, same):
    is_changed = jax.random.bernoulli(unrolled(key), probability, same[0].shape[:-3])
    return where(is_changed, changed[0], same[0]), where(is_changed, changed[1], same[1])


def _check(caller: str, image, boxes, probability: float) -> None:
    matching = boxes.ndim == image.ndim - 1 and boxes.shape[:-2] == image.shape[:-3]
    if image.ndim < 3 or not matching or boxes.shape[-1] != 4:
        got = f"image {image.shape} and boxes {boxes.shape}"
        raise mistake(caller, got=got, expected="(..., H, W, C) and (..., N, 4)")
    check_fraction(caller, "probability", probability, ends="[]")
