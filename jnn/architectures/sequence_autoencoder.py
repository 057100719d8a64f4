"""The LSTM autoencoder, for sequences of one length.

Each half is a model too, which takes its own part of the params:

>>> import jax, jax.numpy as jnp
>>> config = SequenceAutoencoderConfig(length=24, features=1, width=8, latent=3)
>>> params, state = jax.jit(lstm_autoencoder(config).init)(jax.random.key(0), jnp.ones((24, 1)))
>>> encode, decode = jax.jit(lstm_encoder(config).apply), jax.jit(lstm_decoder(config).apply)
>>> code, _ = encode(params["encoder"], {}, jnp.ones((5, 24, 1)))
>>> code.shape, decode(params["decoder"], {}, code)[0].shape
((5, 3), (5, 24, 1))
"""

import dataclasses

import jax.numpy as jnp

from jnn.architectures.settings import check_settings
from jnn.compose import chain
from jnn.errors import mistake
from jnn.layers.checks import check_float
from jnn.layers.dense import dense
from jnn.layers.last_element import last_element
from jnn.layers.lstm import lstm
from jnn.model import Model


@dataclasses.dataclass(frozen=True, kw_only=True)
class SequenceAutoencoderConfig:
    """The settings of an `lstm_autoencoder`."""

    length: int
    """Elements of a sequence, T."""
    features: int = 1
    """Numbers in an element, D."""
    width: int = 32
    """Features of the two LSTMs."""
    latent: int = 8
    """How many numbers the code has."""

    def __post_init__(self):
        """Refuse what is not positive."""
        check_settings(self)


def lstm_autoencoder(config: SequenceAutoencoderConfig) -> Model:
    """`lstm_encoder`, then `lstm_decoder`: x ``(..., T, D)`` -> y ``(..., T, D)``.

        h_1 ... h_T = LSTM(x),   z = A h_T + a
        s_T, s_{T-1} ... s_1 = LSTM(z, z, ... z),   y_t = C s_t + c

    The last element is decoded first, as the encoder read it last. Trained on normal sequences by
    the squared error, it reconstructs anomalous ones with a larger error. It takes no mask: all
    sequences have T elements.

    Source: Malhotra et al. 2016, https://arxiv.org/abs/1607.00148, whose decoder starts from the
    encoder's memory and reads its own previous output. Here the decoder reads a code of ``latent``
    numbers at each element (as that of Cho et al. 2014, https://arxiv.org/abs/1406.1078), so that
    the code can be narrow, and all elements are decoded at once.
    """
    return chain(encoder=lstm_encoder(config), decoder=lstm_decoder(config))


def lstm_encoder(config: SequenceAutoencoderConfig) -> Model:
    """The encoder: x ``(..., T, D)`` -> code z ``(..., latent)``.

    Raises `JnnError` for x of another length or width.
    """
    model = chain(lstm=lstm(config.width), last=last_element(), out=dense(config.latent))
    return _taking("lstm_encoder", (config.length, config.features), model)


def lstm_decoder(config: SequenceAutoencoderConfig) -> Model:
    """The decoder: code z ``(..., latent)`` -> y ``(..., T, D)``.

    Raises `JnnError` for a code of another length.
    """

    def at_each(z):
        return jnp.broadcast_to(z[..., None, :], (*z.shape[:-1], config.length, z.shape[-1]))

    def forward(s):
        return jnp.flip(s, axis=-2)

    model = chain(
        at_each=at_each, lstm=lstm(config.width), forward=forward, out=dense(config.features)
    )
    return _taking("lstm_decoder", (config.latent,), model)


def _taking(caller: str, shape: tuple[int, ...], model: Model) -> Model:
    """``model``, which refuses a mask, and examples of another shape."""

    def check(x, mask=None):
        check_float(caller, x)
        if x.shape[-len(shape) :] != shape:
            raise mistake(
                caller,
                got=f"x of shape {tuple(x.shape)}",
                expected=f"(..., {', '.join(map(str, shape))})",
            )
        if mask is not None:
            raise mistake(
                caller,
                got="a mask",
                expected="sequences that are whole",
                remedy="Cut them into windows of one length.",
            )

    def init(key, x):
        check(x)
        return model.init(key, x)

    def apply(params, state, x, *, key=None, train=False, mask=None):
        check(x, mask)
        return model.apply(params, state, x, key=key, train=train)

    return Model(init, apply)
