"""Compress images into codes of several sizes with autoencoders, beside principal components.

Source    Hinton & Salakhutdinov 2006, https://doi.org/10.1126/science.1127647, who compare with a
          principal component analysis too. The images are decoded from codes of noisy copies
          (Vincent et al. 2008, https://doi.org/10.1145/1390156.1390294). All sizes train side by
          side as one model.
Data      digits: scikit-learn's 1,797 handwritten digits, 8x8. fashion_mnist: 60,000 + 10,000
          pictures of clothes, 28x28 (Xiao et al. 2017, https://arxiv.org/abs/1708.07747), with the
          published test part. Pixels are from 0 to 1.
Baselines The mean image, and a principal component analysis (PCA) with as many components as a code
          has numbers, on the same split.
Command   jnn run autoencoder [--data digits|fashion_mnist] [--model dense|convolutional]
Result    test MSE by the numbers in the code, dense: mean and standard deviation over seeds 0, 1, 2
          (--seed N). Digits take about 1 min of processor time on an Intel Xeon, fashion_mnist 6
          min (its seed 0 with Python 3.12 and JAX 0.12, the others with 3.11 and 0.10.2).

          code  digits                 PCA        fashion_mnist          PCA
             2  0.0293  +- 0.0009      0.0532     0.02513 +- 0.00001     0.0461
             4  0.0180  +- 0.0006      0.0379     0.01776 +- 0.00003     0.0366
             8  0.0107  +- 0.0001      0.0246     0.01306 +- 0.00003     0.0266
            16  0.00543 +- 0.00003     0.0116     0.01061 +- 0.00003     0.0204
            32  0.00193 +- 0.00001     0.00261    0.00886 +- 0.00002     0.0151
"""

import dataclasses
import math
from functools import cache, partial
from typing import Any, Literal

import jax
import jax.numpy as jnp

import jnn
from jnn import losses, metrics
from jnn.architectures import autoencoder
from jnn.baselines.principal_components import principal_components
from jnn.data.image_scaling import to_float
from jnn.data.sets import images
from jnn.data.splits import Splits
from jnn.errors import mistake
from jnn.runs import About
from jnn.train import SUITED, Task, TrainingConfig, in_memory, make_evaluate, once, predict_all

ABOUT = About(
    task="compression of images into short codes",
    models=("dense", "convolutional"),
    data=("digits", "fashion_mnist"),
    metric="test/mse",
    direction="lowest",
    expected="0.00193 ± 0.00001 (digits, a code of 32); 0.00886 ± 0.00002 (fashion_mnist)",
    cost="1 min of processor time (digits), 6 min (fashion_mnist)",
)
EPOCHS = {"digits": 150, "fashion_mnist": 15}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(TrainingConfig):
    """The settings of a run. The defaults were chosen on validation data of the digits."""

    data: Literal["digits", "fashion_mnist"] = "digits"
    """The images."""
    model: Literal["dense", "convolutional"] = "dense"
    """The architecture of encoders and decoders."""
    latents: tuple[int, ...] = SUITED
    """How many numbers a code has: an autoencoder for each size."""
    hidden: tuple[int, ...] = (256, 256)
    """Widths of the hidden layers of a dense encoder; the decoder has them in reverse."""
    channels: tuple[int, ...] = (32, 64)
    """Channels of the convolutions of a convolutional encoder; the decoder has them in reverse."""
    noise: float = 0.05
    """Standard deviation of the noise on the pixels of what is encoded in training."""
    epochs: int = SUITED
    batch_size: int = 64
    learning_rate: float = 3e-3
    weight_decay: float = 0.1

    def suited(self) -> dict[str, Any]:
        """The epochs that suit the data; fewer of them, and fewer sizes, for a smoke run."""
        if self.smoke:
            return {"epochs": 2, "latents": (2, 8)}
        return {"epochs": EPOCHS[self.data], "latents": (2, 4, 8, 16, 32)}

    def __post_init__(self):
        """Check the sizes of codes too."""
        super().__post_init__()
        pixels = math.prod(images.SHAPES[self.data])
        increasing = list(self.latents) == sorted(set(self.latents))
        if not (self.latents and increasing and 1 <= self.latents[0] <= self.latents[-1] <= pixels):
            expected = f"increasing numbers from 1 to {pixels}, the pixels of an image"
            raise mistake("config", got=f"latents={self.latents}", expected=expected)


def load_data(config: Config, *, offline: bool = False) -> Splits:
    """Images and labels; in a smoke run random ones where the real ones are not embedded."""
    synthetic = 400 if config.smoke else None
    return images.load_images(config.data, offline=offline, synthetic=synthetic)


def halves(config: Config, latent: int) -> tuple[jnn.Model, jnn.Model]:
    """The encoder to a code of ``latent`` numbers, and the decoder."""
    common: Any = {"shape": images.SHAPES[config.data], "latent": latent, "activation": "gelu"}
    if config.model == "dense":
        dense = autoencoder.DenseAutoencoderConfig(hidden=config.hidden, **common)
        return autoencoder.dense_encoder(dense), autoencoder.dense_decoder(dense)
    conv = autoencoder.ConvolutionalAutoencoderConfig(channels=config.channels, **common)
    return autoencoder.convolutional_encoder(conv), autoencoder.convolutional_decoder(conv)


def of_size(latent: int) -> str:
    """The name of an autoencoder in params and outputs."""
    return f"latent{latent}"


def build_model(config: Config) -> jnn.Model:
    """Autoencoders side by side: x ``(..., H, W, 1)`` -> {size: y ``(..., H, W, 1)``}."""
    networks = {}
    for latent in config.latents:
        encoder, decoder = halves(config, latent)
        networks[of_size(latent)] = jnn.chain(encoder=encoder, decoder=decoder)
    return config.cast(jnn.parallel(**networks))


def describe(config: Config) -> tuple[jnn.Model, jax.ShapeDtypeStruct]:
    """The model and the shape of one example."""
    return build_model(config), jax.ShapeDtypeStruct(images.SHAPES[config.data], jnp.float32)


def task(config: Config, splits: Splits) -> Task:
    """Squared error of all sizes together; params are kept by its sum on validation data."""
    model, latents = build_model(config), config.latents

    def objective(params, state, batch, key):
        """The sum of the networks' mean squared errors: no gradient depends on another network."""
        image = to_float(batch["image"])
        noisy = image + config.noise * jax.random.normal(jnn.child_key(key, "noise"), image.shape)
        model_key = jnn.child_key(key, "model")
        decoded, state = model.apply(params, state, noisy, key=model_key, train=True)
        mse = {name: jnp.mean(losses.squared_error(y, image)) for name, y in decoded.items()}
        return sum(mse.values()), (state, {"mse": mse[of_size(latents[-1])]})

    def predict(params, state, batch):
        """What each size decodes from its codes of the images."""
        decoded, _ = model.apply(params, state, to_float(batch["image"]))
        return {latent: decoded[of_size(latent)] for latent in latents}

    def mse(latent: int) -> metrics.Metric:
        """The mean squared error of one size."""
        squares = lambda y, image: losses.squared_error(y[latent], to_float(image))
        return metrics.mean_of(squares)

    measures = {"mse": mse(latents[-1]), **{f"mse_{latent}": mse(latent) for latent in latents}}
    evaluate = partial(make_evaluate, predict, metrics.collection(measures), target="image")
    validation = evaluate(splits.validation, split="validation")
    tested = evaluate(splits.test, split="test")

    def validate(params, state):
        values = validation(params, state)
        total = sum(values[f"validation/mse_{latent}"] for latent in latents)
        return {**values, "validation/loss": total}

    @once
    def test(params, state):
        values = tested(params, state)
        return {f"test/{name}": values[f"test/{name}"] for name in measures}

    @cache
    def pca():
        image = splits.train_and_validation["image"]
        return principal_components(to_float(image), latents[-1])

    def codes(params):
        """The codes of two numbers of the test images."""
        encoder = config.cast(halves(config, 2)[0])
        encode = lambda params, state, batch: encoder.apply(params, state, batch["image"])[0]
        image = {"image": to_float(splits.test["image"])}
        return predict_all(encode, params[of_size(2)]["encoder"], {}, image)

    def sections(fitted):
        """The error by the size of the code, reconstructions, and the latent space."""
        from jnn.explain.sections import reconstruction as report

        image, label = to_float(splits.test["image"]), splits.test["label"]
        values, few = test(fitted.params, fitted.state), {"image": image[report.one_of_each(label)]}
        return report.report(
            *(image, label, splits.classes),
            errors={latent: float(values[f"test/mse_{latent}"]) for latent in latents},
            decoded=jax.device_get(predict(fitted.params, fitted.state, few)),
            codes=codes(fitted.params) if 2 in latents else None,
            pca=pca(),
        )

    return Task(
        model=model,
        objective=objective,
        feed=in_memory(splits.train, config.batch_size),
        example=to_float(splits.train["image"][0]),
        validate=validate,
        best="validation/loss",
        lowest=True,
        test=test,
        baselines=lambda: pca().errors(to_float(splits.test["image"]), latents),
        sections=sections,
        data=splits.sizes,
    )
