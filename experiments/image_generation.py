"""Make pictures of clothes or digits, of a class that one asks for: by a GAN, a variational
autoencoder, or a diffusion model.

Source    dcgan: after Radford et al. 2016 (https://arxiv.org/abs/1511.06434), with hinge loss, spectral normalization and a discriminator
          that knows the class (Miyato et al. 2018, https://arxiv.org/abs/1802.05957). wgan_gp: Gulrajani et al. 2017
          (https://arxiv.org/abs/1704.00028). vae: Kingma & Welling 2014 (https://arxiv.org/abs/1312.6114). diffusion: Ho et al. 2020
          (https://arxiv.org/abs/2006.11239), with velocities (Salimans & Ho 2022), and sampled without chance (Lu et al. 2022).
Data      fashion_mnist: 60,000 + 10,000 pictures of clothes, 28x28 (Xiao et al. 2017, https://arxiv.org/abs/1708.07747), with the published
          test part. digits: scikit-learn's 1,797 handwritten digits, 8x8.
Scores    Against the test part, in the first 64 principal components of training images: how often the nearest neighbour tells real from
          generated (0.5 is perfect), and the Frechet distance; and how many test images a support vector machine knows that learned from
          generated ones.
Baselines Gaussians with the moments of all images, and of each class; pixels that are drawn one by one; and, as what there is to reach,
          real training images.
Command   jnn run image_generation [--model dcgan|wgan_gp|vae|diffusion] [--data fashion_mnist|digits]
          jnn generate runs/image_generation/latest --prompt Sandal
Result    On fashion_mnist, with the processor time of a run on an Intel Xeon; of dcgan and vae mean and standard deviation over seeds 0, 1,
          2, of the others seed 0 alone:

                                  two-sample accuracy   Frechet distance   fake-to-real accuracy
          dcgan                   0.638 +- 0.009        0.335 +- 0.038     0.814 +- 0.004           15 min
          wgan_gp                 0.708                 0.878              0.800                    19 min
          vae                     0.620 +- 0.006        1.513 +- 0.028     0.823 +- 0.005            8 min
          diffusion               0.648                 0.694              0.804                    20 min
          real images             0.488                 0.070              0.863
          Gaussian of each class  0.757                 0.959              0.822

          No score is enough alone: the images of the autoencoder are smooth, which the nearest
          neighbour in 64 components does not see and the Frechet distance does; and Gaussians of
          each class, which look like no garment, teach a classifier as much as most models.
"""

import dataclasses
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import optax

import jnn
from jnn.architectures.gan import GANConfig
from jnn.architectures.unet import DenoiserConfig
from jnn.architectures.vae import VAEConfig
from jnn.data.sets import images
from jnn.data.splits import Splits, from_arrays
from jnn.decoding.generate import Request
from jnn.errors import mistake
from jnn.tables import metric_table
from jnn.files import replacing
from jnn.generative import scores as generation_scores
from jnn.generative.objectives import Generative, adversarial, diffusing, variational
from jnn.layers.checks import check_positive
from jnn.losses.adversarial import HINGE, WASSERSTEIN
from jnn.runs import About, Run, trained
from jnn.train import Task, TrainingConfig, in_memory, seed_key, train

ABOUT = About(
    task="image generation",
    models=("dcgan", "wgan_gp", "vae", "diffusion"),
    data=("fashion_mnist", "digits"),
    metric="test/two_sample_accuracy",
    direction="lowest",
    expected="0.638 ± 0.009 (fashion_mnist, dcgan)",
    cost="15 min of processor time",
)
CLASSES = {"fashion_mnist": images.FASHION_CLASSES, "digits": images.DIGIT_CLASSES}
SHAPES = {"fashion_mnist": (28, 28, 1), "digits": (8, 8, 1)}
SUITED = {  # channels: of a GAN from the smallest images on, of the others from the largest on
    "dcgan": {
        "channels": (64, 32),
        "noise": 64,
        "learning_rate": 5e-4,
        "batch_size": 64,
        "epochs": 15,
    },
    "wgan_gp": {
        "channels": (64, 32),
        "noise": 64,
        "learning_rate": 5e-4,
        "batch_size": 64,
        "epochs": 9,
    },
    "vae": {
        "channels": (32, 64),
        "noise": 16,
        "learning_rate": 2e-3,
        "batch_size": 64,
        "epochs": 12,
    },
    "diffusion": {"channels": (32, 128), "learning_rate": 2e-3, "batch_size": 32, "epochs": 5},
}
OF_THE_DIGITS = 10  # times as many epochs: there are 40 times fewer images
FEW = 10  # images of a class in pictures
# images that are made at once: of all classes what a picture shows, so that there is one program
PART = 100


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(TrainingConfig):
    """The settings of a run. The defaults that no run could have become what suits the model."""

    data: Literal["fashion_mnist", "digits"] = "fashion_mnist"
    """The images."""
    model: Literal["dcgan", "wgan_gp", "vae", "diffusion"] = "dcgan"
    """What makes images."""
    channels: tuple[int, ...] = ()
    """Channels at each size: of a GAN's generator from the smallest images on, of the others from
    the largest on.
    """
    noise: int = 0
    """How many normal numbers an image is made from; a diffusion model takes as many as there are
    pixels.
    """
    discriminator_rate: float = 2.0
    """The discriminator's learning rate over that of the generator."""
    discriminator_steps: int = 1
    """Steps of the discriminator for one of the generator."""
    penalty: float = 10.0
    """Weight of the gradient penalty (wgan_gp)."""
    unlabelled: float = 0.1
    """Fraction of images that a diffusion model sees without their class, so that it can be
    guided.
    """
    guidance: float = 1.0
    """How much a diffusion model exaggerates the class; 1 for not."""
    sampling_steps: int = 20
    """Steps from noise to image (diffusion)."""
    samples: int = 10_000
    """Images that are made for the scores, equally many of each class."""
    epochs: int = 0
    batch_size: int = 0
    learning_rate: float = 0.0
    warmup: float = 0.0
    average_decay: float = 0.999

    def __post_init__(self):
        """Fill in what suits the model, make a smoke run small, and check."""
        self.shrink(epochs=2, channels=(8,), samples=200, sampling_steps=3)
        if self.data == "digits":
            self.suit(epochs=OF_THE_DIGITS * SUITED[self.model]["epochs"])
        self.suit(**SUITED[self.model])
        check_positive(
            "config",
            discriminator_steps=self.discriminator_steps,
            sampling_steps=self.sampling_steps,
        )
        if self.samples < PART or self.samples % PART:
            raise mistake("config", got=f"samples={self.samples}", expected=f"a multiple of {PART}")
        super().__post_init__()

    @property
    def has_players(self) -> bool:
        """Whether two players are trained."""
        return self.model in ("dcgan", "wgan_gp")

    def make_optimizer(self, steps: int, **overrides: Any) -> optax.GradientTransformation:
        """For two players an optimizer of each, so that one update is a step of both; for
        ``discriminator_steps`` above 1 the generator moves in the last of so many."""
        if not self.has_players:
            return super().make_optimizer(steps, **overrides)
        rate = overrides.pop("learning_rate", self.learning_rate)
        # Gulrajani et al. 2017
        options = {
            **({"b1": 0.0, "b2": 0.9} if self.optimizer == "adamw" else {}),
            **self.optimizer_options,
        }
        make = lambda rate: super(Config, self).make_optimizer(
            steps, **{"options": options, "learning_rate": rate, **overrides}
        )
        its_turn = lambda step, **others: (
            step % self.discriminator_steps == self.discriminator_steps - 1
        )
        generator = optax.conditionally_mask(make(rate), its_turn)
        players = {"generator": generator, "discriminator": make(self.discriminator_rate * rate)}
        return optax.partition({**players}, lambda params: {player: player for player in params})


def load_data(config: Config, *, offline: bool = False) -> Splits:
    """Images and labels; for ``--smoke`` a few hundred, drawn at random in the same form where the
    real ones are not embedded.
    """
    if config.data == "digits":
        return images.load_digits()
    if config.smoke:
        rng, label = np.random.default_rng(0), np.arange(1000) % 10
        image = np.clip(
            rng.normal(60, 40, (1000, 28, 28, 1)) + 12 * label[:, None, None, None], 0, 255
        ).astype(np.uint8)
        return from_arrays(
            {"image": image, "label": label.astype(np.int32)},
            stratify="label",
            classes=images.FASHION_CLASSES,
        )
    return images.load_fashion_mnist(offline=offline)


def recipe(config: Config) -> Generative:
    """The config's model, how it learns, and how it makes images."""
    shape, classes = SHAPES[config.data], len(CLASSES[config.data])
    if config.model == "vae":
        return variational(
            VAEConfig(shape=shape, classes=classes, channels=config.channels, latent=config.noise),
            config.cast,
        )
    if config.model == "diffusion":
        patch = 2 if config.data == "fashion_mnist" else 1
        settings = DenoiserConfig(
            shape=shape, classes=classes, channels=config.channels, patch=patch
        )
        how = {
            "unlabelled": config.unlabelled,
            "guidance": config.guidance,
            "steps": config.sampling_steps,
        }
        return diffusing(settings, config.cast, **how)
    is_wasserstein = config.model == "wgan_gp"
    settings = GANConfig(
        shape=shape,
        classes=classes,
        noise=config.noise,
        channels=config.channels,
        spectral=not is_wasserstein,
    )
    loss, penalty = (WASSERSTEIN, config.penalty) if is_wasserstein else (HINGE, 0.0)
    return adversarial(settings, config.cast, loss=loss, penalty=penalty)


def describe(config: Config) -> tuple[jnn.Model, Any]:
    """The model and the shape of one example."""
    how = recipe(config)
    return how.model, how.example


def make(
    how: Generative,
    params,
    state,
    label: np.ndarray,
    *,
    seed: int = 0,
    noise: np.ndarray | None = None,
) -> np.ndarray:
    """Images of the classes ``label`` ``(N,)``, a multiple of `PART`, from noise that is drawn or
    given: ``(N, H, W, 1)`` from 0 to 1.
    """
    if noise is None:
        noise = np.random.default_rng(seed).standard_normal((len(label), *how.noise))
    x = {"noise": noise.astype(np.float32), "label": label.astype(np.int32)}
    parts = [
        {name: array[i : i + PART] for name, array in x.items()} for i in range(0, len(label), PART)
    ]
    return np.concatenate([np.asarray(how.draw(params, state, part), np.float32) for part in parts])


def a_few(how: Generative, params, state, *, seed: int = 1) -> np.ndarray:
    """Some images of each class: ``(classes, FEW, H, W, 1)``."""
    return np.stack(
        np.split(make(how, params, state, np.repeat(np.arange(10), FEW), seed=seed), 10)
    )


def generate(config: Config, folder: Path, request: Request):
    """A picture of images that a trained model makes: of all classes, or of the one that the prompt
    names.
    """
    from jnn.explain.results.reconstruction import image_rows

    classes = CLASSES[config.data]
    wanted = [name for name in classes if request.prompt.strip().lower() in ("", name.lower())]
    if not wanted:
        raise mistake(
            "image_generation",
            got=f"prompt={request.prompt!r}",
            expected=f"nothing, or one of {', '.join(classes)}",
        )
    how = recipe(config)
    params, state = trained(how.model, how.example, folder)
    made = a_few(how, params, state, seed=request.seed)
    return image_rows({name: made[classes.index(name)] for name in wanted})


def task(config: Config, splits: Splits) -> Task:
    """What is trained; the last moving average of params is what is kept, for no loss of two
    players says which is best.
    """
    how = recipe(config)
    return Task(
        model=how.model,
        objective=how.objective,
        feed=in_memory(splits.train, config.batch_size),
        example=how.example,
    )


def baselines(
    config: Config, splits: Splits, judge: generation_scores.Judge
) -> dict[str, dict[str, float]]:
    """The scores of what can be drawn without a network, of as many images as are made."""
    image, label = images.to_float(splits.train["image"]), splits.train["label"]
    few = config.samples // 10
    of_class = lambda k: generation_scores.gaussian_images(image[label == k], few, seed=k)
    in_turn = np.stack([of_class(k) for k in range(10)], axis=1).reshape(-1, *image.shape[1:])
    return {
        "Gaussian of each class": generation_scores.scores(
            judge, in_turn, np.tile(np.arange(10), few)
        ),
        "Gaussian": generation_scores.scores(
            judge, generation_scores.gaussian_images(image, config.samples)
        ),
        "single pixels": generation_scores.scores(
            judge, generation_scores.independent_pixels(image[-config.samples :])
        ),
    }


def keep_samples(how: Generative, folder: Path, step: int, params, state) -> None:
    """Write an image of each class, always from the same noise, for the picture of samples over
    time.
    """
    (folder / "samples").mkdir(exist_ok=True)
    made = a_few(how, params, state)[:, 0]
    with replacing(folder / "samples" / f"{step:08}.npy") as path:
        np.save(path, np.rint(255 * made).astype(np.uint8))


def over_time(folder: Path, rows: int = 6) -> dict[str, np.ndarray]:
    """The samples that were kept, of some steps from the first to the last."""
    paths = sorted((folder / "samples").glob("*.npy"))
    chosen = sorted({round(i) for i in np.geomspace(1, len(paths), min(rows, len(paths)))})
    return {f"step {int(paths[i - 1].stem):,}": np.load(paths[i - 1]) / 255 for i in chosen}


def sections(
    config: Config, how: Generative, fitted, folder: Path, table: str, shares: dict[str, np.ndarray]
) -> list:
    """Pictures for the report: scores, samples and how they came to be, the way between two, and
    what a classifier sees in them.
    """
    from jnn.explain.page.report import Section
    from jnn.explain.results import generated_images, reconstruction

    classes, (params, state) = CLASSES[config.data], (fitted.params, fitted.state)
    made = a_few(how, params, state)
    ends = np.random.default_rng(2).standard_normal((2, 10, *how.noise))
    path = generated_images.between(ends[0], ends[1], FEW)
    way = make(
        how, params, state, np.repeat(np.arange(10), FEW), noise=path.reshape(-1, *how.noise)
    ).reshape(10, FEW, *made.shape[2:])
    found = [
        Section(
            "Scores",
            "Beside what they are for real images and for images that are drawn without a network.",
            table,
        ),
        Section(
            "Samples",
            "Each row is a class; no image was chosen.",
            reconstruction.image_rows(dict(zip(classes, made, strict=True))),
        ),
        Section(
            "Samples over time",
            "One image of each class, from the same noise throughout.",
            reconstruction.image_rows(over_time(folder), columns=classes),
        ),
        Section(
            "From one image to another",
            "The noise of the first image turns into that of the last, on an arc; the class stays.",
            reconstruction.image_rows(dict(zip(classes, way, strict=True))),
        ),
        Section(
            "Coverage of the classes",
            "What a classifier that learned from real images takes generated ones for; equally many were asked for.",
            generated_images.class_coverage(shares, classes),
        ),
    ]
    if config.has_players:
        names = {f"train/{player}_loss": player for player in ("generator", "discriminator")}
        text = "Neither falls for long: what one learns makes the other's task harder. They do not say how good the images are."
        found.append(
            Section("Two players", text, generated_images.losses_of_players(fitted.history, names))
        )
    return found


def main(config: Config, run: Run) -> dict:
    """Train, make images with the last moving average of params, and compare them with the test
    part.
    """
    splits = load_data(config, offline=run.options.offline)
    what, how = task(config, splits), recipe(config)
    fitted = train(
        what._replace(look=partial(keep_samples, how, run.folder)),
        config,
        seed_key(config.seed),
        run,
    )
    run.say(f"making {config.samples:,} images")
    label = np.tile(np.arange(10), config.samples // 10)
    made = make(how, fitted.params, fitted.state, label, seed=config.seed)
    as_floats = lambda part: {**part, "image": images.to_float(part["image"])}
    judge = generation_scores.judge(as_floats(splits.train), as_floats(splits.test))
    found, known = generation_scores.scores(judge, made, label), baselines(config, splits, judge)
    last = {name: array[-config.samples :] for name, array in as_floats(splits.train).items()}
    real = generation_scores.scores(judge, last["image"], last["label"])
    seen = judge.classify(judge.project(made))
    shares = {
        "generated": generation_scores.class_shares(seen, 10),
        "real": generation_scores.class_shares(judge.classify(judge.real), 10),
    }
    return {
        "metrics": {
            **{f"test/{name}": value for name, value in found.items()},
            "test/least_class_share": float(shares["generated"].min()),
            "test/class_as_asked": float(np.mean(seen == label)),
        },
        "baselines": {name: values["two_sample_accuracy"] for name, values in known.items()},
        **fitted.counts,
        "data": {"name": config.data, **what.feed.identity, "test": len(splits.test["label"])},
        "sections": sections(
            config,
            how,
            fitted,
            run.folder,
            metric_table({config.model: found, "real images": real, **known}),
            shares,
        ),
    }
