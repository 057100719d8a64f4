"""Generate images of a class by a GAN, a variational autoencoder or a diffusion model.

Source    dcgan: after Radford et al. 2016 (https://arxiv.org/abs/1511.06434), with hinge loss,
          spectral normalization and a discriminator that is conditional on the class (Miyato et al.
          2018, https://arxiv.org/abs/1802.05957). wgan_gp: Gulrajani et al. 2017
          (https://arxiv.org/abs/1704.00028). vae: Kingma & Welling 2014
          (https://arxiv.org/abs/1312.6114). diffusion: Ho et al. 2020
          (https://arxiv.org/abs/2006.11239), with velocities (Salimans & Ho 2022) and a
          deterministic sampler (Lu et al. 2022).
Data      fashion_mnist: 60,000 + 10,000 pictures of clothes, 28x28 (Xiao et al. 2017,
          https://arxiv.org/abs/1708.07747), with the published test part. digits: scikit-learn's
          1,797 handwritten digits, 8x8.
Scores    Against the test part, in the first 64 principal components of training images: the
          accuracy of the nearest neighbour in telling real from generated (0.5 is perfect), the
          Frechet distance, and the accuracy on test images of a support vector machine that was
          trained on generated ones.
Baselines Gaussians with the moments of all images, and of each class; pixels drawn independently;
          and, as what there is to reach, real training images.
Command   jnn run image_generation [--model dcgan|wgan_gp|vae|diffusion]
          [--data fashion_mnist|digits]
          jnn generate runs/image_generation/latest --prompt Sandal
Result    fashion_mnist, with the processor time of a run on an Intel Xeon; of dcgan and vae mean
          and standard deviation over seeds 0, 1, 2, of the others seed 0 alone:

                                  two-sample        Frechet           fake-to-real
                                  accuracy          distance          accuracy
          dcgan                   0.638 +- 0.009    0.335 +- 0.038    0.814 +- 0.004    15 min
          wgan_gp                 0.708             0.878             0.800             19 min
          vae                     0.620 +- 0.006    1.513 +- 0.028    0.823 +- 0.005     8 min
          diffusion               0.648             0.694             0.804             20 min
          real images             0.488             0.070             0.863
          Gaussian of each class  0.757             0.959             0.822

          No score is enough alone: the images of the autoencoder are smooth, which the nearest
          neighbour in 64 components misses and the Frechet distance does not; and Gaussians of each
          class, which look like no garment, teach a classifier as much as most models.
"""

import dataclasses
import math
from functools import partial
from pathlib import Path
from typing import Any, Literal

import optax

import jnn
from jnn.architectures.gan import GANConfig
from jnn.architectures.unet import DenoiserConfig
from jnn.architectures.vae import VAEConfig
from jnn.data.sets import images
from jnn.data.splits import Splits
from jnn.decoding.generate import Request
from jnn.errors import mistake
from jnn.generative.objectives import Generative, adversarial, diffusing, variational
from jnn.generative.optimizer import of_two_players
from jnn.generative.samples import asked_classes, samples_of_classes
from jnn.losses.adversarial import HINGE, WASSERSTEIN
from jnn.runs import About, Run, trained
from jnn.tasks.image_generation_task import FEW, image_generation, keeping_samples
from jnn.train import SUITED, Task, TrainingConfig, run_task

ABOUT = About(
    task="image generation",
    models=("dcgan", "wgan_gp", "vae", "diffusion"),
    data=("fashion_mnist", "digits"),
    metric="test/two_sample_accuracy",
    direction="lowest",
    expected="0.638 ± 0.009 (fashion_mnist, dcgan)",
    cost="15 min of processor time",
)
EPOCHS = {"dcgan": 15, "wgan_gp": 9, "vae": 12, "diffusion": 5}  # ten times as many for digits
USUAL = {"discriminator_rate": 2.0, "discriminator_steps": 1, "penalty": 10.0}
USUAL |= {"unlabelled": 0.1, "guidance": 1.0, "sampling_steps": 20}
GAN = {"channels": (64, 32), "noise": 64, "learning_rate": 5e-4, "batch_size": 64}
SETTINGS = {
    "dcgan": GAN,
    "wgan_gp": GAN,
    "vae": {"channels": (32, 64), "noise": 16, "learning_rate": 2e-3, "batch_size": 64},
    "diffusion": {"channels": (32, 128), "learning_rate": 2e-3, "batch_size": 32},
}
USED_BY = {
    "noise": ("dcgan", "wgan_gp", "vae"),
    "discriminator_rate": ("dcgan", "wgan_gp"),
    "discriminator_steps": ("dcgan", "wgan_gp"),
    "penalty": ("wgan_gp",),
    **dict.fromkeys(("unlabelled", "guidance", "sampling_steps"), ("diffusion",)),
}
PART = 100  # images that are drawn at once


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(TrainingConfig):
    """The settings of a run. One that the model does not use is refused."""

    data: Literal["fashion_mnist", "digits"] = "fashion_mnist"
    """The images."""
    model: Literal["dcgan", "wgan_gp", "vae", "diffusion"] = "dcgan"
    """The kind of generative model."""
    channels: tuple[int, ...] = SUITED
    """Channels at each size: of a GAN from the smallest images on, else from the largest."""
    noise: int = SUITED
    """Normal numbers that an image is drawn from; of a diffusion model as many as pixels."""
    discriminator_rate: float = SUITED
    """The discriminator's learning rate over that of the generator (dcgan, wgan_gp)."""
    discriminator_steps: int = SUITED
    """Steps of the discriminator for one of the generator (dcgan, wgan_gp)."""
    penalty: float = SUITED
    """Weight of the gradient penalty (wgan_gp)."""
    unlabelled: float = SUITED
    """Fraction of training images without their class, which guidance needs (diffusion)."""
    guidance: float = SUITED
    """How much the class is exaggerated; 1 for not (diffusion)."""
    sampling_steps: int = SUITED
    """Steps from noise to image (diffusion)."""
    samples: int = SUITED
    """Images that are drawn for the scores, equally many of each class."""
    epochs: int = SUITED
    batch_size: int = SUITED
    learning_rate: float = SUITED
    warmup: float = 0.0
    average_decay: float = 0.999

    def suited(self) -> dict[str, Any]:
        """The settings that suit the model, the data, or a smoke run."""
        epochs = EPOCHS[self.model] * (10 if self.data == "digits" else 1)  # of 40 times fewer
        sizes = {"noise": math.prod(images.SHAPES[self.data]), "epochs": epochs, "samples": 10_000}
        small = {"epochs": 2, "channels": (8,), "samples": 200, "sampling_steps": 3}
        return sizes | USUAL | SETTINGS[self.model] | (small if self.smoke else {})

    def __post_init__(self):
        """Refuse settings that no model can have, or that this one does not use."""
        super().__post_init__()
        self.require("discriminator_steps", "sampling_steps", least=1)
        if self.samples < PART or self.samples % PART:
            raise mistake("config", got=f"samples={self.samples}", expected=f"a multiple of {PART}")
        for name, models in USED_BY.items():
            if self.model not in models:
                expected = f"a model of {', '.join(models)}"
                self.refuse([name], f"of {self.model}", expected=expected)

    @property
    def is_adversarial(self) -> bool:
        """Whether a generator and a discriminator are trained."""
        return self.model in ("dcgan", "wgan_gp")

    def make_optimizer(self, steps: int, **overrides: Any) -> optax.GradientTransformation:
        """Of a GAN, an optimizer of each player."""
        if not self.is_adversarial:
            return super().make_optimizer(steps, **overrides)
        rate = overrides.pop("learning_rate", self.learning_rate)
        betas = {"b1": 0.0, "b2": 0.9} if self.optimizer == "adamw" else {}  # Gulrajani et al. 2017
        settings = {"options": betas | self.optimizer_options, **overrides}
        make = super().make_optimizer
        return of_two_players(
            lambda rate: make(steps, learning_rate=rate, **settings),
            rate,
            discriminator_rate=self.discriminator_rate,
            discriminator_steps=self.discriminator_steps,
        )


def load_data(config: Config, *, offline: bool = False) -> Splits:
    """Images and labels; in a smoke run random ones where the real ones are not embedded."""
    synthetic = 1000 if config.smoke else None
    return images.load_images(config.data, offline=offline, synthetic=synthetic)


def build(config: Config) -> Generative:
    """The model with its objective and its sampler."""
    shape, classes = images.SHAPES[config.data], len(images.CLASSES[config.data])
    sizes = {"shape": shape, "classes": classes, "channels": config.channels}
    if config.model == "vae":
        return variational(VAEConfig(**sizes, latent=config.noise), config.cast)
    if config.model == "diffusion":
        settings = DenoiserConfig(**sizes, patch=2 if config.data == "fashion_mnist" else 1)
        guided = {"unlabelled": config.unlabelled, "guidance": config.guidance}
        return diffusing(settings, config.cast, **guided, steps=config.sampling_steps)
    is_wasserstein = config.model == "wgan_gp"
    settings = GANConfig(**sizes, noise=config.noise, spectral=not is_wasserstein)
    loss, penalty = (WASSERSTEIN, config.penalty) if is_wasserstein else (HINGE, 0.0)
    return adversarial(settings, config.cast, loss=loss, penalty=penalty)


def describe(config: Config) -> tuple[jnn.Model, Any]:
    """The model and the shape of one example."""
    generative = build(config)
    return generative.model, generative.example


def generate(config: Config, folder: Path, request: Request):
    """A figure of images of all classes, or of the one that the prompt names."""
    from jnn.explain.results.reconstruction import image_rows

    classes, generative = images.CLASSES[config.data], build(config)
    asked = asked_classes(request.prompt, classes)
    params, state = trained(generative.model, generative.example, folder)
    sampler = partial(samples_of_classes, generative, params, state)
    drawn = sampler(len(classes), FEW, seed=request.seed)
    return image_rows({classes[k]: drawn[k] for k in asked})


def task(config: Config, splits: Splits) -> Task:
    """The last moving average of params is kept, for no loss of a GAN says which is best."""
    scored = {"count": config.samples, "seed": config.seed, "name": config.model}
    return image_generation(build(config), splits, batch_size=config.batch_size, **scored)


def main(config: Config, run: Run) -> dict[str, Any]:
    """`run_task`, which after each epoch keeps an image of each class, always of the same noise."""
    whole = task(config, load_data(config, offline=run.options.offline))
    keeping = whole, build(config), images.CLASSES[config.data], run.folder / "samples"
    return run_task(keeping_samples(*keeping), config, run)
