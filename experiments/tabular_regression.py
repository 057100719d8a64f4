"""Predict a number from the other columns of a table with an ensemble of MLPs, by their mean.

Source    Members that differ in their initial values and dropout: Lakshminarayanan, Pritzel,
          Blundell 2017, https://arxiv.org/abs/1612.01474. Columns cut into pieces: Gorishniy,
          Rubachev, Babenko 2022, https://arxiv.org/abs/2203.05556, section 3.2, here without what
          lies beyond the ends.
Data      diabetes: 442 patients, 10 measurements, the progression of the disease after a year;
          comes with scikit-learn; test part 25 %. diamonds: 53,940 diamonds, 9 measurements and
          grades, the logarithm of the price in dollars; from R's ggplot2; test part 20 %.
Baselines The mean, ridge regression and gradient boosting on the same split.
Command   jnn run tabular_regression [--data diabetes|diamonds] [--seed 0]
Result    test RMSE, mean and standard deviation over seeds 0, 1, 2, on two cores of an Intel Xeon,
          time of one run:

          data                                time  ridge regression  gradient boosting   mean
          diabetes   55.5 +- 0.6              10 s              56.2               63.3   70.5
          diamonds   0.0842 +- 0.0002   1.5 to 3 min            0.1843             0.0910  1.017
"""

import dataclasses
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp

import jnn
from jnn import metrics
from jnn.architectures.averages import mean_of_members
from jnn.architectures.mlp import MLPConfig, mlp
from jnn.baselines import tabular
from jnn.data.piecewise_linear import encode_pieces, fit_pieces
from jnn.data.scaling import fit_scaling, scale, standardize, unscale
from jnn.data.sets import tables
from jnn.data.splits import Splits
from jnn.runs import About
from jnn.tasks import task_on_splits
from jnn.train import SUITED, Preparation, Task, TrainingConfig

ABOUT = About(
    task="regression of tables",
    models=("mlp",),
    data=("diabetes", "diamonds"),
    metric="test/rmse",
    direction="lowest",
    expected="55.5 ± 0.6 (diabetes), 0.0842 ± 0.0002 (diamonds)",
    cost="10 s (diabetes), 1.5 to 3 min (diamonds) on 2 cores",
)
# chosen by cross-validation on what is not test data, and for diamonds on the validation part
NETWORKS = {
    "diabetes": {"hidden": (32,), "pieces": 1, "members": 8, "dropout": 0.2},
    "diamonds": {"hidden": (128, 128), "pieces": 32, "members": 4, "dropout": 0.0},
}
TRAINING = {
    "diabetes": {"batch_size": 32, "weight_decay": 1.0},
    "diamonds": {"batch_size": 256, "weight_decay": 0.1},
}
FEATURES = {"diabetes": 10, "diamonds": len(tables.DIAMOND_FEATURES)}
TARGET = {"diabetes": "progression", "diamonds": "log price"}
UNITS = {"diabetes": "", "diamonds": "log dollars"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(TrainingConfig):
    """The settings of a run."""

    data: Literal["diabetes", "diamonds"] = "diabetes"
    """The table."""
    hidden: tuple[int, ...] = SUITED
    """The width of each hidden layer."""
    pieces: int = SUITED
    """Pieces that each column is cut into; 1 for the column as it is."""
    members: int = SUITED
    """Networks whose predictions are averaged."""
    dropout: float = SUITED
    """Fraction of hidden activities that is dropped in training."""
    epochs: int = SUITED
    batch_size: int = SUITED
    learning_rate: float = 3e-3
    weight_decay: float = SUITED

    def suited(self) -> dict[str, Any]:
        """The settings that suit the data."""
        epochs = 2 if self.smoke else 60
        return {"epochs": epochs, **NETWORKS[self.data], **TRAINING[self.data]}


def load_data(config: Config, *, offline: bool = False) -> Splits:
    """Features and targets in their own units; in a smoke run random diamonds."""
    if config.data == "diabetes":
        return tables.load_diabetes()
    if config.smoke:
        return tables.synthetic_diamonds()
    return tables.load_diamonds(offline=offline)


def build_model(config: Config) -> jnn.Model:
    """x ``(..., pieces features)`` -> the standardized target ``(members, ..., 1)``."""
    settings = MLPConfig(outputs=1, hidden=config.hidden, dropout=config.dropout)
    return config.cast(jnn.ensemble(mlp(settings), config.members))


def describe(config: Config) -> tuple[jnn.Model, jax.ShapeDtypeStruct]:
    """The model and the shape of one example."""
    inputs = config.pieces * FEATURES[config.data]
    return build_model(config), jax.ShapeDtypeStruct((inputs,), jnp.float32)


def predictor(config: Config, preparation: Preparation) -> jnn.Model:
    """The mean over members of the standardized target, ``(...)``."""
    return mean_of_members(build_model(config), lambda y: y[..., 0])


def task(config: Config, splits: Splits) -> Task:
    """Squared error of each member, and the error of their mean, in the units of the target.

    Features are standardized by the training part.
    """
    splits, columns = standardize(splits)
    model, example = describe(config)
    scaling = fit_scaling(splits.train["target"], "target")
    pieces = fit_pieces(splits.train["features"], config.pieces) if config.pieces > 1 else None
    encode = (lambda x: x) if pieces is None else partial(encode_pieces, pieces)
    inputs = Preparation(example, scaling=columns, pieces=pieces, columns=splits.columns)
    grades = tables.DIAMOND_ORDER if config.data == "diamonds" else {}
    preparation = inputs._replace(target=scaling, unit=UNITS[config.data], grades=grades)
    answer = predictor(config, preparation)

    def objective(params, state, batch, key):
        """The sum over members of the mean squared error of the standardized target.

        No member's gradient depends on another.
        """
        y, state = model.apply(params, state, encode(batch["features"]), key=key, train=True)
        error = y[..., 0] - scale(scaling, batch["target"])
        return config.members * jnp.mean(jnn.tag(error**2, "squared_error")), (state, {})

    def predict(params, state, batch):
        y, _ = answer.apply(params, state, encode(batch["features"]))
        return unscale(scaling, y)

    def sections(fitted):
        """Where predictions are wrong, and which features they need."""
        from jnn.explain.sections import tabular

        of_rows = lambda x: predict(fitted.params, fitted.state, {"features": x})
        x, target = splits.test["features"], splits.test["target"]
        name, columns = TARGET[config.data], splits.columns
        return tabular.regression(of_rows, x, target, name, columns=columns)

    rmse, mae = metrics.root_mean_squared_error(), metrics.mean_absolute_error()
    measures = metrics.collection({"rmse": rmse, "mae": mae, "r2": metrics.r2()})
    regression = task_on_splits(
        *(model, objective, predict, measures, splits, preparation),
        target="target",
        best="rmse",
        batch_size=config.batch_size,
    )
    return regression._replace(baselines=partial(tabular.regressors, splits), sections=sections)
