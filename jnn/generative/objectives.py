"""Generative models of images, ready to be trained and sampled.

Each function makes a `Generative` from the settings of an architecture: an adversarial network, a
variational autoencoder or a diffusion model. Pixels are from 0 to 1, or bytes, in batches and
results, and from -1 to 1 within models.

>>> import jax, jax.numpy as jnp
>>> from jnn.architectures.vae import VAEConfig
>>> config = VAEConfig(shape=(8, 8, 1), classes=3, channels=(4,), hidden=8, latent=2)
>>> generative = variational(config)
>>> params, state = generative.model.init(jax.random.key(0), generative.example)
>>> x = {"noise": jnp.ones((5, *generative.noise)), "label": jnp.arange(5) % 3}
>>> generative.draw(params, state, x).shape
(5, 8, 8, 1)
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jnn.architectures.gan import GANConfig, discriminator, gan, generator
from jnn.architectures.unet import DenoiserConfig, denoiser
from jnn.architectures.vae import VAEConfig, vae, vae_decoder
from jnn.data.image_scaling import to_float
from jnn.generative import diffusion
from jnn.losses import binary_cross_entropy, gaussian_kl_divergence, squared_error
from jnn.losses.adversarial import Adversarial, gradient_penalty
from jnn.model import Model, child_key

Cast = Callable[[Model], Model]
"""Applied to each model, such as `jnn.cast`, which computes it in bfloat16."""

LABEL = jax.ShapeDtypeStruct((), jnp.int32)


class Generative(NamedTuple):
    """A class-conditional model of images, its objective, and its sampler."""

    model: Model
    example: Any
    """The shape of one input of the model."""
    objective: Callable
    """``(params, state, batch, key) -> loss, (state, metrics)``, as `jnn.train.make_step` takes it.

    A batch has ``image`` and ``label``.
    """
    draw: Callable
    """``(params, state, x) -> images``, jitted.

    ``x`` is ``{"noise": (N, *noise), "label": (N,)}``; images are ``(N, H, W, C)`` from 0 to 1.
    """
    noise: tuple[int, ...]
    """The shape of the normal noise that an image is generated from."""
    read: Callable = lambda batch, key: batch
    """``(batch, key) -> x``, the input of the model in training."""
    view: Callable = lambda x, y: y
    """``(x, y) -> y``, the output of the model with images whose pixels are from 0 to 1."""


def adversarial(
    config: GANConfig, cast: Cast = lambda model: model, *, loss: Adversarial, penalty: float = 0.0
) -> Generative:
    """A generator and a discriminator that are updated in one step.

    The objective is the sum of their losses, each with the other's params constant, so that the
    gradient with respect to each network's params is that of its own loss alone. The optimizers of
    both are joined by ``optax.partition``. Both losses are of the same noise and the same params.

    ``penalty`` is the weight of `gradient_penalty`, for a discriminator without spectral
    normalization. Metrics are ``generator_loss`` and ``discriminator_loss``, the penalty included.
    """
    generate, discriminate = cast(generator(config)), cast(discriminator(config))
    constant = jax.lax.stop_gradient

    def read(batch, key):
        shape = len(batch["label"]), config.noise
        noise = jax.random.normal(child_key(key, "noise"), shape)
        return {"noise": noise, "label": batch["label"]}

    def objective(params, state, batch, key):
        real, label = _to_signed(batch["image"]), batch["label"]
        x = read(batch, key)
        g_state, d_state = state.get("generator", {}), state.get("discriminator", {})
        fake, g_state = generate.apply(params["generator"], g_state, x, train=True)

        def score(params, image, label):
            x = {"image": image, "label": label}
            return discriminate.apply(params["discriminator"], d_state, x, train=True)

        both = jnp.concatenate([real, constant(fake)]), jnp.concatenate([label, label])
        scores, new_d_state = score(params, *both)
        d_loss = jnp.mean(loss.discriminator(*jnp.split(scores, 2)))
        if penalty:
            mix = jax.random.uniform(child_key(key, "mix"), label.shape)
            real_or_fake = lambda image: score(params, image, label)[0]
            d_loss += penalty * jnp.mean(gradient_penalty(real_or_fake, real, constant(fake), mix))
        g_loss = jnp.mean(loss.generator(score(constant(params), fake, label)[0]))
        new_state = {"generator": g_state, "discriminator": new_d_state}
        new_state = {player: new_state[player] for player in state}
        return g_loss + d_loss, (new_state, _losses(generator=g_loss, discriminator=d_loss))

    def draw(params, state, x):
        return _to_unit(generate.apply(params["generator"], state.get("generator", {}), x)[0])

    example = {"noise": jax.ShapeDtypeStruct((config.noise,), jnp.float32), "label": LABEL}
    view = lambda x, y: {**y, "image": _to_unit(y["image"])}
    of_noise = (config.noise,)
    return Generative(cast(gan(config)), example, objective, jax.jit(draw), of_noise, read, view)


def variational(config: VAEConfig, cast: Cast = lambda model: model) -> Generative:
    """A variational autoencoder: the objective is the negative ELBO, in nats an image.

    It bounds the negative log-likelihood of the pixels. New images are the mean of each pixel given
    a code, without the noise of the model's pixel distribution: they are smooth.
    """
    model, decoder = cast(vae(config)), cast(vae_decoder(config))

    def read(batch, key):
        return {"image": _to_signed(batch["image"]), "label": batch["label"]}

    def objective(params, state, batch, key):
        x = read(batch, key)
        y, state = model.apply(params, state, x, key=child_key(key, "model"), train=True)
        errors = binary_cross_entropy(y["image"], to_float(batch["image"]))
        reconstruction = jnp.mean(jnp.sum(errors, axis=(-3, -2, -1)))
        divergence = jnp.mean(gaussian_kl_divergence(y["mean"], y["log_variance"]))
        losses = _losses(reconstruction=reconstruction, divergence=divergence)
        return reconstruction + divergence, (state, losses)

    def draw(params, state, x):
        logits, _ = decoder.apply(params["decoder"], {}, {"code": x["noise"], "label": x["label"]})
        return jax.nn.sigmoid(logits)

    example = {"image": jax.ShapeDtypeStruct(config.shape, jnp.float32), "label": LABEL}
    view = lambda x, y: {**y, "image": jax.nn.sigmoid(y["image"])}
    return Generative(model, example, objective, jax.jit(draw), (config.latent,), read, view)


def diffusing(
    config: DenoiserConfig,
    cast: Cast = lambda model: model,
    *,
    unlabelled: float = 0.1,
    guidance: float = 1.0,
    steps: int = 20,
) -> Generative:
    """A diffusion model: the objective is the mean squared error of the velocity.

    The mathematics is that of `jnn.generative.diffusion`. ``unlabelled`` is the fraction of images
    that are trained on without their class, ``guidance`` the weight of classifier-free guidance in
    sampling, which takes twice the time where it is not 1, and ``steps`` the number of sampling
    steps.
    """
    model = cast(denoiser(config))

    def noised(batch, key):
        """Images, the noise in them, and the input that they become."""
        x, count = _to_signed(batch["image"]), batch["label"].shape
        keys = [child_key(key, name) for name in ("noise", "time", "label")]
        noise, t = jax.random.normal(keys[0], x.shape), jax.random.uniform(keys[1], count)
        is_unlabelled = jax.random.bernoulli(keys[2], unlabelled, count)
        label = jnp.where(is_unlabelled, config.classes, batch["label"])
        return x, noise, {"image": diffusion.diffused(x, noise, t), "time": t, "label": label}

    def objective(params, state, batch, key):
        x, noise, x_t = noised(batch, key)
        v, state = model.apply(params, state, x_t, train=True)
        target = diffusion.velocity(x, noise, x_t["time"])
        return jnp.mean(squared_error(v, target)), (state, {})

    def view(x_t, v):
        clean = diffusion.denoised(x_t["image"], v, x_t["time"])
        return {"image": jnp.clip(_to_unit(clean), 0, 1), "velocity": v}

    def draw(params, state, x):
        def velocity(image, t, label):
            x_t = {"image": image, "time": jnp.broadcast_to(t, label.shape), "label": label}
            return model.apply(params, state, x_t)[0]

        def predict(image, t):
            v = velocity(image, t, x["label"])
            if guidance == 1:
                return v
            no_class = jnp.full_like(x["label"], config.classes)
            return diffusion.guided(v, velocity(image, t, no_class), guidance)

        return _to_unit(diffusion.sample(predict, x["noise"], steps=steps, limit=1.0))

    example = {
        "image": jax.ShapeDtypeStruct(config.shape, jnp.float32),
        "time": jax.ShapeDtypeStruct((), jnp.float32),
        "label": LABEL,
    }
    read = lambda batch, key: noised(batch, key)[-1]
    return Generative(model, example, objective, jax.jit(draw), config.shape, read, view)


def _to_signed(image: jax.Array) -> jax.Array:
    """Pixels from -1 to 1 of those from 0 to 1, or of bytes."""
    return 2 * to_float(image) - 1


def _to_unit(image: jax.Array) -> jax.Array:
    """Pixels from 0 to 1 of those from -1 to 1."""
    return (image + 1) / 2


def _losses(**losses: jax.Array) -> dict[str, jax.Array]:
    return {f"{name}_loss": value for name, value in losses.items()}
