"""Autoencoders: the principal component analysis that a linear one can be, their halves, and that
they learn.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.decomposition import PCA

import jnn
from jnn.architectures.autoencoder import (
    ConvolutionalAutoencoderConfig,
    DenseAutoencoderConfig,
    convolutional_autoencoder,
    convolutional_decoder,
    convolutional_encoder,
    dense_autoencoder,
    dense_decoder,
    dense_encoder,
)
from jnn.losses import squared_error
from tests.architectures import drawn, eight, loss_after_training, parameters

SAME = 1e-10  # float64: the same sums in another order
LEARNED = 0.02  # of a variance of 1

DENSE = DenseAutoencoderConfig(shape=(4, 4, 1), hidden=(32,), latent=8)
CONVOLUTIONAL = ConvolutionalAutoencoderConfig(shape=(8, 8, 1), channels=(16, 32), latent=8)
HALVES = [
    (DENSE, dense_autoencoder, dense_encoder, dense_decoder),
    (CONVOLUTIONAL, convolutional_autoencoder, convolutional_encoder, convolutional_decoder),
]


def test_without_hidden_layers_it_can_be_a_principal_component_analysis(float64):
    x = (
        np.random.default_rng(0).standard_normal((20, 6))
        @ np.random.default_rng(1).standard_normal((6, 6))
        + 3
    )
    pca = PCA(2).fit(x)
    model = dense_autoencoder(DenseAutoencoderConfig(shape=(6,), hidden=(), latent=2))
    _, state = jax.jit(model.init)(jax.random.key(0), x)
    axes = jnp.asarray(pca.components_)
    params = {
        "encoder": {"out": {"kernel": axes.T, "bias": -axes @ pca.mean_}},
        "decoder": {"out": {"kernel": axes, "bias": jnp.asarray(pca.mean_)}},
    }
    np.testing.assert_allclose(
        jax.jit(model.apply)(params, state, jnp.asarray(x))[0],
        pca.inverse_transform(pca.transform(x)),
        atol=SAME,
    )


@pytest.mark.sampled(2)
@pytest.mark.parametrize(("config", "autoencoder", "encoder", "decoder"), HALVES)
def test_the_halves_are_models_with_their_part_of_the_params(config, autoencoder, encoder, decoder):
    model, x = autoencoder(config), eight(*config.shape)
    params, state = drawn(model, *config.shape)
    assert state == {}
    assert set(params) == {"encoder", "decoder"}
    code, _ = jax.jit(encoder(config).apply)(params["encoder"], {}, x)
    image, _ = jax.jit(decoder(config).apply)(params["decoder"], {}, code)
    assert code.shape == (8, config.latent)
    np.testing.assert_array_equal(image, jax.jit(model.apply)(params, state, x)[0])


def test_parameters_of_the_dense_one_mirror_each_other():
    count = parameters(
        dense_autoencoder(DenseAutoencoderConfig(shape=(28, 28, 1), hidden=(256, 64), latent=16)),
        28,
        28,
        1,
    )
    weights = 784 * 256 + 256 * 64 + 64 * 16
    assert count == 2 * weights + (256 + 64 + 16) + (64 + 256 + 784)


def test_parameters_of_the_convolutional_one_mirror_each_other():
    count = parameters(
        convolutional_autoencoder(
            ConvolutionalAutoencoderConfig(shape=(28, 28, 1), channels=(16, 32), latent=16)
        ),
        28,
        28,
        1,
    )
    weights = 4 * 4 * (1 * 16 + 16 * 32) + 7 * 7 * 32 * 16
    assert count == 2 * weights + (16 + 32 + 16) + (7 * 7 * 32 + 16 + 1)


@pytest.mark.sampled(2)
@pytest.mark.parametrize(("config", "autoencoder", "encoder", "decoder"), HALVES)
def test_the_decoder_begins_at_the_scale_of_its_code(config, autoencoder, encoder, decoder):
    model, code = decoder(config), jax.random.normal(jax.random.key(1), (100, config.latent))
    image, _ = jax.jit(model.apply)(*jax.jit(model.init)(jax.random.key(0), code), code)
    assert 0.3 < image.std() < 3


@pytest.mark.sampled(2)
@pytest.mark.parametrize(("config", "autoencoder", "encoder", "decoder"), HALVES)
def test_it_learns_eight_images(config, autoencoder, encoder, decoder):
    x = eight(*config.shape)
    first, last = loss_after_training(
        autoencoder(config), x, lambda y: squared_error(y, x), 5e-3, enough=LEARNED
    )
    assert last < LEARNED < first


@pytest.mark.slow  # those of a classifier are read in test_cnn.py
def test_captured_values_read_well():
    model, x = convolutional_autoencoder(CONVOLUTIONAL), jnp.ones((8, 8, 1))
    params, state = drawn(model, 8, 8, 1)
    _, values = jnn.capture(model.apply)(params, state, x)
    assert [path.removesuffix("/output") for path in values] == [
        *[
            f"encoder/{name}"
            for name in ("conv0", "activation0", "conv1", "activation1", "flatten", "out")
        ],
        "encoder",
        *[
            f"decoder/{name}"
            for name in ("dense", "unflatten", "activation0", "conv0", "activation1", "conv1")
        ],
        "decoder",
    ]
    assert (
        values["encoder/conv1/output"].shape
        == values["decoder/unflatten/output"].shape
        == (2, 2, 32)
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"shape": (30, 28, 1)},
            r"ConvolutionalAutoencoderConfig: got images of 30x28 for channels=.*, expected sides "
            r"divisible by 4\. Pad the images, or give fewer channels\.",
        ),
        (
            {"shape": (28, 28)},
            r"ConvolutionalAutoencoderConfig: got shape=\(28, 28\), expected a tuple of 3 integers",
        ),
        (
            {"channels": ()},
            r"ConvolutionalAutoencoderConfig: got channels=\(\), expected those of one",
        ),
        (
            {"channels": (8, 0)},
            r"ConvolutionalAutoencoderConfig: got channels\[1\]=0, expected an integer >= 1",
        ),
        ({"latent": 0}, r"ConvolutionalAutoencoderConfig: got latent=0, expected an integer >= 1"),
        ({"activation": "rellu"}, r"activation: got 'rellu', .* Did you mean 'relu'\?"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(jnn.JnnError, match=message):
        convolutional_autoencoder(
            ConvolutionalAutoencoderConfig(**{"shape": (28, 28, 1), **settings})
        )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"shape": (0, 3)}, r"DenseAutoencoderConfig: got shape\[0\]=0, expected an integer >= 1"),
        (
            {"hidden": (8, -1)},
            r"DenseAutoencoderConfig: got hidden\[1\]=-1, expected an integer >= 1",
        ),
        ({"latent": 2.5}, r"DenseAutoencoderConfig: got latent=2.5, expected an integer >= 1"),
    ],
)
def test_bad_settings_of_the_dense_one(settings, message):
    with pytest.raises(jnn.JnnError, match=message):
        dense_autoencoder(DenseAutoencoderConfig(**{"shape": (28, 28, 1), **settings}))


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (
            jnp.ones((1, 28, 28)),
            r"x of shape \(1, 28, 28\), expected \(..., 28, 28, 1\). Channels come last in jnn",
        ),
        (jnp.ones((5, 32, 32, 1)), r"x of shape \(5, 32, 32, 1\), expected \(..., 28, 28, 1\)"),
        (jnp.ones((28, 28, 1), jnp.uint8), r"x of dtype uint8, expected floating-point numbers"),
    ],
)
def test_bad_images(x, message):
    with pytest.raises(jnn.JnnError, match="dense_encoder: got " + message):
        dense_autoencoder(DenseAutoencoderConfig(shape=(28, 28, 1))).init(jax.random.key(0), x)
    with pytest.raises(jnn.JnnError, match="convolutional_encoder: got " + message):
        convolutional_autoencoder(ConvolutionalAutoencoderConfig(shape=(28, 28, 1))).init(
            jax.random.key(0), x
        )


@pytest.mark.parametrize(("config", "autoencoder", "encoder", "decoder"), HALVES)
def test_a_code_of_another_length(config, autoencoder, encoder, decoder):
    with pytest.raises(
        jnn.JnnError, match=rf"{decoder.__name__}: got x of shape \(5, 7\), expected \(..., 8\)"
    ):
        decoder(config).init(jax.random.key(0), jnp.ones((5, 7)))
