"""The class-conditional variational autoencoder, convolutional.

>>> import jax, jax.numpy as jnp
>>> model = vae(VAEConfig(shape=(8, 8, 1), classes=3, latent=2, channels=(4, 8), hidden=16))
>>> x = {"image": jnp.ones((5, 8, 8, 1)), "label": jnp.zeros(5, int)}
>>> params, state = jax.jit(model.init)(jax.random.key(0), x)
>>> apply = jax.jit(model.apply, static_argnames="train")
>>> y, _ = apply(params, state, x, key=jax.random.key(1), train=True)
>>> jax.tree.map(jnp.shape, y)
{'image': (5, 8, 8, 1), 'log_variance': (5, 2), 'mean': (5, 2)}

The loss is the negative ELBO: that of the reconstruction, such as `jnn.losses.binary_cross_entropy`
summed over the pixels, plus `jnn.losses.gaussian_kl_divergence` of the code. New images are
``vae_decoder(config)`` of normal codes.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from jnn.architectures.autoencoder import ConvolutionalAutoencoderConfig, convolutional_encoder
from jnn.architectures.settings import check_halved, check_settings
from jnn.compose import chain
from jnn.initializers import he_normal
from jnn.layers.activation import activation
from jnn.layers.checks import check_names
from jnn.layers.convolution import conv
from jnn.layers.dense import dense
from jnn.layers.embedding import embedding
from jnn.layers.subpixel import depth_to_space
from jnn.model import Model, required_key
from jnn.wiring import Run, wired


@dataclasses.dataclass(frozen=True, kw_only=True)
class VAEConfig:
    """The settings of a `vae`."""

    shape: tuple[int, int, int]
    """Height, width and channels of an image, the first two divisible by 2 as often as there are
    ``channels``.
    """
    classes: int
    """How many classes there are."""
    channels: tuple[int, ...] = (32, 64)
    """The channels after each convolution of the encoder, which halves height and width; the
    decoder has them in reverse.
    """
    hidden: int = 128
    """Features of the whole image, and of its class, between the convolutions and the code."""
    latent: int = 16
    """How many numbers the code has."""
    activation: str = "gelu"
    """A name in `jnn.layers.activation.ACTIVATIONS`."""

    def __post_init__(self):
        """Refuse what does not fit together."""
        check_settings(self)
        check_halved(self)


def vae(config: VAEConfig) -> Model:
    """`vae_encoder`, a draw from the code's distribution, `vae_decoder`: x
    ``{"image": (..., H, W, C), "label": (...)}`` -> ``{"image": logits (..., H, W, C), "mean":
    (..., latent), "log_variance": (..., latent)}``.

    In training the code is ``μ + σ ε`` with ε drawn from the key, so that gradients reach μ and σ;
    elsewhere it is μ. Raises `JnnError` for training without a key. Source: Kingma & Welling 2014,
    https://arxiv.org/abs/1312.6114; with classes, Sohn et al. 2015.
    """

    def flow(run: Run, x: Mapping[str, Any]) -> dict[str, jax.Array]:
        distribution = run("encoder", x)
        return {
            **distribution,
            "image": run("decoder", {"code": run("code", distribution), "label": x["label"]}),
        }

    return wired(
        flow,
        {"encoder": vae_encoder(config), "code": drawn_code, "decoder": vae_decoder(config)},
        streaming=False,
    )


def _draw(params, state, x, *, key=None, train=False, mask=None):
    if not train:
        return x["mean"], state
    noise = jax.random.normal(required_key("vae", key), x["mean"].shape, x["mean"].dtype)
    return x["mean"] + jnp.exp(0.5 * x["log_variance"]) * noise, state


drawn_code = Model(lambda key, x: ({}, {}), _draw)


def vae_encoder(config: VAEConfig) -> Model:
    """The distribution of the code: x ``{"image": (..., H, W, C), "label": (...)}`` ->
    ``{"mean", "log_variance"}`` ``(..., latent)``.
    """
    settings = ConvolutionalAutoencoderConfig(
        shape=config.shape,
        channels=config.channels,
        latent=config.hidden,
        activation=config.activation,
    )
    parts = {
        "body": convolutional_encoder(settings),
        "embedding": embedding(config.classes, config.hidden),
        "mean": dense(config.latent),
        "log_variance": dense(config.latent),
    }
    act = activation(config.activation)

    def flow(run: Run, x: Mapping[str, Any]) -> dict[str, jax.Array]:
        check_names("vae_encoder", x, "image", "label")
        h = run("body", x["image"])
        h = act(h + run("embedding", x["label"]).astype(h.dtype))
        return {"mean": run("mean", h), "log_variance": run("log_variance", h)}

    return wired(flow, parts, streaming=False)


def vae_decoder(config: VAEConfig) -> Model:
    """An image from a code and a class: x ``{"code": (..., latent), "label": (...)}`` -> logits
    ``(..., H, W, C)``.
    """
    height, width, last = config.shape
    sizes = len(config.channels)
    smallest = (height // 2**sizes, width // 2**sizes, config.channels[-1])
    layers: dict[str, Any] = {
        "dense": dense(math.prod(smallest), kernel_init=he_normal()),
        "unflatten": _unflatten(smallest),
    }
    for i, features in enumerate((*config.channels[-2::-1], last)):
        layers[f"activation{i}"] = activation(config.activation)
        layers[f"conv{i}"] = chain(
            conv(4 * features, (3, 3), kernel_init=he_normal()), depth_to_space(2)
        )
    parts = {
        "code": dense(config.hidden, use_bias=False),
        "embedding": embedding(config.classes, config.hidden),
        "body": chain(activation(config.activation), **layers),
    }

    def flow(run: Run, x: Mapping[str, Any]) -> jax.Array:
        check_names("vae_decoder", x, "code", "label")
        h = run("code", x["code"])
        return run("body", h + run("embedding", x["label"]).astype(h.dtype))

    return wired(flow, parts, streaming=False)


def _unflatten(shape: tuple[int, ...]):
    return lambda x: x.reshape(*x.shape[:-1], *shape)
