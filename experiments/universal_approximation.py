"""How well MLPs of many widths and depths learn a function of one or two variables.

Source    One hidden layer is enough if it is wide enough, says the theorem (Cybenko 1989; Hornik
          1991); this measures what training makes of it. All sizes and all seeds train side by side
          as one model, `jnn.ensemble(jnn.parallel(...))`, and one compiled program.
Data      The function's values at random points of [-1, 1] or [-1, 1]^2; the test is its values on
          a fine grid.
Baselines The nearest neighbour, and least squares of polynomials, of the degree that has the least
          error in cross-validation.
Command   jnn run universal_approximation [--target chirp|runge|steps|ripples|checkers]
Result    test RMSE of the best size, median of 3 networks; mean and standard deviation over seeds
          0, 1, 2; from 256 samples, about 40 s on two cores of an Intel Xeon. On the chirp (seed 0)
          one hidden layer of 128 stays at 0.17, three of 8 reach 0.011.

          target                      nearest neighbour  polynomial
          chirp    0.0051 +- 0.0010           0.0438      0.0446 (degree 20)
          ripples  0.0447 +- 0.0020           0.1640      0.7058 (degree 10)
"""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import jnn
from jnn.architectures.mlp import MLPConfig, mlp
from jnn.baselines.functions import approximations
from jnn.runs import About
from jnn.train import SUITED, Task, TrainingConfig, in_memory, once

ABOUT = About(
    task="universal approximation",
    models=("mlp",),
    data=("chirp", "runge", "steps", "ripples", "checkers"),
    metric="test/rmse",
    direction="lowest",
    expected="0.0051 ± 0.0010 (chirp), 0.0447 ± 0.0020 (ripples)",
    cost="40 s on 2 cores",
)


class Target(NamedTuple):
    """A function on [-1, 1]^variables, ``(N, variables)`` -> ``(N,)``, with values around one."""

    variables: int
    function: Callable[[np.ndarray], np.ndarray]


def ripples(x: np.ndarray) -> np.ndarray:
    """Waves around the origin that decay with the distance from it."""
    r = np.hypot(x[:, 0], x[:, 1])
    return np.cos(8 * r) / (1 + r)


TARGETS = {
    "chirp": Target(1, lambda x: np.sin(2 / (0.12 + (x[:, 0] + 1) / 2))),
    "runge": Target(1, lambda x: 1 / (1 + 25 * x[:, 0] ** 2)),
    "steps": Target(1, lambda x: np.sign(np.sin(7 * x[:, 0]))),
    "ripples": Target(2, ripples),
    "checkers": Target(2, lambda x: np.sign(np.prod(np.sin(np.pi * x * 1.5), axis=1))),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(TrainingConfig):
    """The settings of a run."""

    target: Literal["chirp", "runge", "steps", "ripples", "checkers"] = "chirp"
    """The function to learn: of one variable (chirp, runge, steps) or two (ripples, checkers)."""
    widths: tuple[int, ...] = SUITED
    """Units of each hidden layer."""
    depths: tuple[int, ...] = SUITED
    """Hidden layers."""
    activation: str = "tanh"
    """The activation of the hidden layers."""
    members: int = SUITED
    """Networks of each size, which differ in their seed."""
    examples: int = SUITED
    """Points at which the function is sampled."""
    epochs: int = SUITED
    batch_size: int = SUITED
    learning_rate: float = 1e-2

    def suited(self) -> dict[str, Any]:
        """Few small networks for a smoke run, and batches of all samples, but 256 at most."""
        suits: dict[str, Any] = {"widths": (2, 8, 32, 128), "depths": (1, 2, 3), "members": 3}
        suits |= {"examples": 256, "epochs": 2500}
        if self.smoke:
            suits = {"widths": (2, 8), "depths": (1, 2), "members": 2, "examples": 64, "epochs": 60}
        examples = suits["examples"] if self.examples is SUITED else self.examples
        return {**suits, "batch_size": min(256, examples)}

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """Width and depth of each network."""
        return [(width, depth) for width in self.widths for depth in self.depths]


def size_name(width: int, depth: int) -> str:
    """The name of a network in params, outputs and metrics."""
    return f"width{width}_depth{depth}"


class Data(NamedTuple):
    """The samples ``{"x": (N, variables), "y": (N,)}``, and those of the grid for the test."""

    train: dict[str, np.ndarray]
    test: dict[str, np.ndarray]


def load_data(config: Config, *, offline: bool = False) -> Data:
    """Random points of the domain, and 2001 on a line or 101 x 101 on a square for the test."""
    variables, function = TARGETS[config.target]
    x = np.random.default_rng(0).uniform(-1, 1, (config.examples, variables)).astype(np.float32)
    axes = [np.linspace(-1, 1, 2001 if variables == 1 else 101)] * variables
    grid = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, variables).astype(np.float32)
    return Data({"x": x, "y": function(x).astype(np.float32)}, {"x": grid, "y": function(grid)})


def build_model(config: Config) -> jnn.Model:
    """Networks side by side: x ``(..., variables)`` -> {size: y ``(members, ..., 1)``}."""

    def network(width: int, depth: int) -> jnn.Model:
        hidden = (width,) * depth
        return mlp(MLPConfig(outputs=1, hidden=hidden, activation=config.activation))

    networks = {size_name(*size): network(*size) for size in config.sizes}
    return config.cast(jnn.ensemble(jnn.parallel(**networks), config.members))


def describe(config: Config) -> tuple[jnn.Model, jax.ShapeDtypeStruct]:
    """The model and the shape of one example."""
    variables = TARGETS[config.target].variables
    return build_model(config), jax.ShapeDtypeStruct((variables,), jnp.float32)


def task(config: Config, data: Data) -> Task:
    """Squared error of all sizes together, and the median error of each on the grid."""
    model = build_model(config)
    apply = jax.jit(model.apply)

    def objective(params, state, batch, key):
        """The sum of all networks' mean squared errors: no gradient depends on another network."""
        outputs, state = model.apply(params, state, batch["x"], key=key, train=True)
        errors = [jnp.mean((y[..., 0] - batch["y"]) ** 2, axis=-1) for y in outputs.values()]
        return jnp.sum(jnp.stack(errors)), (state, {})

    @once
    def predictions(params, state):
        """The values on the grid ``(members, N)``, by width and depth."""
        outputs, _ = apply(params, state, data.test["x"])
        return {size: np.asarray(outputs[size_name(*size)])[..., 0] for size in config.sizes}

    def test(params, state):
        rmse = lambda values: np.sqrt(np.mean((values - data.test["y"]) ** 2, axis=-1))
        errors = {size: np.median(rmse(y)) for size, y in predictions(params, state).items()}
        of_sizes = {f"test/rmse_{size_name(*size)}": error for size, error in errors.items()}
        return {"test/rmse": min(errors.values()), **of_sizes}

    def sections(fitted):
        """The error against the size, and functions that the deepest networks learned."""
        from jnn.explain.sections import function_approximation

        learned = predictions(fitted.params, fitted.state)
        truth, samples = ((part["x"], part["y"]) for part in (data.test, data.train))
        return function_approximation.report(*truth, learned, samples=samples)

    return Task(
        model=model,
        objective=objective,
        feed=in_memory(data.train, config.batch_size),
        example=data.train["x"][0],
        test=test,
        baselines=partial(approximations, data.train, data.test),
        sections=sections,
        data={"name": config.target},
    )
