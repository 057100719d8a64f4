"""Classify images with an MLP, a CNN or a ResNet.

Source    scikit-learn's handwritten digits (1,797 of 8 x 8); 5,000 digits of MNIST; Fashion-MNIST (60,000 + 10,000 of 28 x 28, Xiao et al. 2017).
Command   jnn run image_classification [--data digits|mnist5k|fashion_mnist] [--model mlp|cnn|resnet]
"""

import dataclasses
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

import jnn
from jnn import losses, metrics
from jnn.architectures.mlp import MLPConfig, mlp
from jnn.data import augment, images
from jnn.data.splits import Splits
from jnn.train import About, Run, TrainingConfig, fit, in_memory, init_train_state, make_evaluate, make_step, seed_key

ABOUT = About(
    task="image classification",
    models=("mlp", "cnn", "resnet"),
    data=("digits", "mnist5k", "fashion_mnist"),
    metric="test/accuracy",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(TrainingConfig):
    """The settings of a run."""

    data: Literal["digits", "mnist5k", "fashion_mnist"] = "digits"
    """The images."""
    model: Literal["mlp", "cnn", "resnet"] = "cnn"
    """The architecture."""
    epochs: int = 60
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2


def build_model(config: Config, classes: int) -> jnn.Model:
    return mlp(MLPConfig(outputs=classes, input_rank=3))


def main(config: Config, run: Run) -> dict:
    splits = images.load_digits(seed=config.seed)
    model = build_model(config, len(splits.classes))

    def objective(params, state, batch, key):
        image = augment.random_translate(jnn.child_key(key, "augment"), images.to_float(batch["image"]), pixels=1)
        logits, state = model.apply(params, state, image, key=key, train=True)
        return losses.cross_entropy(logits, batch["label"]).mean(), (state, {})

    def predict(params, state, batch):
        return model.apply(params, state, images.to_float(batch["image"]))[0]

    feed = in_memory(splits.train, config.batch_size)
    optimizer = config.make_optimizer(config.epochs * feed.steps_per_epoch)
    train_state = init_train_state(seed_key(config.seed), model, optimizer, images.to_float(splits.train["image"][:1]))
    metric = metrics.collection({"loss": metrics.mean_of(losses.cross_entropy), "accuracy": metrics.accuracy()})
    evaluate = partial(make_evaluate, predict, metric, target="label")
    fitted = fit(
        make_step(objective, optimizer),
        train_state,
        feed,
        epochs=config.epochs,
        evaluate=evaluate(splits.validation, split="validation"),
        best="validation/accuracy",
        patience=config.patience,
        run=run,
    )
    return {"metrics": evaluate(splits.test, split="test")(fitted.params, fitted.state), "steps": int(fitted.train_state.step)}
