"""What a short code keeps of an image: autoencoders of several code sizes, which train side by
side, beside principal components.

Source    Hinton & Salakhutdinov 2006, https://doi.org/10.1126/science.1127647, who compare with a
          principal component analysis too. The images are decoded from codes of noisy copies
          (Vincent et al. 2008, https://doi.org/10.1145/1390156.1390294).
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
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

import jnn
from jnn import losses, metrics
from jnn.architectures import autoencoder
from jnn.data.sets import images
from jnn.data.splits import Splits, from_arrays
from jnn.errors import mistake
from jnn.runs import About, Run
from jnn.train import Task, TrainingConfig, in_memory, make_evaluate, predict_all, seed_key, train

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
SHAPES = {"digits": (8, 8, 1), "fashion_mnist": (28, 28, 1)}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(TrainingConfig):
    """The settings of a run. The defaults were chosen on validation data of the digits."""

    data: Literal["digits", "fashion_mnist"] = "digits"
    """The images."""
    model: Literal["dense", "convolutional"] = "dense"
    """The architecture of encoders and decoders."""
    latents: tuple[int, ...] = (2, 4, 8, 16, 32)
    """How many numbers a code has: an autoencoder for each size."""
    hidden: tuple[int, ...] = (256, 256)
    """The width of each hidden layer of a dense encoder; the decoder has them in reverse."""
    channels: tuple[int, ...] = (32, 64)
    """The channels after each convolution of a convolutional encoder; the decoder has them in
    reverse.
    """
    noise: float = 0.05
    """Standard deviation of the noise on the pixels of what is encoded in training."""
    epochs: int = 0
    """How many times the training data is seen; 0 for what suits the data."""
    batch_size: int = 64
    learning_rate: float = 3e-3
    weight_decay: float = 0.1

    def __post_init__(self):
        """Fill in what suits the data, make a smoke run small, and check."""
        self.shrink(epochs=2, latents=(2, 8))
        self.suit(epochs=EPOCHS[self.data])
        pixels = SHAPES[self.data][0] * SHAPES[self.data][1]
        if (
            not self.latents
            or list(self.latents) != sorted(set(self.latents))
            or not 1 <= self.latents[0] <= self.latents[-1] <= pixels
        ):
            expected = f"increasing numbers from 1 to {pixels}, the pixels of an image"
            raise mistake("config", got=f"latents={self.latents}", expected=expected)
        super().__post_init__()


def load_data(config: Config, *, offline: bool = False) -> Splits:
    """Images and labels; for ``--smoke`` a few hundred, drawn at random in the same form where the
    real ones are not embedded.
    """
    if config.data == "digits":
        return images.load_digits()
    if config.smoke:
        rng, label = np.random.default_rng(0), np.arange(400) % 10
        image = np.clip(
            rng.normal(60, 40, (400, 28, 28, 1)) + 12 * label[:, None, None, None], 0, 255
        ).astype(np.uint8)
        return from_arrays(
            {"image": image, "label": label.astype(np.int32)},
            stratify="label",
            classes=images.FASHION_CLASSES,
        )
    return images.load_fashion_mnist(offline=offline)


def halves(config: Config, latent: int) -> tuple[jnn.Model, jnn.Model]:
    """The encoder to a code of ``latent`` numbers, and the decoder back."""
    shape = SHAPES[config.data]
    if config.model == "dense":
        settings = autoencoder.DenseAutoencoderConfig(
            shape=shape, hidden=config.hidden, latent=latent, activation="gelu"
        )
        return autoencoder.dense_encoder(settings), autoencoder.dense_decoder(settings)
    settings = autoencoder.ConvolutionalAutoencoderConfig(
        shape=shape, channels=config.channels, latent=latent, activation="gelu"
    )
    return autoencoder.convolutional_encoder(settings), autoencoder.convolutional_decoder(settings)


def member(latent: int) -> str:
    """The name of an autoencoder in params and outputs."""
    return f"latent{latent}"


def build_model(config: Config) -> jnn.Model:
    """An autoencoder for each size, side by side: x ``(..., H, W, 1)`` -> {size: y
    ``(..., H, W, 1)``}.
    """
    make = lambda encoder, decoder: jnn.chain(encoder=encoder, decoder=decoder)
    return config.cast(
        jnn.parallel(**{member(latent): make(*halves(config, latent)) for latent in config.latents})
    )


def describe(config: Config) -> tuple[jnn.Model, jax.ShapeDtypeStruct]:
    """The model and the shape of one example."""
    return build_model(config), jax.ShapeDtypeStruct(SHAPES[config.data], jnp.float32)


def objective(config: Config, model: jnn.Model, params, state, batch, key):
    """The sum of the members' mean squared errors: no member's gradient depends on another."""
    image = images.to_float(batch["image"])
    noisy = image + config.noise * jax.random.normal(jnn.child_key(key, "noise"), image.shape)
    decoded, state = model.apply(params, state, noisy, key=jnn.child_key(key, "model"), train=True)
    errors = {name: jnp.mean(losses.squared_error(y, image)) for name, y in decoded.items()}
    return sum(errors.values()), (state, {"mse": errors[member(config.latents[-1])]})


def predict(model: jnn.Model, params, state, batch) -> dict[str, jax.Array]:
    """What each member decodes from its codes of the images."""
    return model.apply(params, state, images.to_float(batch["image"]))[0]


def error(config: Config) -> metrics.Metric:
    """The mean squared error of each size, that of the largest as ``mse`` too, and their sum."""
    mse = metrics.mean_squared_error()
    measure = lambda decoded, image, weights=None: {
        f"mse_{latent}": mse.measure(decoded[member(latent)], images.to_float(image), weights)
        for latent in config.latents
    }

    def compute(sums):
        values = {name: mse.compute(each) for name, each in sums.items()}
        return {"mse": values[f"mse_{config.latents[-1]}"], **values, "loss": sum(values.values())}

    return metrics.Metric(measure, compute)


def principal_components(config: Config, splits: Splits):
    """scikit-learn's PCA of all that is not test data, with as many components as the largest code
    has numbers.
    """
    from sklearn.decomposition import PCA

    known = images.to_float(np.concatenate([splits.train["image"], splits.validation["image"]]))
    return PCA(config.latents[-1], random_state=0).fit(known.reshape(len(known), -1))


def projected(pca, latent: int, image: np.ndarray) -> np.ndarray:
    """The images ``(N, H, W, 1)`` as their first ``latent`` components tell them:
    ``μ + (x - μ) Vᵀ V``; the mean image for none.
    """
    v, mean = pca.components_[:latent], pca.mean_
    return (mean + (image.reshape(len(image), -1) - mean) @ v.T @ v).reshape(image.shape)


def baselines(config: Config, splits: Splits, pca) -> dict[str, float]:
    """Mean squared test error of the mean image, and of PCA for each size of the code."""
    image = images.to_float(splits.test["image"])
    mse = lambda latent: float(
        np.mean((projected(pca, latent, image) - image) ** 2, dtype=np.float64)
    )
    return {"mean image": mse(0), **{components(latent): mse(latent) for latent in config.latents}}


def components(latent: int) -> str:
    """The name of a PCA among the baselines."""
    return f"PCA with {latent} component{'s' if latent > 1 else ''}"


def sections(
    config: Config,
    model: jnn.Model,
    splits: Splits,
    params,
    state,
    pca,
    errors: dict[str, list[float]],
) -> list:
    """Pictures for the report: the error by the size of the code, what is decoded, and the map of
    codes of two numbers.
    """
    from jnn.explain.page.report import Section
    from jnn.explain.results import reconstruction

    label = splits.test["label"]
    present, first = np.unique(label, return_index=True)
    image = images.to_float(splits.test["image"][first])
    rows = {"original": image}
    decoded = predict(model, params, state, {"image": image})
    for latent in config.latents:
        rows |= {
            f"code of {latent}": np.asarray(decoded[member(latent)]),
            f"PCA, {latent}": projected(pca, latent, image),
        }
    found = [
        Section(
            "Error by the size of the code",
            "Mean squared error of a pixel on the test part. PCA is the best linear code of the images that it was fitted to.",
            reconstruction.error_by_size(config.latents, errors, name="test MSE"),
        ),
        Section(
            "What the code keeps",
            "A test image of each class, and what is decoded from its code.",
            reconstruction.image_rows(rows, columns=[splits.classes[k] for k in present]),
        ),
    ]
    if 2 in config.latents:
        found.append(
            Section(
                "The map of two numbers",
                "Test images at their codes of two numbers; some far off are outside the frame. The classes were not known in training.",
                reconstruction.class_map(
                    codes_of_two(config, splits, params, pca), label, splits.classes
                ),
            )
        )
    return found


def codes_of_two(config: Config, splits: Splits, params, pca) -> dict[str, np.ndarray]:
    """The codes ``(N, 2)`` of the test images, ours and the first two principal components."""
    encoder, _ = halves(config, 2)
    encode = lambda params, state, batch: encoder.apply(
        params, state, images.to_float(batch["image"])
    )[0]
    image = images.to_float(splits.test["image"])
    return {
        "autoencoder": predict_all(encode, params[member(2)]["encoder"], {}, splits.test),
        "PCA": pca.transform(image.reshape(len(image), -1))[:, :2],
    }


def task(config: Config, splits: Splits) -> Task:
    """What is trained, and how it is judged: params are kept where the sum of errors on validation
    data is lowest.
    """
    model = build_model(config)
    evaluate = partial(make_evaluate, partial(predict, model), error(config), target="image")
    return Task(
        model=model,
        objective=partial(objective, config, model),
        feed=in_memory(splits.train, config.batch_size),
        example=images.to_float(splits.train["image"][0]),
        validate=evaluate(splits.validation, split="validation"),
        test=evaluate(splits.test, split="test"),
        best="validation/loss",
        lowest=True,
    )


def main(config: Config, run: Run) -> dict:
    """Train all sizes together, keep what is best on validation data, and test it once."""
    splits = load_data(config, offline=run.options.offline)
    what = task(config, splits)
    fitted = train(what, config, seed_key(config.seed), run)
    found = what.test(fitted.params, fitted.state)
    measured = {
        name: float(found[name])
        for name in ("test/mse", *(f"test/mse_{latent}" for latent in config.latents))
    }
    pca = principal_components(config, splits)
    known = baselines(config, splits, pca)
    errors = {
        "autoencoder": [measured[f"test/mse_{latent}"] for latent in config.latents],
        "PCA": [known[components(latent)] for latent in config.latents],
    }
    return {
        "metrics": measured,
        "baselines": known,
        **fitted.counts,
        "data": {
            "name": config.data,
            **what.feed.identity,
            "validation": len(splits.validation["label"]),
            "test": len(splits.test["label"]),
        },
        "sections": sections(config, what.model, splits, fitted.params, fitted.state, pca, errors),
    }
