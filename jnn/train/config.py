"""The settings that every experiment shares; an experiment's own ``Config`` inherits them and
changes their defaults.
"""

import dataclasses
from typing import Any, Literal

import jax.numpy as jnp
import optax

from jnn.errors import mistake
from jnn.model import Model
from jnn.train.optimizers import make_optimizer
from jnn.train.state import seed_key
from jnn.transform import cast


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How a run is trained. A run is a pure function of its config, the seed included."""

    seed: int = 0
    """Seed of everything that is drawn: params, order of the data, augmentation, dropout."""
    epochs: int = 10
    """How many times the training data is seen."""
    batch_size: int = 128
    """Examples in one step."""
    learning_rate: float = 1e-3
    """Peak of the learning-rate schedule."""
    optimizer: str = "adamw"
    """An optimizer of Optax by name: sgd, adamw, lion, muon, ..."""
    optimizer_options: dict[str, float | bool | str] = dataclasses.field(default_factory=dict)
    """Further arguments of the optimizer."""
    schedule: str = "cosine"
    """constant, cosine, linear, or a schedule of Optax by name."""
    schedule_options: dict[str, float | bool | str] = dataclasses.field(default_factory=dict)
    """Further arguments of the schedule, relative to the learning rate."""
    warmup: float = 0.05
    """Fraction of the steps in which the learning rate rises from zero."""
    weight_decay: float = 0.0
    """Pull of the kernels towards zero."""
    clip: float = 0.0
    """Largest global norm of a gradient; 0 for no limit."""
    accumulate: int = 1
    """Parts that a batch is cut into, to save memory."""
    devices: int = 1
    """Devices over which each batch is split. Of a CPU, each core can be one."""
    average_decay: float = 0.0
    """Decay of the moving average of params, which is then what predicts; 0 for none."""
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """What models compute in; params stay float32. float16 has a dynamic loss scale."""
    skip_bad: int = 0
    """How many updates that are not finite may be left out before the run counts as diverged; at
    most 3.
    """
    statistics: bool = False
    """Log the gradient norm and the update ratio of every parameter."""
    patience: int = 0
    """Epochs without a better validation metric after which training stops; 0 for never."""
    smoke: bool = False
    """A run of seconds, small where nothing else is asked for, that proves that everything works;
    its numbers mean nothing.
    """

    def __post_init__(self):
        """Refuse what cannot be right, before anything is loaded."""
        seed_key(self.seed)
        for name, low, high in (
            ("epochs", 1, None),
            ("batch_size", 1, None),
            ("accumulate", 1, None),
            ("devices", 1, None),
            ("skip_bad", 0, 3),
            ("patience", 0, None),
        ):
            value = getattr(self, name)
            if value < low or (high is not None and value > high):
                raise mistake(
                    "config",
                    got=f"{name}={value}",
                    expected=f"an integer >= {low}"
                    + (f" and <= {high}" if high is not None else ""),
                )
        if self.batch_size % (self.accumulate * self.devices):
            parts = " and ".join(
                f"{name}={n}"
                for name, n in (("accumulate", self.accumulate), ("devices", self.devices))
                if n > 1
            )
            raise mistake(
                "config",
                got=f"{parts} for batch_size={self.batch_size}",
                expected="numbers whose product divides it",
            )
        if not 0 <= self.average_decay < 1:
            raise mistake(
                "config", got=f"average_decay={self.average_decay}", expected="a fraction in [0, 1)"
            )
        self.make_optimizer(steps=100)

    def suit(self, **values: Any) -> None:
        """For ``__post_init__``: settings that were left at their defaults become these, which suit
        the data or the model.
        """
        for name, value in values.items():
            if getattr(self, name) == getattr(type(self), name):
                object.__setattr__(self, name, value)

    def shrink(self, **values: Any) -> None:
        """For ``__post_init__``, before `suit`: in a smoke run, settings that were left at their
        defaults become these.
        """
        if self.smoke:
            self.suit(**values)

    def make_optimizer(self, steps: int, **overrides: Any) -> optax.GradientTransformation:
        """The optimizer of a run of ``steps`` steps; ``overrides`` of the settings, such as
        ``learning_rate``, may be traced.
        """
        settings = {
            "learning_rate": self.learning_rate,
            "schedule": self.schedule,
            "warmup": self.warmup,
            "weight_decay": self.weight_decay,
            "clip": self.clip,
            "options": self.optimizer_options,
            "schedule_options": self.schedule_options,
        }
        return make_optimizer(self.optimizer, steps=steps, **{**settings, **overrides})

    def cast(self, model: Model) -> Model:
        """The model, computing in ``precision``."""
        return (
            model if self.precision == "float32" else cast(model, compute=jnp.dtype(self.precision))
        )
