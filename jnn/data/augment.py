"""Random changes to images that leave their meaning, as pure functions ``(key, x) -> x``.

``x`` is (..., H, W, C), uint8 or float, with any number of leading axes; every image gets draws of
its own, the same key gives the same result, and the dtype stays. Settings are bound with
``functools.partial``, and several are joined by ``compose``.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.ndimage import map_coordinates
from jax.typing import ArrayLike

from jnn.errors import mistake

Augmentation = Callable[[jax.Array, jax.Array], jax.Array]


def compose(*augmentations: Augmentation) -> Augmentation:
    """One augmentation that does all of them in turn; the i-th draws with ``fold_in(key, i)``.

    >>> from functools import partial
    >>> augment = compose(random_flip, partial(random_translate, pixels=2))
    >>> augment(jax.random.key(0), jnp.zeros((4, 8, 8, 1))).shape
    (4, 8, 8, 1)
    """

    def augment(key: jax.Array, x: jax.Array) -> jax.Array:
        for i, augmentation in enumerate(augmentations):
            x = augmentation(jax.random.fold_in(key, i), x)
        return x

    return augment


def random_flip(key: jax.Array, x: jax.Array, *, probability: float = 0.5) -> jax.Array:
    """Each image mirrored left to right with ``probability``."""
    if not 0 <= probability <= 1:
        raise mistake(
            "random_flip", got=f"probability={probability}", expected="a number from 0 to 1"
        )
    _image_shape(x, "random_flip")
    flip = jax.random.bernoulli(key, probability, (*x.shape[:-3], 1, 1, 1))
    return jnp.where(flip, jnp.flip(x, axis=x.ndim - 2), x)


def random_crop(
    key: jax.Array, x: jax.Array, *, size: tuple[int, int] | None = None, padding: int = 0
) -> jax.Array:
    """A window of ``size`` (height, width), the image's own by default, at a random place of each
    image padded by ``padding`` zeros.

    The place is uniform over all windows within the padded image. (Slices, as here, and gathering
    take about 0.1 ms for 128 images of 28 x 28 on a CPU, multiplying with 0-1 matrices several
    times as long: ``python benchmarks/data.py``.)
    """
    height, width, channels = _image_shape(x, "random_crop")
    rows, columns = size or (height, width)
    room = height + 2 * padding - rows, width + 2 * padding - columns
    if padding < 0 or min(rows, columns) < 1 or min(room) < 0:
        got = f"size=({rows}, {columns}), padding={padding} for images of {height} x {width}"
        raise mistake(
            "random_crop", got=got, expected="padding >= 0 and a window within the padded image"
        )
    images = jnp.pad(
        x.reshape(-1, height, width, channels),
        ((0, 0), (padding, padding), (padding, padding), (0, 0)),
    )
    top, left = (
        jax.random.randint(k, (len(images),), 0, r + 1)
        for k, r in zip(jax.random.split(key), room, strict=True)
    )
    window = lambda image, i, j: jax.lax.dynamic_slice(image, (i, j, 0), (rows, columns, channels))
    return jax.vmap(window)(images, top, left).reshape(*x.shape[:-3], rows, columns, channels)


def random_translate(key: jax.Array, x: jax.Array, *, pixels: int) -> jax.Array:
    """Each image moved by up to ``pixels`` in either direction, zeros moving in."""
    return random_crop(key, x, padding=pixels)


def affine(x: jax.Array, *, angle: ArrayLike, zoom: ArrayLike, shift: ArrayLike) -> jax.Array:
    """Each image turned counter-clockwise by ``angle`` radians and enlarged ``zoom`` times, both
    about its middle, then moved by ``shift`` pixels, down and to the right.

    x ``(..., H, W, C)``; angle and zoom broadcast to ``(...)``, shift to ``(..., 2)``. Between
    pixels it is bilinear, and what moves in is the nearest pixel of the border. Computed in float32
    at least; integers are rounded.

    >>> affine(jnp.array([[[1], [2]], [[3], [4]]]), angle=jnp.pi / 2, zoom=1.0, shift=0.0)[..., 0].tolist()
    [[2, 4], [1, 3]]
    """
    height, width, channels = _image_shape(x, "affine")
    leading, dtype = (
        x.shape[:-3],
        np.promote_types(x.dtype, np.float32)
        if jnp.issubdtype(x.dtype, jnp.floating)
        else np.float32,
    )
    spread = lambda value, *end: jnp.broadcast_to(
        jnp.asarray(value, dtype), (*leading, *end)
    ).reshape(-1, *end)
    middle = jnp.array([(height - 1) / 2, (width - 1) / 2], dtype)
    places = jnp.stack(
        jnp.meshgrid(
            jnp.arange(height, dtype=dtype), jnp.arange(width, dtype=dtype), indexing="ij"
        ),
        axis=-1,
    )

    def one(image, angle, zoom, shift):
        cos, sin = jnp.cos(angle) / zoom, jnp.sin(angle) / zoom
        back = jnp.array([[cos, sin], [-sin, cos]])
        from_middle = places - (middle + shift)[None, None]
        source = (
            jnp.einsum("ij,hwj->ihw", back, from_middle, precision="highest")
            + middle[:, None, None]
        )
        take = lambda channel: map_coordinates(channel, list(source), order=1, mode="nearest")
        return jax.vmap(take, in_axes=-1, out_axes=-1)(image.astype(dtype))

    moved = jax.vmap(one)(
        x.reshape(-1, height, width, channels), spread(angle), spread(zoom), spread(shift, 2)
    ).reshape(x.shape)
    return (jnp.round(moved) if jnp.issubdtype(x.dtype, jnp.integer) else moved).astype(x.dtype)


def random_affine(
    key: jax.Array, x: jax.Array, *, degrees: float = 0.0, scale: float = 0.0, pixels: float = 0.0
) -> jax.Array:
    """Each image turned by up to ``degrees`` either way, enlarged or shrunk up to ``1 + scale``
    times, and moved by up to ``pixels`` in either direction, as `affine` does.

    Angle and pixels are uniform, the factor is so on a logarithmic scale.
    """
    _image_shape(x, "random_affine")
    if not (0 <= degrees <= 180 and scale >= 0 and pixels >= 0):
        got = f"degrees={degrees}, scale={scale}, pixels={pixels}"
        raise mistake(
            "random_affine", got=got, expected="degrees from 0 to 180, and scale and pixels >= 0"
        )
    keys = jax.random.split(key, 3)
    within = lambda key, most, *end: jax.random.uniform(
        key, (*x.shape[:-3], *end), jnp.float32, -most, most
    )
    zoom = jnp.exp(within(keys[1], math.log1p(scale)))
    return affine(
        x, angle=within(keys[0], math.radians(degrees)), zoom=zoom, shift=within(keys[2], pixels, 2)
    )


def cutout(key: jax.Array, x: jax.Array, *, size: int) -> jax.Array:
    """A square of ``size`` x ``size`` pixels set to 0 in each image, its centre uniform over the
    image (DeVries and Taylor 2017).

    What would lie outside the image is cut off, so that near the border less is lost. For an even
    ``size`` the centre is the pixel right below the middle.
    """
    height, width, _ = _image_shape(x, "cutout")
    if not 1 <= size <= 2 * max(height, width):
        raise mistake(
            "cutout",
            got=f"size={size}",
            expected=f"1 to {2 * max(height, width)} pixels for images of {height} x {width}",
        )
    row_key, column_key = jax.random.split(key)
    rows = _hidden(row_key, x.shape[:-3], height, size)[..., :, None, None]
    columns = _hidden(column_key, x.shape[:-3], width, size)[..., None, :, None]
    return jnp.where(rows & columns, jnp.zeros((), x.dtype), x)


def _hidden(key: jax.Array, leading: tuple[int, ...], length: int, size: int) -> jax.Array:
    """Which of ``length`` places lie in a stretch of ``size`` around a random one, (...,
    length).
    """
    start = jax.random.randint(key, (*leading, 1), 0, length) - size // 2
    place = jnp.arange(length).reshape((1,) * len(leading) + (length,))
    return (place >= start) & (place < start + size)


def mixup(
    key: jax.Array, x: jax.Array, target: jax.Array, *, alpha: float = 0.2
) -> tuple[jax.Array, jax.Array]:
    """Each example mixed with another of its batch: l x_i + (1 - l) x_j and l y_i + (1 - l) y_j, l
    ~ Beta(alpha, alpha).

    ``x`` is (N, ...) float and ``target`` (N, ...) float, such as one-hot labels (N, K). j is a
    random permutation of the batch; l is drawn for each example, where the paper (Zhang et al.,
    mixup, 2018) draws one for the batch; it is drawn in float32 and applied in the dtype of each
    array.
    """
    if not (jnp.issubdtype(x.dtype, jnp.floating) and jnp.issubdtype(target.dtype, jnp.floating)):
        got, remedy = (
            f"dtypes {x.dtype} and {target.dtype}",
            "Use images.to_float and jax.nn.one_hot.",
        )
        raise mistake("mixup", got=got, expected="floats", remedy=remedy)
    if x.shape[:1] != target.shape[:1] or alpha <= 0:
        raise mistake(
            "mixup",
            got=f"shapes {x.shape} and {target.shape}, alpha={alpha}",
            expected="equally many examples and alpha > 0",
        )
    order_key, weight_key = jax.random.split(key)
    partner = jax.random.permutation(order_key, len(x))
    weight = jax.random.beta(weight_key, alpha, alpha, (len(x),), jnp.float32)

    def mix(a: jax.Array) -> jax.Array:
        own = weight.astype(a.dtype).reshape(-1, *(1,) * (a.ndim - 1))
        return own * a + (1 - own) * a[partner]

    return mix(x), mix(target)


def _image_shape(x: jax.Array, where: str) -> tuple[int, int, int]:
    if x.ndim < 3:
        raise mistake(
            where,
            got=f"shape {x.shape}",
            expected="images (..., H, W, C)",
            remedy="Add the channel: x[..., None].",
        )
    height, width, channels = x.shape[-3:]
    return height, width, channels
