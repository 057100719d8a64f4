"""Predict the class in one column of a CSV file from the others, with a multilayer perceptron."""

import dataclasses
from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from jnn.architectures.mlp import MLPConfig, mlp
from jnn.data.array_files import features_and_labels, read_columns
from jnn.data.splits import from_arrays
from jnn.runs import About
from jnn.tasks import supervised
from jnn.train import SUITED, TrainingConfig

# What `jnn list` says of it. The direction tells which values of the metric are better.
ABOUT = About(task="classify the rows of a table", metric="test/accuracy", direction="highest")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(TrainingConfig):
    """The settings: each is an option of `jnn run`, beside those of every experiment."""

    file: str = ""
    """A CSV file of numbers with a line of names; without one, a table of scikit-learn."""
    target: str = "label"
    """The column to predict: classes, as whole numbers or words."""
    width: int = 64
    """Features of the hidden layer."""
    batch_size: int = 32  # no larger than the part to train on, which is 32 of 45 rows
    epochs: int = SUITED  # `suited` says what; what a user asks for is never changed
    learning_rate: float = 3e-3

    def suited(self):
        """The values of settings that are `SUITED`; --smoke makes a run of seconds."""
        return {"epochs": 2 if self.smoke else 100}


def load_data(config, *, offline=False):
    """Training, validation and test part of the table."""
    if config.file:
        columns = read_columns(config.file, words=(config.target,))
        features, label, classes = features_and_labels(columns, config.target)
        names = [name for name in columns if name != config.target]
    else:
        table: Any = load_breast_cancer()
        features, label, names = table.data, table.target, table.feature_names
        classes = ("malignant", "benign")
    arrays = {"features": features, "label": np.int32(label)}
    return from_arrays(arrays, stratify="label", classes=classes, columns=list(map(str, names)))


def build_model(config, classes):
    """Features ``(..., D)`` -> logits of the classes."""
    return config.cast(mlp(MLPConfig(outputs=classes, hidden=(config.width,), dropout=0.1)))


def predictor(config, preparation):
    """The model by what is saved with a run, for `jnn.load`: predictions need no other data."""
    return build_model(config, len(preparation.classes))


def task(config, splits):
    """What is trained, on what, and how it is judged: by cross entropy, on the validation part."""
    model = build_model(config, len(splits.classes))

    def baselines():  # what the model has to beat, on the same test part
        linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        train = splits.train_and_validation
        linear.fit(train["features"], train["label"])
        score = linear.score(splits.test["features"], splits.test["label"])
        return {"logistic regression": score}

    # For another objective than a mean loss, write a `jnn.train.Task` as the experiments do.
    trained = supervised(model, splits, batch_size=config.batch_size, standardize=True)
    return trained._replace(baselines=baselines)
