"""Autoencoders: an encoder to a short code and a decoder back, dense or convolutional.

``dense_autoencoder(config)`` is ``chain(encoder=..., decoder=...)``. Each half is a model too,
which takes its own part of the params:

>>> import jax, jax.numpy as jnp
>>> config = DenseAutoencoderConfig(shape=(8, 8, 1), hidden=(32,), latent=2)
>>> images = jnp.ones((5, 8, 8, 1))
>>> params, state = jax.jit(dense_autoencoder(config).init)(jax.random.key(0), images)
>>> code, _ = jax.jit(dense_encoder(config).apply)(params["encoder"], {}, images)
>>> image, _ = jax.jit(dense_decoder(config).apply)(params["decoder"], {}, code)
>>> code.shape, image.shape
((5, 2), (5, 8, 8, 1))

The loss is a distance of y from x: `jnn.losses.squared_error`, or `binary_cross_entropy` for pixels
in [0, 1], of which y are then logits.
"""

import dataclasses
import math
from typing import Any

from jnn.architectures.settings import check_halved, check_settings
from jnn.compose import chain
from jnn.errors import mistake
from jnn.functions import function
from jnn.initializers import he_normal, variance_scaling
from jnn.layers.activation import activation
from jnn.layers.checks import check_float
from jnn.layers.convolution import conv, conv_transpose
from jnn.layers.dense import dense, flatten
from jnn.model import Model


@dataclasses.dataclass(frozen=True, kw_only=True)
class DenseAutoencoderConfig:
    """The settings of a `dense_autoencoder`."""

    shape: tuple[int, ...]
    """The shape of one example, such as ``(28, 28, 1)``; the decoder gives it back."""
    hidden: tuple[int, ...] = (256, 64)
    """The width of each hidden layer of the encoder; the decoder has them in reverse."""
    latent: int = 16
    """How many numbers the code has."""
    activation: str = "relu"
    """A name in `jnn.layers.activation.ACTIVATIONS`; the code and the output have none."""

    def __post_init__(self):
        """Refuse what is no size."""
        check_settings(self)


def dense_autoencoder(config: DenseAutoencoderConfig) -> Model:
    """`dense_encoder`, then `dense_decoder`: x ``(..., *shape)`` -> y ``(..., *shape)``.

    Without hidden layers and with the squared error, the optimum is a principal component analysis
    (Baldi & Hornik 1989). Source: Hinton & Salakhutdinov 2006.
    """
    return chain(encoder=dense_encoder(config), decoder=dense_decoder(config))


def dense_encoder(config: DenseAutoencoderConfig) -> Model:
    """The encoder: x ``(..., *shape)`` -> code ``(..., latent)``.

    Raises `JnnError` for x of another shape.
    """
    hidden = _hidden_layers(config.hidden, config.activation)
    model = chain(flatten=flatten(len(config.shape)), **hidden, out=dense(config.latent))
    return _taking("dense_encoder", config.shape, model)


def dense_decoder(config: DenseAutoencoderConfig) -> Model:
    """The decoder: code ``(..., latent)`` -> y ``(..., *shape)``.

    Raises `JnnError` for a code of another length.
    """
    hidden = _hidden_layers(config.hidden[::-1], config.activation)
    model = chain(**hidden, out=dense(math.prod(config.shape)), unflatten=_unflatten(config.shape))
    return _taking("dense_decoder", (config.latent,), model)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConvolutionalAutoencoderConfig:
    """The settings of a `convolutional_autoencoder`."""

    shape: tuple[int, int, int]
    """Height, width and channels of an image, the first two divisible by 2 as often as there are
    ``channels``.
    """
    channels: tuple[int, ...] = (16, 32)
    """The channels after each convolution of the encoder, which halves height and width; the
    decoder has them in reverse.
    """
    latent: int = 16
    """How many numbers the code has."""
    activation: str = "relu"
    """A name in `jnn.layers.activation.ACTIVATIONS`; the code and the output have none."""

    def __post_init__(self):
        """Refuse what does not fit together."""
        check_settings(self)
        check_halved(self)

    @property
    def smallest(self) -> tuple[int, int, int]:
        """The shape of the image at its smallest, between the convolutions and the code."""
        height, width, _ = self.shape
        factor = 2 ** len(self.channels)
        return height // factor, width // factor, self.channels[-1]


# with strides of 2, an output sees a quarter of the window
quarter_he_normal = variance_scaling(8, "fan_in", "truncated_normal")
# a multiple of the stride: every pixel is covered equally often, without a checkerboard (Odena et
# al. 2016)
WINDOW = (4, 4)


def convolutional_autoencoder(config: ConvolutionalAutoencoderConfig) -> Model:
    """`convolutional_encoder`, then `convolutional_decoder`: x and y ``(..., H, W, C)``.

    >>> import jax, jax.numpy as jnp
    >>> model = convolutional_autoencoder(ConvolutionalAutoencoderConfig(shape=(28, 28, 1)))
    >>> params, state = jax.jit(model.init)(jax.random.key(0), jnp.ones((28, 28, 1)))
    >>> params["encoder"]["conv1"]["kernel"].shape, params["decoder"]["conv0"]["kernel"].shape
    ((4, 4, 16, 32), (4, 4, 32, 16))
    """
    return chain(encoder=convolutional_encoder(config), decoder=convolutional_decoder(config))


def convolutional_encoder(config: ConvolutionalAutoencoderConfig) -> Model:
    """The encoder, convolutions with strides of 2 and a dense layer.

    x ``(..., H, W, C)`` -> code ``(..., latent)``.

    Raises `JnnError` for images of another shape.
    """
    layers = {}
    for i, features in enumerate(config.channels):
        layers[f"conv{i}"] = conv(features, WINDOW, strides=2, kernel_init=he_normal())
        layers[f"activation{i}"] = activation(config.activation)
    model = chain(**layers, flatten=flatten(3), out=dense(config.latent))
    return _taking("convolutional_encoder", config.shape, model)


def convolutional_decoder(config: ConvolutionalAutoencoderConfig) -> Model:
    """The decoder, a dense layer and transposed convolutions with strides of 2.

    Code ``(..., latent)`` -> y ``(..., H, W, C)``.

    Raises `JnnError` for a code of another length.
    """
    layers: dict[str, Any] = {
        "dense": dense(math.prod(config.smallest), kernel_init=he_normal()),
        "unflatten": _unflatten(config.smallest),
    }
    for i, features in enumerate((*config.channels[-2::-1], config.shape[-1])):
        layers[f"activation{i}"] = activation(config.activation)
        layers[f"conv{i}"] = conv_transpose(
            features, WINDOW, strides=2, kernel_init=quarter_he_normal
        )
    return _taking("convolutional_decoder", (config.latent,), chain(**layers))


def _hidden_layers(widths: tuple[int, ...], name: str) -> dict[str, Model]:
    return {
        f"hidden{i}": chain(dense=dense(width), activation=activation(name))
        for i, width in enumerate(widths)
    }


def _unflatten(shape: tuple[int, ...]) -> Model:
    return function(lambda x: x.reshape(*x.shape[:-1], *shape))


def _taking(caller: str, shape: tuple[int, ...], model: Model) -> Model:
    """``model``, which refuses examples of another shape."""
    shape = tuple(shape)

    def check(x):
        check_float(caller, x)
        if x.shape[-len(shape) :] != shape:
            remedy = (
                "Channels come last in jnn: jnp.moveaxis(x, -3, -1)."
                if sorted(x.shape[-3:]) == sorted(shape)
                else ""
            )
            raise mistake(
                caller,
                got=f"x of shape {tuple(x.shape)}",
                expected=f"(..., {', '.join(map(str, shape))})",
                remedy=remedy,
            )

    def init(key, x):
        check(x)
        return model.init(key, x)

    def apply(params, state, x, **options):
        check(x)
        return model.apply(params, state, x, **options)

    return Model(init, apply)
