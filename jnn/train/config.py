"""The settings that every experiment shares; an experiment's own ``Config`` inherits them and changes their defaults."""

import dataclasses
from typing import Any

import optax

from jnn.errors import mistake
from jnn.train.optimizers import make_optimizer
from jnn.train.state import seed_key


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
    patience: int = 0
    """Epochs without a better validation metric after which training stops; 0 for never."""
    smoke: bool = False
    """A run of seconds on few examples that proves that everything works; its numbers mean nothing."""

    def __post_init__(self):
        """Refuse what cannot be right, before anything is loaded."""
        seed_key(self.seed)
        for name, low in (("epochs", 1), ("batch_size", 1), ("patience", 0)):
            if getattr(self, name) < low:
                raise mistake("config", got=f"{name}={getattr(self, name)}", expected=f"an integer >= {low}")
        self.make_optimizer(steps=100)

    def make_optimizer(self, steps: int) -> optax.GradientTransformation:
        """The optimizer of a run of ``steps`` steps."""
        return make_optimizer(
            self.optimizer,
            learning_rate=self.learning_rate,
            steps=steps,
            schedule=self.schedule,
            warmup=self.warmup,
            weight_decay=self.weight_decay,
            clip=self.clip,
            options=self.optimizer_options,
            schedule_options=self.schedule_options,
        )

    def as_dict(self) -> dict[str, Any]:
        """The settings as plain values, for JSON."""
        return dataclasses.asdict(self)
