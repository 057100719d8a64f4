"""Bytes of images as numbers, images made smaller, and freed of their brightness and contrast."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jnn.errors import mistake

LEAST_VARIANCE = 1e-4  # of pixels from 0 to 1: an image of one colour stays one


def to_float(image: Any) -> Any:
    """Bytes 0 .. 255 as float32 0 .. 1, for NumPy and JAX arrays; floats are returned unchanged.

    Raises JnnError for other integers, whose range is not known.

    >>> to_float(np.array([0, 51, 255], np.uint8))
    array([0. , 0.2, 1. ], dtype=float32)
    """
    if image.dtype == np.uint8:
        return image.astype(np.float32) / np.float32(255)
    if image.dtype.kind in "iub":
        raise mistake(
            "to_float",
            got=f"dtype {image.dtype}",
            expected="uint8 or floats",
            remedy="Divide by the largest value yourself.",
        )
    return image


def block_means(image: jax.Array | np.ndarray, size: int) -> jax.Array:
    """The means of blocks of ``size`` x ``size`` pixels, of images ``(..., H, W, C)``.

    Bytes become numbers from 0 to 1. Raises JnnError where ``size`` does not divide H and W.

    >>> block_means(np.arange(8.0).reshape(2, 4, 1), 2)[..., 0].tolist()
    [[2.5, 4.5]]
    """
    *leading, height, width, channels = image.shape
    if size < 1 or height % size or width % size:
        got, expected = f"size={size} for images {height} x {width}", "a size that divides both"
        raise mistake("block_means", got=got, expected=expected)
    blocks: Any = (*leading, height // size, size, width // size, size, channels)
    return jnp.mean(to_float(image).reshape(blocks), axis=(-4, -2))


def standardize_images(image: jax.Array) -> jax.Array:
    """Each image ``(..., H, W, C)`` with mean 0 and deviation 1: whatever its light and contrast.

    ``(x - μ) / √(σ² + 1e-4)``, with the moments of all pixels of the image.

    >>> standardize_images(jnp.array([[[1.0], [3.0]]])).round(3).tolist()
    [[[-1.0], [1.0]]]
    """
    centred = image - jnp.mean(image, axis=(-3, -2, -1), keepdims=True)
    variance = jnp.mean(centred**2, axis=(-3, -2, -1), keepdims=True)
    return centred / jnp.sqrt(variance + LEAST_VARIANCE)
