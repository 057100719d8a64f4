"""The settings that every experiment shares; an experiment's ``Config`` inherits them."""

import dataclasses
import math
import typing
from collections.abc import Iterable
from numbers import Real
from typing import Any, Literal, NamedTuple, Self

import jax.numpy as jnp
import optax

from jnn.errors import JnnError, mistake
from jnn.integers import as_integer, check_fraction, spelled
from jnn.literals import check_literals, types_of
from jnn.model import Model
from jnn.sharding import batch_parts, mesh_sizes
from jnn.train.optimizers import make_optimizer
from jnn.train.state import seed_key
from jnn.transform import cast

SUITED: Any = None
"""The default of a setting whose value follows from others, by `TrainingConfig.suited`."""


class Suited(NamedTuple):
    """The value that a `SUITED` setting had, given again without being asked for."""

    value: Any


MOST = 2**31 - 1  # steps are counted in int32


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How a run is trained. A run is a pure function of its config, the seed included.

    An experiment's config inherits this one. A setting whose best value depends on the data, the
    model or ``smoke`` has the default `SUITED`, and `suited` gives its value; a value that the user
    asks for is never changed.

    >>> @dataclasses.dataclass(frozen=True, kw_only=True)
    ... class Config(TrainingConfig):
    ...     data: str = "digits"
    ...     epochs: int = SUITED
    ...
    ...     def suited(self):
    ...         return {"epochs": 1 if self.smoke else {"digits": 80, "mnist": 12}[self.data]}
    >>> Config().epochs, Config(data="mnist").epochs, Config(smoke=True, epochs=3).epochs
    (80, 12, 3)
    """

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
    optimizer_options: dict[str, int | float | bool | str] = dataclasses.field(default_factory=dict)
    """Further arguments of the optimizer."""
    schedule: str = "cosine"
    """constant, cosine, linear, or a schedule of Optax by name."""
    schedule_options: dict[str, int | float | bool | str] = dataclasses.field(default_factory=dict)
    """Further arguments of the schedule, relative to the learning rate."""
    warmup: float = 0.05
    """Fraction of the steps in which the learning rate rises from zero."""
    weight_decay: float = 0.0
    """Pull of all kernels towards zero."""
    clip: float = 0.0
    """Largest global norm of a gradient; 0 for no limit."""
    accumulate: int = 1
    """Parts that a batch is cut into, to save memory."""
    devices: int = 1
    """Devices over which each batch is split. Of a CPU, each core can be one."""
    mesh: str = ""
    """Devices by the axes of a mesh, such as data=2,fsdp=4: data splits each batch, fsdp also the
    params, tensor the products. Of a CPU, each core can be one.
    """
    average_decay: float = 0.0
    """Decay of the moving average of params, which is then what predicts; 0 for none."""
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """What models compute in; params stay float32. float16 has a dynamic loss scale."""
    skip_bad: int = 0
    """Updates that are not finite and may be skipped before the run counts as diverged: 0 to 3."""
    statistics: bool = False
    """Log the gradient norm and the update ratio of every parameter."""
    patience: int = 0
    """Epochs without a better validation metric after which training stops; 0 for never."""
    smoke: bool = False
    """A run of seconds on little data, to see that everything works; its numbers mean nothing."""

    def suited(self) -> dict[str, Any]:
        """The values of the settings that are `SUITED` by default."""
        return {}

    def __post_init__(self):
        """Fill in what was not asked for, and refuse what cannot be right."""
        self._fill_in()
        check_literals("config", self)
        seed_key(self.seed)
        counts = ("epochs", "batch_size", "accumulate", "devices")
        self.require(*counts, least=1, most=MOST)
        self.require("skip_bad", least=0, most=3)
        self.require("patience", least=0)
        if self.batch_size % (self.accumulate * self.devices):
            parts = {"accumulate": self.accumulate, "devices": self.devices}
            several = " and ".join(f"{name}={n}" for name, n in parts.items() if n > 1)
            got = f"{several} for batch_size={self.batch_size}"
            raise mistake("config", got=got, expected="numbers whose product divides it")
        self._check_mesh()
        check_fraction("config", "average_decay", self.average_decay, ends="[)")
        self.make_optimizer(steps=100)

    def _fill_in(self) -> None:
        """Give each `SUITED` setting that was not asked for its value."""
        asked = set()
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Suited):
                object.__setattr__(self, field.name, value.value)
            elif field.default is SUITED and value is not SUITED:
                asked.add(field.name)
        suited, hints = self.suited(), types_of(type(self))
        for field in dataclasses.fields(self):
            if getattr(self, field.name) is not SUITED:
                continue
            if field.name in suited:
                object.__setattr__(self, field.name, suited[field.name])
            elif type(None) not in typing.get_args(hints[field.name]):
                got = f"no value of {field.name} in suited()"
                expected = "one of each SUITED setting"
                raise mistake(type(self).__qualname__, got=got, expected=expected)
        object.__setattr__(self, "_asked", frozenset(asked))
        object.__setattr__(self, "_unused", {})

    @property
    def asked(self) -> frozenset[str]:
        """The names of the `SUITED` settings that were given a value, be it the one that suits."""
        return self._asked  # pyright: ignore

    @property
    def unused(self) -> dict[str, JnnError]:
        """The settings that have no effect here, by `refuse`, with what to say of them."""
        return self._unused  # pyright: ignore

    def settings(self) -> dict[str, Any]:
        """What makes this config again: its settings, but for those that follow from others.

        What was not asked for and is no longer what suits is among them, as `Suited`.
        """
        suited, settings = self.suited(), {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if not field.init or (field.default is SUITED and value is SUITED):
                continue
            if field.default is not SUITED or field.name in self.asked:
                settings[field.name] = value
            elif suited.get(field.name, SUITED) != value:
                settings[field.name] = Suited(value)
        return settings

    def replace(self, **changes: Any) -> Self:
        """This config with other settings. What was not asked for follows, as in a new one.

        >>> @dataclasses.dataclass(frozen=True, kw_only=True)
        ... class Config(TrainingConfig):
        ...     epochs: int = SUITED
        ...
        ...     def suited(self):
        ...         return {"epochs": 1 if self.smoke else 80}
        >>> [config.replace(smoke=True).epochs for config in (Config(), Config(epochs=80))]
        [1, 80]
        """
        return type(self)(**(self.settings() | changes))

    def _check_mesh(self) -> None:
        """Refuse a mesh that does not fit the batch, or that stands beside ``devices``."""
        if not self.mesh:
            return
        sizes = mesh_sizes(self.mesh)
        if self.devices > 1:
            got = f"mesh={self.mesh!r} and devices={self.devices}"
            raise mistake("config", got=got, expected="one of them")
        parts = self.accumulate * batch_parts(sizes)
        if self.batch_size % parts:
            several = f" and accumulate={self.accumulate}" if self.accumulate > 1 else ""
            got = f"mesh={self.mesh!r}{several} for batch_size={self.batch_size}"
            expected = f"a batch size that is a multiple of {parts}"
            raise mistake("config", got=got, expected=expected)

    def require(self, *names: str, least: float, most: float = math.inf) -> None:
        """Raise `JnnError` for settings that are not from ``least`` to ``most``, both included.

        For ``__post_init__`` of an experiment's config. Where ``least`` is an int, the settings are
        integers.

        >>> TrainingConfig(batch_size=8).require("batch_size", least=16)
        Traceback (most recent call last):
        jnn.errors.JnnError: config: got batch_size=8, expected an integer >= 16.
        """
        is_whole = isinstance(least, int)
        real: Any = Real
        for name in names:
            value = getattr(self, name)
            number: Any = as_integer(value) if is_whole else value
            is_number = isinstance(number, real) and not isinstance(number, bool)
            if not (is_number and least <= number <= most):
                low, high = (str(end) if is_whole else f"{end:g}" for end in (least, most))
                ends = f">= {low}" if most == math.inf else f"from {low} to {high}"
                expected = f"{'an integer' if is_whole else 'a number'} {ends}"
                raise mistake("config", got=f"{name}={spelled(value)}", expected=expected)
            object.__setattr__(self, name, number)

    def refuse(self, names: Iterable[str], whose: str, *, expected: str) -> None:
        """Refuse `SUITED` settings that this model or data does not use.

        For ``__post_init__`` of an experiment's config. A setting is refused where it is not what
        suits, for then it was asked for; ``whose`` says of what it is, as in "for trees". One that
        is asked for on the command line is refused in any case.
        """
        suited = self.suited()
        for name in names:
            got = f"{name}={getattr(self, name)} {whose}"
            self.unused[name] = mistake("config", got=got, expected=expected)
            if getattr(self, name) != suited[name]:
                raise self.unused[name]

    def make_optimizer(self, steps: int, **overrides: Any) -> optax.GradientTransformation:
        """The optimizer of a run of ``steps`` steps.

        ``overrides`` of the settings, such as ``learning_rate``, may be traced.
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

    @property
    def untrained(self) -> str:
        """A regular expression for the paths of params that are not trained; "" for none."""
        return ""

    def cast(self, model: Model) -> Model:
        """The model, computing in ``precision``."""
        if self.precision == "float32":
            return model
        return cast(model, compute=jnp.dtype(self.precision))
