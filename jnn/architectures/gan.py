"""Class-conditional generative adversarial networks: generator, discriminator, and both as one.

>>> import jax, jax.numpy as jnp
>>> settings = GANConfig(shape=(8, 8, 1), classes=3, noise=5, channels=(8, 4))
>>> model = gan(settings)
>>> x = {"noise": jnp.ones((6, 5)), "label": jnp.zeros(6, int)}
>>> params, state = jax.jit(model.init)(jax.random.key(0), x)
>>> y, _ = jax.jit(model.apply)(params, state, x)
>>> y["image"].shape, y["score"].shape
((6, 8, 8, 1), (6,))

Each network is a model too, which takes its own part of the params, so that each can have its own
loss.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, Literal

import jax
import jax.numpy as jnp

from jnn.architectures.settings import check_halved, check_settings
from jnn.compose import chain
from jnn.errors import mistake
from jnn.initializers import he_normal, normal
from jnn.layers.activation import activation
from jnn.layers.batch_normalization import batch_norm
from jnn.layers.checks import check_names
from jnn.layers.conditional_norm import conditional_norm
from jnn.layers.convolution import conv
from jnn.layers.dense import dense, flatten
from jnn.layers.embedding import embedding
from jnn.layers.normalization import group_norm
from jnn.layers.subpixel import depth_to_space
from jnn.layers.weight_normalization import spectral_norm
from jnn.model import Model
from jnn.wiring import Run, wired


@dataclasses.dataclass(frozen=True, kw_only=True)
class GANConfig:
    """The settings of a `generator`, a `discriminator`, and of both, a `gan`."""

    shape: tuple[int, int, int]
    """Height, width and channels of an image, the first two divisible by 2 as often as there are
    ``channels``.
    """
    classes: int
    """How many classes there are to be told apart."""
    noise: int = 64
    """How many normal numbers an image is made from."""
    channels: tuple[int, ...] = (128, 64)
    """The generator's channels, from the smallest images on; before each but the last, height and
    width double. The discriminator has them in reverse."""
    features: int = 128
    """Features of the whole image by which the discriminator judges."""
    normalization: Literal["batch", "group"] = "batch"
    """What the generator normalizes over: the batch, as DCGAN does, or each image alone, in groups
    of channels.
    """
    groups: int = 8
    """Groups of channels, for the normalization that has them."""
    spectral: bool = True
    """Whether the discriminator divides its kernels by their largest singular value."""
    activation: str = "relu"
    """The generator's, a name in `jnn.layers.activation.ACTIVATIONS`."""

    def __post_init__(self):
        """Refuse what does not fit together."""
        check_settings(self)
        check_halved(self)


def generator(config: GANConfig) -> Model:
    """An image from noise and a class.

    x ``{"noise": (..., noise), "label": (...)}`` -> y ``(..., H, W, C)`` from -1 to 1.

    A dense layer makes a small image, which convolutions and `depth_to_space` double; noise and
    class act on every size, as scale and bias of its normalization. After Radford et al. 2016
    (https://arxiv.org/abs/1511.06434) and Brock et al. 2019 (https://arxiv.org/abs/1809.11096).
    """
    height, width, last = config.shape
    sizes = len(config.channels)
    smallest = (height // 2**sizes, width // 2**sizes, config.channels[0])
    act, outputs = activation(config.activation), (*config.channels[1:], last)
    batch = batch_norm(use_scale=False, use_bias=False)
    norm = (
        batch
        if config.normalization == "batch"
        else group_norm(config.groups, rank=3, use_scale=False, use_bias=False)
    )
    parts: dict[str, Any] = {
        "embedding": embedding(config.classes, config.noise),
        "dense": dense(math.prod(smallest)),
    }
    for i, (channels, features) in enumerate(zip(config.channels, outputs, strict=True)):
        parts[f"norm{i}"] = conditional_norm(norm, channels, rank=3)
        parts[f"conv{i}"] = chain(
            conv=conv(4 * features, (3, 3), kernel_init=he_normal()), larger=depth_to_space(2)
        )

    def flow(run: Run, x: Mapping[str, Any]) -> jax.Array:
        check_names("generator", x, "noise", "label")
        noise = x["noise"]
        condition = jnp.concatenate(
            [noise, run("embedding", x["label"]).astype(noise.dtype)], axis=-1
        )
        h = run("dense", condition).reshape(*noise.shape[:-1], *smallest)
        for i in range(sizes):
            h = act(run(f"norm{i}", {"x": h, "condition": condition}))
            h = run(f"conv{i}", h)
        return jnp.tanh(h)

    return wired(flow, parts, streaming=False)


def discriminator(config: GANConfig) -> Model:
    """The logit that an image is real, given its class.

    x ``{"image": (..., H, W, C), "label": (...)}`` -> y ``(...)``.

    Convolutions with strides of 2 and a dense layer make features h of the image;
    ``y = w·h + b + v_label·h``, the projection of Miyato & Koyama 2018
    (https://arxiv.org/abs/1802.05637). With ``spectral`` every kernel, and the matrix of the
    vectors v, has a largest singular value of 1 (Miyato et al. 2018,
    https://arxiv.org/abs/1802.05957); without it, no image influences another, as
    `gradient_penalty` asks.
    """
    layers = {}
    for i, features in enumerate(config.channels[::-1]):
        layers[f"conv{i}"] = conv(features, (4, 4), strides=2, kernel_init=he_normal())
        layers[f"activation{i}"] = _leaky
    body = chain(
        **layers,
        flatten=flatten(3),
        dense=dense(config.features, kernel_init=he_normal()),
        activation=_leaky,
    )
    start = normal(config.features**-0.5)
    parts = {
        "body": body,
        "out": dense(1),
        "embedding": embedding(config.classes, config.features, embedding_init=start),
    }

    def flow(run: Run, x: Mapping[str, Any]) -> jax.Array:
        check_names("discriminator", x, "image", "label")
        h = run("body", x["image"])
        if h.shape[:-1] != x["label"].shape:
            got = f"images of shape {x['image'].shape} and labels of shape {x['label'].shape}"
            raise mistake("discriminator", got=got, expected="one label for each image")
        return run("out", h)[..., 0] + jnp.sum(
            h * run("embedding", x["label"]).astype(h.dtype), axis=-1
        )

    model = wired(flow, parts, streaming=False)
    return spectral_norm(model, ".*/(kernel|embedding)") if config.spectral else model


def gan(config: GANConfig) -> Model:
    """Both networks, one after the other.

    x ``{"noise": (..., noise), "label": (...)}`` -> ``{"image": (..., H, W, C), "score": (...)}``.

    ``params["generator"]`` and ``params["discriminator"]`` are those of `generator` and
    `discriminator`, and the state likewise.
    """

    def flow(run: Run, x: Mapping[str, Any]) -> dict[str, jax.Array]:
        image = run("generator", x)
        return {
            "image": image,
            "score": run("discriminator", {"image": image, "label": x["label"]}),
        }

    return wired(
        flow,
        {"generator": generator(config), "discriminator": discriminator(config)},
        streaming=False,
    )


def _leaky(x: jax.Array) -> jax.Array:
    return jax.nn.leaky_relu(x, 0.2)
