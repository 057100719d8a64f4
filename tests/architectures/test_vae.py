"""The variational autoencoder: what is drawn, its halves, and that it learns."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnn
from jnn import losses
from jnn.architectures.vae import VAEConfig, drawn_code, vae, vae_decoder, vae_encoder
from tests.architectures import eight, loss_after_training
from tests.compiled import apply

CONFIG = VAEConfig(shape=(8, 8, 1), classes=2, channels=(8, 16), hidden=32, latent=4)


def some():
    return {"image": jax.nn.sigmoid(3 * eight(8, 8, 1)), "label": jnp.arange(8) % 2}


def test_a_drawn_code_has_the_mean_and_the_deviation_of_its_distribution():
    count = 40_000
    x = {"mean": jnp.full(count, 1.5), "log_variance": jnp.full(count, 2 * np.log(0.3))}
    code, _ = jax.jit(drawn_code.apply, static_argnames="train")(
        {}, {}, x, key=jax.random.key(0), train=True
    )
    # one standard error of the mean; of the deviation it is a root of two less
    error = 0.3 / np.sqrt(count)
    assert abs(float(code.mean()) - 1.5) < 4 * error
    assert abs(float(code.std()) - 0.3) < 4 * error
    np.testing.assert_array_equal(jax.jit(drawn_code.apply)({}, {}, x)[0], x["mean"])


def test_a_draw_passes_gradients_to_mean_and_deviation():
    x = {"mean": jnp.zeros(3), "log_variance": jnp.zeros(3)}
    noise = jax.random.normal(jax.random.key(0), (3,))
    slope = jax.grad(
        lambda x: jnp.sum(apply(drawn_code, {}, {}, x, key=jax.random.key(0), train=True)[0])
    )(x)
    np.testing.assert_array_equal(slope["mean"], 1)
    # the derivative of exp(s / 2) at 0, in float32
    np.testing.assert_allclose(slope["log_variance"], noise / 2, rtol=1e-6)


@pytest.mark.slow
def test_the_halves_are_models_with_their_part_of_the_params():
    model, x = vae(CONFIG), some()
    params, state = jax.jit(model.init)(jax.random.key(0), x)
    assert state == {}
    assert set(params) == {"encoder", "decoder"}
    y, _ = jax.jit(model.apply)(params, state, x)
    code, _ = jax.jit(vae_encoder(CONFIG).apply)(params["encoder"], {}, x)
    image, _ = jax.jit(vae_decoder(CONFIG).apply)(
        params["decoder"], {}, {"code": code["mean"], "label": x["label"]}
    )
    np.testing.assert_array_equal(y["image"], image)
    np.testing.assert_array_equal(y["mean"], code["mean"])


@pytest.mark.slow  # the autoencoder without a draw learns in make test
def test_it_learns_eight_images():
    x = some()

    def bound(y):
        errors = losses.binary_cross_entropy(y["image"], x["image"])
        return jnp.sum(errors, axis=(1, 2, 3)) + losses.gaussian_kl_divergence(
            y["mean"], y["log_variance"]
        )

    first, last = loss_after_training(vae(CONFIG), x, bound, 1e-2)
    p = np.asarray(x["image"])
    least = np.mean(np.sum(-p * np.log(p) - (1 - p) * np.log1p(-p), axis=(1, 2, 3)))
    assert last - least < 0.25 * (first - least)  # which of eight images it is takes log 8 nats


def test_training_needs_a_key_and_dicts_need_their_names():
    model, x = vae(CONFIG), some()
    shapes = jax.eval_shape(model.init, jax.random.key(0), x)
    with pytest.raises(jnn.JnnError, match="vae: got train=True without a key"):
        jax.eval_shape(functools.partial(model.apply, train=True), *shapes, x)
    with pytest.raises(
        jnn.JnnError, match="vae_encoder: got a dict of image, expected a dict with image and label"
    ):
        vae_encoder(CONFIG).init(jax.random.key(0), {"image": x["image"]})
    with pytest.raises(
        jnn.JnnError, match="vae_decoder: got an array, expected a dict with code and label"
    ):
        vae_decoder(CONFIG).init(jax.random.key(0), x["image"])
    with pytest.raises(jnn.JnnError, match="VAEConfig: got latent=0, expected an integer >= 1"):
        VAEConfig(shape=(8, 8, 1), classes=2, latent=0)
    with pytest.raises(jnn.JnnError, match=r"VAEConfig: got channels=\(\), expected those of one"):
        VAEConfig(shape=(8, 8, 1), classes=2, channels=())
    with pytest.raises(jnn.JnnError, match=r"images of 30x30 .*, expected sides divisible by 4"):
        VAEConfig(shape=(30, 30, 1), classes=2, channels=(4, 8))
