"""How a pretrained model takes pictures: ``preprocessor_config.json``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jnn.errors import mistake
from jnn.interop.folder import PREPROCESSOR, preprocessor_of
from jnn.model import Model

_MOST = 2**13
_METHODS = {0: "nearest", 1: "lanczos3", 2: "linear", 3: "cubic"}
"""Of Pillow's numbers."""
_SQUEEZED_FROM = 384
"""The size from which ConvNeXT's preprocessing, which is also ResNet's, crops nothing."""


class Pictures(NamedTuple):
    """The size of a model's pictures, and the mean and deviation of their channels, from 0 to 1."""

    size: tuple[int, int]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    resized: tuple[int, int] | int | None = None
    """The height and width of which the centre is cropped, or the shortest edge; None for no crop.
    """
    method: str = "linear"
    """That of `jax.image.resize`."""

    def before_crop(self, height: int, width: int) -> tuple[int, int]:
        """The height and width to which a picture of this size is resized, before it is cropped."""
        if not isinstance(self.resized, int):
            return self.resized or self.size
        shortest = min(height, width)
        return self.resized * height // shortest, self.resized * width // shortest


def read_pictures(folder: str | Path, size: tuple[int, int] | None = None) -> Pictures:
    """What the ``preprocessor_config.json`` in a folder says; ``size`` where the model has one.

    As in Hugging Face's transformers, ``size`` is a height and a width or a shortest edge, with a
    centre crop to ``crop_size`` or, where there is a ``crop_pct``, of that part; ``resample`` is
    linear where it is not given. Without such a file the channels are scaled to -1 .. 1 and the
    size is 224, as for ViT. Otherwise than there pictures are also resized where ``do_resize`` is
    false, and squeezed where the model has another ``size`` or the edge is given without a crop,
    as a model takes pictures of one size.

    Raises `JnnError` for values that make no sense.
    """
    caller, config = str(Path(folder) / PREPROCESSOR), preprocessor_of(folder)
    its, resized = _sizes(config, caller)
    if size not in (None, its):
        its, resized = size, None
    resample = config.get("resample", 2)
    if resample not in list(_METHODS):  # a list cannot be looked up in a dict
        raise mistake(caller, got=f"resample={resample!r}", expected="a number from 0 to 3")
    mean, deviation = (0.0,) * 3, (1.0,) * 3
    if config.get("do_normalize", True):
        mean, deviation = (_channels(config, f"image_{name}", caller) for name in ("mean", "std"))
    return Pictures(its, mean, deviation, resized, _METHODS[resample])


def of_pictures(model: Model, pictures: Pictures) -> Model:
    """A model of pictures ``(..., H, W, C)`` of any size, grey or in colour, from 0 to 1.

    They are resized without aliasing, cropped at the centre, and their channels scaled, before
    ``model`` takes them.

    >>> import jnn
    >>> pictures = Pictures((2, 3), (0.5,) * 3, (0.5,) * 3)
    >>> model = of_pictures(jnn.identity, pictures)
    >>> model.apply({}, {}, jnp.ones((5, 8, 8, 1)))[0].shape
    (5, 2, 3, 3)
    """

    def prepared(x: jax.Array) -> jax.Array:
        if x.shape[-1] not in (1, 3):
            got = f"pictures of {x.shape[-1]} channels"
            raise mistake("pretrained model", got=got, expected="1 or 3")
        *leading, height, width, channels = x.shape
        before = pictures.before_crop(height, width)
        x = jax.image.resize(x, (*leading, *before, channels), pictures.method)
        if pictures.method in ("cubic", "lanczos3"):  # which overshoot
            x = jnp.clip(x, 0, 1)
        top, left = ((n - m) // 2 for n, m in zip(before, pictures.size, strict=True))
        x = x[..., top : top + pictures.size[0], left : left + pictures.size[1], :]
        x = jnp.broadcast_to(x, (*x.shape[:-1], 3))
        return (x - jnp.array(pictures.mean, x.dtype)) / jnp.array(pictures.deviation, x.dtype)

    def init(key, x):
        return model.init(key, jax.eval_shape(prepared, x))

    def apply(params, state, x, **options):
        return model.apply(params, state, prepared(x), **options)

    return Model(init, apply)


def _sizes(
    config: Mapping[str, Any], caller: str
) -> tuple[tuple[int, int], tuple[int, int] | int | None]:
    """The size of pictures, and the one of which it is the crop, as in `Pictures`."""
    size = _size(config, "size", caller)
    if part := config.get("crop_pct"):
        if type(part) not in (int, float) or not 0 < part <= 1:
            raise mistake(caller, got=f"crop_pct={part!r}", expected="a part from 0 to 1")
        return size, int(size[0] / part) if size[0] < _SQUEEZED_FROM else None
    if not config.get("crop_size") or not config.get("do_center_crop", True):
        return size, None
    crop = _size(config, "crop_size", caller)
    if any(n > m for n, m in zip(crop, size, strict=True)):
        expected = f"one within size={config.get('size')!r}"
        raise mistake(caller, got=f"crop_size={config['crop_size']!r}", expected=expected)
    is_edge = isinstance(config.get("size"), Mapping) and "shortest_edge" in config["size"]
    return crop, size[0] if is_edge else size


def _size(config: Mapping[str, Any], key: str, caller: str) -> tuple[int, int]:
    size = config.get(key) or 224
    if isinstance(size, Mapping):
        edge = size.get("shortest_edge")
        size = (size.get("height", edge), size.get("width", edge))
    height, width = size if isinstance(size, tuple) else (size, size)
    if not all(type(n) is int and 0 < n < _MOST for n in (height, width)):
        raise mistake(caller, got=f"{key}={config.get(key)!r}", expected="a height and a width")
    return height, width


def _channels(config: Mapping[str, Any], key: str, caller: str) -> tuple[float, ...]:
    values = config.get(key) or [0.5] * 3
    is_sound = isinstance(values, list) and len(values) == 3
    if not is_sound or not all(type(value) in (int, float) for value in values):
        raise mistake(caller, got=f"{key}={values!r}", expected="a number for each of 3 channels")
    if key == "image_std" and min(values) <= 0:
        raise mistake(caller, got=f"{key}={values!r}", expected="numbers > 0")
    return tuple(map(float, values))
