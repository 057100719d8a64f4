"""The U-Net that denoises images, for `jnn.generative.diffusion`.

>>> import jax, jax.numpy as jnp
>>> config = DenoiserConfig(shape=(8, 8, 1), classes=3, channels=(8, 16), blocks=1, groups=2)
>>> model = denoiser(config)
>>> label = jnp.array([0, 1, 2, 3, 3])  # 3 stands for no class
>>> x = {"image": jnp.ones((5, 8, 8, 1)), "time": jnp.linspace(0, 1, 5), "label": label}
>>> params, state = jax.jit(model.init)(jax.random.key(0), x)
>>> jax.jit(model.apply)(params, state, x)[0].shape
(5, 8, 8, 1)
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jnn.architectures.settings import check_settings
from jnn.compose import chain
from jnn.errors import mistake
from jnn.initializers import he_normal, normal, variance_scaling
from jnn.layers.checks import check_float, check_names
from jnn.layers.conditional_norm import conditional_norm
from jnn.layers.convolution import conv
from jnn.layers.dense import dense
from jnn.layers.embedding import embedding
from jnn.layers.normalization import group_norm
from jnn.layers.subpixel import depth_to_space, space_to_depth
from jnn.model import Model
from jnn.precision import numerics
from jnn.wiring import Run, wired

# a block starts as its residual connection
almost_zero = variance_scaling(1e-2, "fan_in", "truncated_normal")


@dataclasses.dataclass(frozen=True, kw_only=True)
class DenoiserConfig:
    """The settings of a `denoiser`."""

    shape: tuple[int, int, int]
    """Height, width and channels of an image."""
    classes: int
    """How many classes there are; the label ``classes`` stands for none."""
    patch: int = 2
    """The side of the squares of pixels that are one position, their pixels its channels: less
    time, and nothing is lost.
    """
    channels: tuple[int, ...] = (32, 64)
    """The channels at each size; height and width are halved between two."""
    blocks: int = 1
    """Residual blocks at each size on the way down, and again on the way up."""
    condition: int = 64
    """Features of time and class."""
    groups: int = 8
    """Groups of channels that are normalized together; a number that divides all ``channels``."""

    def __post_init__(self):
        """Refuse what does not fit together."""
        check_settings(self)
        factor = self.patch * 2 ** (len(self.channels) - 1)
        if not self.channels or self.shape[0] % factor or self.shape[1] % factor:
            got = f"shape={self.shape!r}, channels={self.channels!r}, patch={self.patch}"
            raise mistake(
                "DenoiserConfig",
                got=got,
                expected="channels, and a height and width that patch and halvings divide",
            )


def denoiser(config: DenoiserConfig) -> Model:
    """The velocity of a noisy image: x ``{"image": (..., H, W, C), "time": (...), "label": (...)}``
    -> y ``(..., H, W, C)``.

    Residual blocks at each size, down to the smallest images and up again, with skip connections.
    Time, from 0 to 1, and class act on every block as scale and bias of a normalization. No example
    influences another. Raises `JnnError` for images of another shape.

    After Ho et al. 2020 (https://arxiv.org/abs/2006.11239) and Dhariwal & Nichol
    2021 (https://arxiv.org/abs/2105.05233), without attention, and with skip
    connections that are added, not concatenated.
    """
    check = lambda x: _check(config, x)
    last, sizes = config.shape[-1], config.channels
    parts: dict[str, Any] = {
        "time": chain(waves=_waves, dense=dense(config.condition)),
        "label": embedding(config.classes + 1, config.condition, embedding_init=normal(0.5)),
        "condition": dense(config.condition, kernel_init=he_normal()),
        "first": chain(smaller=space_to_depth(config.patch), conv=conv(sizes[0], (3, 3))),
    }
    for i, features in enumerate(sizes):
        parts |= {
            f"{way}{i}_{n}": _block(features, config.groups)
            for way in ("down", "up")
            for n in range(config.blocks)
        }
        if i + 1 < len(sizes):
            parts[f"smaller{i}"] = chain(space_to_depth(2), conv(sizes[i + 1], (1, 1)))
            parts[f"larger{i}"] = chain(conv(4 * features, (1, 1)), depth_to_space(2))
    out = conv(config.patch**2 * last, (3, 3), kernel_init=almost_zero)
    parts["last"] = chain(
        norm=group_norm(config.groups, rank=3),
        activation=jax.nn.silu,
        conv=out,
        larger=depth_to_space(config.patch),
    )

    def flow(run: Run, x: Mapping[str, Any]) -> jax.Array:
        check(x)
        c = run("time", x["time"][..., None])
        c = jax.nn.silu(run("condition", jax.nn.silu(c + run("label", x["label"]).astype(c.dtype))))

        def blocks(way: str, i: int, h: jax.Array) -> jax.Array:
            for n in range(config.blocks):
                h = run(f"{way}{i}_{n}", {"x": h, "condition": c})
            return h

        h, skips = run("first", x["image"]), []
        for i in range(len(sizes)):
            h = blocks("down", i, h)
            skips.append(h)
            h = run(f"smaller{i}", h) if i + 1 < len(sizes) else h
        for i in reversed(range(len(sizes))):
            h = skips[i] + run(f"larger{i}", h) if i + 1 < len(sizes) else h
            h = blocks("up", i, h)
        return run("last", h)

    return wired(flow, parts, streaming=False)


def _block(features: int, groups: int) -> Model:
    """A residual block of two convolutions.

    x ``{"x": (..., H, W, features), "condition": (..., D)}`` -> y ``(..., H, W, features)``.
    """
    parts = {
        "first": chain(
            norm=group_norm(groups, rank=3),
            activation=jax.nn.silu,
            conv=conv(features, (3, 3), kernel_init=he_normal()),
        ),
        "norm": conditional_norm(
            group_norm(groups, rank=3, use_scale=False, use_bias=False), features, rank=3
        ),
        "second": chain(
            activation=jax.nn.silu, conv=conv(features, (3, 3), kernel_init=almost_zero)
        ),
    }

    def flow(run: Run, x: Mapping[str, Any]) -> jax.Array:
        h = run("norm", {"x": run("first", x["x"]), "condition": x["condition"]})
        return x["x"] + run("second", h)

    return wired(flow, parts, streaming=False)


FREQUENCIES = 2.0 ** np.arange(-1, 7)  # half a turn over all of time, up to 64 turns


def _waves(t: jax.Array) -> jax.Array:
    """Sines and cosines of a time ``(..., 1)``: ``(..., 16)``, their angles in float32 at least."""
    frequency = jnp.asarray(2 * np.pi * FREQUENCIES, numerics(t).dtype)
    angle = numerics(t) * frequency.reshape((1,) * (t.ndim - 1) + (-1,))
    return jnp.concatenate([jnp.sin(angle), jnp.cos(angle)], axis=-1).astype(t.dtype)


def _check(config: DenoiserConfig, x: Any) -> None:
    check_names("denoiser", x, "image", "time", "label")
    for name in ("image", "time"):
        check_float("denoiser", x[name])
    shapes = {name: tuple(x[name].shape) for name in ("image", "time", "label")}
    if (
        shapes["image"][-3:] != config.shape
        or not shapes["image"][:-3] == shapes["time"] == shapes["label"]
    ):
        expected = f"image (..., {', '.join(map(str, config.shape))}), time (...), label (...)"
        raise mistake("denoiser", got=f"shapes {shapes}", expected=expected)
