"""What an image shows and its box move together."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jnn.data import box_augment
from jnn.errors import JnnError

DRAWS = 800
IMPROBABLE = 70  # of 800 draws among 8 symmetries 100 are expected of each, with a deviation of 9.4


def shown():
    """Images with a bright rectangle that none of the symmetries leaves in its place, and its
    box.
    """
    image = np.zeros((DRAWS, 9, 9, 1), np.uint8)
    image[:, 1:3, 1:6] = 200
    return jnp.asarray(image), jnp.tile(jnp.array([[1.0, 1.0, 6.0, 3.0]]), (DRAWS, 1, 1))


def seen(image):
    """The boxes of what is bright."""
    rows, columns = (
        np.asarray(image[..., 0] > 0).any(axis=2),
        np.asarray(image[..., 0] > 0).any(axis=1),
    )
    first, last = lambda line: line.argmax(axis=1), lambda line: 9 - line[:, ::-1].argmax(axis=1)
    return np.stack([first(columns), first(rows), last(columns), last(rows)], axis=1)[:, None]


@pytest.mark.parametrize("name", ["random_flip", "random_transpose", "random_symmetry"])
def test_boxes_stay_around_what_they_show(name):
    augment = jax.jit(getattr(box_augment, name))
    image, boxes = augment(jax.random.key(0), *shown())
    np.testing.assert_array_equal(boxes, seen(image))
    assert image.dtype == jnp.uint8
    again = augment(jax.random.key(0), *shown())
    np.testing.assert_array_equal(again[0], image)
    kinds, counts = np.unique(np.asarray(boxes[:, 0]), axis=0, return_counts=True)
    assert len(kinds) == {"random_flip": 2, "random_transpose": 2, "random_symmetry": 8}[name]
    assert counts.min() > IMPROBABLE


def test_one_image_needs_no_leading_axis():
    image, boxes = shown()
    flipped, moved = box_augment.random_flip(jax.random.key(0), image[0], boxes[0], probability=1.0)
    np.testing.assert_array_equal(moved[None], seen(flipped[None]))


def test_mistakes_are_named():
    image, boxes = shown()
    with pytest.raises(
        JnnError, match=r"random_flip: got image \(9, 9, 1\) and boxes \(800, 1, 4\)"
    ):
        box_augment.random_flip(jax.random.key(0), image[0], boxes)
    with pytest.raises(JnnError, match="probability=2"):
        box_augment.random_flip(jax.random.key(0), image, boxes, probability=2.0)
    with pytest.raises(JnnError, match="as many rows as columns"):
        box_augment.random_transpose(jax.random.key(0), image[:, :5], boxes)
