"""Generative models: what their objectives and draws are made of."""

import functools

import jax
import numpy as np
import pytest

from jnn.architectures.gan import GANConfig
from jnn.architectures.unet import DenoiserConfig, denoiser
from jnn.architectures.vae import VAEConfig
from jnn.generative.objectives import adversarial, diffusing, variational
from jnn.losses.adversarial import HINGE
from tests.compiled import apply, init

SINGLE = 1e-5  # float32: sums of some dozen numbers of order one
SHAPE, CLASSES = (4, 4, 1), 3
DENOISER = DenoiserConfig(
    shape=SHAPE, classes=CLASSES, channels=(4,), condition=8, groups=2, patch=1
)
UNET = denoiser(DENOISER)
MODELS = {
    "adversarial": adversarial(
        GANConfig(shape=SHAPE, classes=CLASSES, noise=2, channels=(4,), features=4), loss=HINGE
    ),
    "variational": variational(
        VAEConfig(shape=SHAPE, classes=CLASSES, channels=(4,), hidden=8, latent=2)
    ),
    "diffusing": diffusing(DENOISER, steps=3),
}
BATCH = {
    "image": np.random.default_rng(0).integers(0, 256, (6, *SHAPE), np.uint8),
    "label": np.arange(6, dtype=np.int32) % 3,
}


KEY = jax.random.key(3)


def normal(*shape):
    return np.random.default_rng(2).standard_normal(shape).astype(np.float32)


@functools.cache
def drawn(name):
    """Params without a part that is zero at first."""
    params, state = jax.device_get(init(MODELS[name].model, MODELS[name].example))
    leaves, structure = jax.tree.flatten(params)
    rng = np.random.default_rng(1)
    return structure.unflatten(
        [leaf + 0.2 * rng.standard_normal(leaf.shape).astype(np.float32) for leaf in leaves]
    ), state


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", MODELS)
def test_images_are_drawn_from_noise_alone_and_bytes_are_images_too(name):
    method = MODELS[name]
    params, state = drawn(name)
    x = {"noise": normal(6, *method.noise), "label": np.arange(6) % 3}
    image = np.asarray(method.draw(params, state, x))
    assert image.shape == (6, *SHAPE)
    assert 0 <= image.min() < image.max() <= 1
    alone = method.draw(params, state, {name: array[:1] for name, array in x.items()})
    np.testing.assert_allclose(alone, image[:1], atol=SINGLE)
    objective = jax.jit(method.objective)
    floats = BATCH | {"image": BATCH["image"].astype(np.float32) / 255}
    losses = [objective(params, state, batch, KEY)[0] for batch in (BATCH, floats)]
    np.testing.assert_allclose(*losses, rtol=SINGLE)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", MODELS)
def test_a_model_reads_what_its_objective_gives_it_and_its_pictures_are_from_0_to_1(name):
    generative, (params, state) = MODELS[name], drawn(name)

    @jax.jit
    def seen(key):
        x = generative.read(BATCH, key)
        return x, generative.view(x, generative.model.apply(params, state, x)[0])

    x, y = seen(KEY)
    like = lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype)
    assert jax.tree.map(like, x) == generative.example
    assert 0 <= float(y["image"].min()) <= float(y["image"].max()) <= 1
    assert float(x["image"].min()) < -0.5 if "image" in x else len(np.unique(x["noise"])) > 6


def test_the_objective_of_an_autoencoder_is_the_sum_of_its_parts():
    method = MODELS["variational"]
    objective = jax.jit(method.objective)
    loss, (_, metrics) = jax.device_get(objective(*drawn("variational"), BATCH, KEY))
    np.testing.assert_allclose(loss, sum(metrics.values()), rtol=SINGLE)
    assert metrics["divergence_loss"] > 0


@pytest.mark.slow
def test_what_is_seen_without_a_class_does_not_depend_on_it():
    losses = {}
    for unlabelled in (0.0, 1.0):
        method = diffusing(DENOISER, unlabelled=unlabelled)
        objective, (params, state) = jax.jit(method.objective), drawn("diffusing")
        batches = [BATCH | {"label": label} for label in (BATCH["label"], (BATCH["label"] + 1) % 3)]
        losses[unlabelled] = [float(objective(params, state, batch, KEY)[0]) for batch in batches]
    assert losses[1.0][0] == losses[1.0][1]
    assert losses[0.0][0] != losses[0.0][1]


@pytest.mark.parametrize("guidance", [pytest.param(1.0, marks=pytest.mark.slow), 2.5])
def test_one_step_from_noise_is_the_guided_velocity(guidance):
    method = diffusing(DENOISER, guidance=guidance, steps=1)
    params, state = drawn("diffusing")
    noise, label = normal(6, *SHAPE), np.arange(6) % 3
    at = {"image": noise, "time": np.ones(6, np.float32)}
    labels = (label, np.full(6, CLASSES))
    c, u = (np.asarray(apply(UNET, params, state, at | {"label": given})[0]) for given in labels)
    expected = (np.clip(-(u + guidance * (c - u)), -1, 1) + 1) / 2  # at t = 1 all is noise: x = -v
    np.testing.assert_allclose(
        method.draw(params, state, {"noise": noise, "label": label}), expected, atol=SINGLE
    )
