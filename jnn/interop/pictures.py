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


class Pictures(NamedTuple):
    """The size of a model's pictures, and the mean and deviation of their channels, from 0 to 1."""

    size: tuple[int, int]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]


def read_pictures(folder: str | Path, size: tuple[int, int] | None = None) -> Pictures:
    """What the ``preprocessor_config.json`` in a folder says; ``size`` where the model has one.

    Without such a file the channels are scaled to -1 .. 1 and the size is 224, as for ViT. Raises
    `JnnError` for values that make no sense.
    """
    path, config = Path(folder) / PREPROCESSOR, preprocessor_of(folder)
    size = size or _size(config, str(path))
    if not config.get("do_normalize", True):
        return Pictures(size, (0.0,) * 3, (1.0,) * 3)
    mean = _channels(config, "image_mean", str(path))
    return Pictures(size, mean, _channels(config, "image_std", str(path)))


def of_pictures(model: Model, pictures: Pictures) -> Model:
    """A model of pictures ``(..., H, W, C)`` of any size, grey or in colour, from 0 to 1.

    They are resized, linearly and without aliasing, and their channels scaled, before ``model``
    takes them.

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
        shape = (*x.shape[:-3], *pictures.size, x.shape[-1])
        x = jnp.broadcast_to(jax.image.resize(x, shape, "linear"), (*shape[:-1], 3))
        return (x - jnp.array(pictures.mean, x.dtype)) / jnp.array(pictures.deviation, x.dtype)

    def init(key, x):
        return model.init(key, jax.eval_shape(prepared, x))

    def apply(params, state, x, **options):
        return model.apply(params, state, prepared(x), **options)

    return Model(init, apply)


def _size(config: Mapping[str, Any], caller: str) -> tuple[int, int]:
    size = config.get("crop_size") or config.get("size") or 224
    if isinstance(size, Mapping):
        edge = size.get("shortest_edge")
        size = (size.get("height", edge), size.get("width", edge))
    height, width = size if isinstance(size, tuple) else (size, size)
    if not all(type(n) is int and 0 < n < _MOST for n in (height, width)):
        raise mistake(caller, got=f"size={config.get('size')!r}", expected="a height and a width")
    return height, width


def _channels(config: Mapping[str, Any], key: str, caller: str) -> tuple[float, ...]:
    values = config.get(key) or [0.5] * 3
    is_sound = isinstance(values, list) and len(values) == 3
    if not is_sound or not all(type(value) in (int, float) for value in values):
        raise mistake(caller, got=f"{key}={values!r}", expected="a number for each of 3 channels")
    if key == "image_std" and min(values) <= 0:
        raise mistake(caller, got=f"{key}={values!r}", expected="numbers > 0")
    return tuple(map(float, values))
