"""Generative models of images ready to be trained: what is learned, and how images are made, of
adversarial networks, variational autoencoders and diffusion models.

Each function makes a `Generative` from the settings of an architecture. Images have pixels from 0
to 1, or bytes, outside, and from -1 to 1 inside of models.

>>> import jax, jax.numpy as jnp
>>> from jnn.architectures.vae import VAEConfig
>>> how = variational(VAEConfig(shape=(8, 8, 1), classes=3, channels=(4,), hidden=8, latent=2))
>>> params, state = how.model.init(jax.random.key(0), how.example)
>>> how.draw(params, state, {"noise": jnp.ones((5, *how.noise)), "label": jnp.arange(5) % 3}).shape
(5, 8, 8, 1)
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jnn.architectures.gan import GANConfig, discriminator, gan, generator
from jnn.architectures.unet import DenoiserConfig, denoiser
from jnn.architectures.vae import VAEConfig, vae, vae_decoder
from jnn.data.sets.images import to_float
from jnn.generative import diffusion
from jnn.losses import binary_cross_entropy, gaussian_kl_divergence, squared_error
from jnn.losses.adversarial import Adversarial, gradient_penalty
from jnn.model import Model, child_key

Cast = Callable[[Model], Model]
"""What the models are made into, such as `jnn.cast`, which computes them in bfloat16."""

LABEL = jax.ShapeDtypeStruct((), jnp.int32)


class Generative(NamedTuple):
    """A model of images of classes, how it learns, and how it makes new ones."""

    model: Model
    example: Any
    """The shape of one input of the model."""
    objective: Callable
    """``(params, state, batch, key) -> loss, (state, metrics)``, as `jnn.train.make_step` takes it;
    a batch has ``image`` and ``label``.
    """
    draw: Callable
    """``(params, state, {"noise": (N, *noise), "label": (N,)}) -> images (N, H, W, C)`` from 0 to
    1; jitted.
    """
    noise: tuple[int, ...]
    """The shape of the normal numbers that an image is made from."""


def adversarial(
    config: GANConfig, cast: Cast = lambda model: model, *, loss: Adversarial, penalty: float = 0.0
) -> Generative:
    """Two players that learn in one step: the objective is the sum of their losses, in which each
    sees the other's params as constants.

    So the gradient by each player's params is that of its own loss alone, and an optimizer of each,
    joined by ``optax.partition``, makes one of both. They learn from the same noise, before either
    has moved. ``penalty`` is the weight of `gradient_penalty`, for a discriminator without spectral
    normalization. Metrics are ``generator_loss`` and ``discriminator_loss``, the penalty included.
    """
    makes, judges = cast(generator(config)), cast(discriminator(config))
    constant = jax.lax.stop_gradient

    def objective(params, state, batch, key):
        real, label = _inside(batch["image"]), batch["label"]
        noise = jax.random.normal(child_key(key, "noise"), (len(label), config.noise))
        own = {player: state.get(player, {}) for player in ("generator", "discriminator")}
        fake, makes_state = makes.apply(
            params["generator"], own["generator"], {"noise": noise, "label": label}, train=True
        )

        def score(params, image, label):
            return judges.apply(
                params["discriminator"],
                own["discriminator"],
                {"image": image, "label": label},
                train=True,
            )

        both, judges_state = score(
            params, jnp.concatenate([real, constant(fake)]), jnp.concatenate([label, label])
        )
        judged = jnp.mean(loss.discriminator(*jnp.split(both, 2)))
        if penalty:
            mix = jax.random.uniform(child_key(key, "mix"), label.shape)
            steepness = gradient_penalty(
                lambda image: score(params, image, label)[0], real, constant(fake), mix
            )
            judged += penalty * jnp.mean(steepness)
        deceived = jnp.mean(loss.generator(score(constant(params), fake, label)[0]))
        states = {"generator": makes_state, "discriminator": judges_state}
        return deceived + judged, (
            {player: states[player] for player in state},
            _losses(generator=deceived, discriminator=judged),
        )

    def draw(params, state, x):
        return _outside(makes.apply(params["generator"], state.get("generator", {}), x)[0])

    example = {"noise": jax.ShapeDtypeStruct((config.noise,), jnp.float32), "label": LABEL}
    return Generative(cast(gan(config)), example, objective, jax.jit(draw), (config.noise,))


def variational(config: VAEConfig, cast: Cast = lambda model: model) -> Generative:
    """An autoencoder whose codes are near normal: the objective is the bound on the negative log
    likelihood of pixels, in nats an image.

    New images are the mean of each pixel given a code, without the noise that the model has beside
    it: they are smooth.
    """
    model, decoder = cast(vae(config)), cast(vae_decoder(config))

    def objective(params, state, batch, key):
        x = {"image": _inside(batch["image"]), "label": batch["label"]}
        y, state = model.apply(params, state, x, key=child_key(key, "model"), train=True)
        errors = binary_cross_entropy(y["image"], to_float(batch["image"]))
        reconstruction = jnp.mean(jnp.sum(errors, axis=(-3, -2, -1)))
        divergence = jnp.mean(gaussian_kl_divergence(y["mean"], y["log_variance"]))
        return reconstruction + divergence, (
            state,
            _losses(reconstruction=reconstruction, divergence=divergence),
        )

    def draw(params, state, x):
        logits, _ = decoder.apply(params["decoder"], {}, {"code": x["noise"], "label": x["label"]})
        return jax.nn.sigmoid(logits)

    example = {"image": jax.ShapeDtypeStruct(config.shape, jnp.float32), "label": LABEL}
    return Generative(model, example, objective, jax.jit(draw), (config.latent,))


def diffusing(
    config: DenoiserConfig,
    cast: Cast = lambda model: model,
    *,
    unlabelled: float = 0.1,
    guidance: float = 1.0,
    steps: int = 20,
) -> Generative:
    """A network that tells noise from image at every time: the objective is the mean squared error
    of the velocity, as in `jnn.generative.diffusion`.

    ``unlabelled`` is the fraction of images that it sees without their class, ``guidance`` how much
    the class is exaggerated in drawing, which takes twice the time where it is not 1, and ``steps``
    those from noise to image.
    """
    model = cast(denoiser(config))

    def objective(params, state, batch, key):
        x, count = _inside(batch["image"]), batch["label"].shape
        keys = [child_key(key, name) for name in ("noise", "time", "label")]
        noise, t = jax.random.normal(keys[0], x.shape), jax.random.uniform(keys[1], count)
        label = jnp.where(
            jax.random.bernoulli(keys[2], unlabelled, count), config.classes, batch["label"]
        )
        v, state = model.apply(
            params,
            state,
            {"image": diffusion.diffused(x, noise, t), "time": t, "label": label},
            train=True,
        )
        return jnp.mean(squared_error(v, diffusion.velocity(x, noise, t))), (state, {})

    def draw(params, state, x):
        def velocity(image, t, label):
            return model.apply(
                params,
                state,
                {"image": image, "time": jnp.broadcast_to(t, label.shape), "label": label},
            )[0]

        def predict(image, t):
            v = velocity(image, t, x["label"])
            if guidance == 1:
                return v
            return diffusion.guided(
                v, velocity(image, t, jnp.full_like(x["label"], config.classes)), guidance
            )

        return _outside(diffusion.sample(predict, x["noise"], steps=steps, limit=1.0))

    example = {
        "image": jax.ShapeDtypeStruct(config.shape, jnp.float32),
        "time": jax.ShapeDtypeStruct((), jnp.float32),
        "label": LABEL,
    }
    return Generative(model, example, objective, jax.jit(draw), config.shape)


def _inside(image: jax.Array) -> jax.Array:
    """Pixels from 0 to 1, or bytes, as models see them: from -1 to 1."""
    return 2 * to_float(image) - 1


def _outside(image: jax.Array) -> jax.Array:
    return (image + 1) / 2


def _losses(**losses: jax.Array) -> dict[str, jax.Array]:
    return {f"{name}_loss": value for name, value in losses.items()}
