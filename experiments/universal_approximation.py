"""How well MLPs of many widths and depths learn a function of one or two variables.

Source    The theorem says that one hidden layer is enough if it is wide enough (Cybenko 1989; Hornik 1991); this measures what
training makes of it.
          All sizes and all seeds train side by side as one model, `jnn.ensemble(jnn.parallel(...))`, and one compiled program.
Data      The function's values at random places of [-1, 1] or [-1, 1]^2; the test is its values on a fine grid.
Baselines Interpolation from the nearest known place, and least squares of polynomials, of the degree that is best on held-out places.
Command   jnn run universal_approximation [--target chirp|runge|steps|ripples|checkers]
Result    test RMSE of the best size, median of 3 networks; mean and standard deviation over seeds 0, 1, 2; from 256 places, about 40 s
          on two cores of an Intel Xeon. On the chirp (seed 0) one hidden layer of 128 stays at 0.17, three of 8 reach 0.011.

          chirp    0.0051 +- 0.0010   nearest known place 0.0438, polynomial of degree 20 0.0446
          ripples  0.0447 +- 0.0020   nearest known place 0.1640, polynomial of degree 10 0.7058
"""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import jnn
from jnn.architectures.mlp import MLPConfig, mlp
from jnn.runs import About, Run
from jnn.train import Task, TrainingConfig, in_memory, seed_key, train

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
    """A function of ``variables`` numbers in [-1, 1], from ``(N, variables)`` to ``(N,)``, of the
    order of one.
    """

    variables: int
    function: Callable[[np.ndarray], np.ndarray]


TARGETS = {
    "chirp": Target(1, lambda x: np.sin(2 / (0.12 + (x[:, 0] + 1) / 2))),
    "runge": Target(1, lambda x: 1 / (1 + 25 * x[:, 0] ** 2)),
    "steps": Target(1, lambda x: np.sign(np.sin(7 * x[:, 0]))),
    "ripples": Target(
        2, lambda x: np.cos(8 * np.hypot(x[:, 0], x[:, 1])) / (1 + np.hypot(x[:, 0], x[:, 1]))
    ),
    "checkers": Target(
        2, lambda x: np.sign(np.sin(np.pi * x[:, 0] * 1.5) * np.sin(np.pi * x[:, 1] * 1.5))
    ),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(TrainingConfig):
    """The settings of a run."""

    target: Literal["chirp", "runge", "steps", "ripples", "checkers"] = "chirp"
    """The function to learn: of one variable (chirp, runge, steps) or two (ripples, checkers)."""
    widths: tuple[int, ...] = (2, 8, 32, 128)
    """Neurons in each hidden layer."""
    depths: tuple[int, ...] = (1, 2, 3)
    """Hidden layers."""
    activation: str = "tanh"
    """The activation of the hidden layers."""
    members: int = 3
    """Networks of each size, which differ in their seed."""
    examples: int = 256
    """Places where the function is known."""
    epochs: int = 2500
    batch_size: int = 256
    learning_rate: float = 1e-2

    def __post_init__(self):
        """Make a smoke run small, and check."""
        self.shrink(widths=(2, 8), depths=(1, 2), members=2, examples=64, epochs=60)
        super().__post_init__()


def load_data(config: Config, *, offline: bool = False) -> dict[str, np.ndarray]:
    """Random places and the function's values there; nothing is ever fetched."""
    variables, function = TARGETS[config.target]
    x = np.random.default_rng(0).uniform(-1, 1, (config.examples, variables)).astype(np.float32)
    return {"x": x, "y": function(x).astype(np.float32)}


def grid(config: Config) -> tuple[np.ndarray, np.ndarray]:
    """The test: a fine grid, 2001 places on a line or 101 x 101 on a square, and the function's
    values there.
    """
    variables, function = TARGETS[config.target]
    axes = [np.linspace(-1, 1, 2001 if variables == 1 else 101)] * variables
    x = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, variables).astype(np.float32)
    return x, function(x)


def build_model(config: Config) -> jnn.Model:
    """A network of each size side by side, several times: x ``(..., variables)`` -> {size: y
    ``(members, ..., 1)``}.
    """
    sizes = [(width, depth) for width in config.widths for depth in config.depths]
    make = lambda width, depth: mlp(
        MLPConfig(outputs=1, hidden=(width,) * depth, activation=config.activation)
    )
    return jnn.ensemble(
        jnn.parallel(**{size_name(*size): make(*size) for size in sizes}), config.members
    )


def size_name(width: int, depth: int) -> str:
    """The name of a network in params and outputs."""
    return f"width{width}_depth{depth}"


def describe(config: Config) -> tuple[jnn.Model, jax.ShapeDtypeStruct]:
    """The model and the shape of one example."""
    return build_model(config), jax.ShapeDtypeStruct(
        (TARGETS[config.target].variables,), jnp.float32
    )


def objective(model: jnn.Model, params, state, batch, key):
    """The sum of all networks' mean squared errors: no network's gradient depends on another
    network.
    """
    predictions, state = model.apply(params, state, batch["x"], key=key, train=True)
    errors = [jnp.mean((y[..., 0] - batch["y"][None]) ** 2, axis=-1) for y in predictions.values()]
    return jnp.sum(jnp.stack(errors)), (state, {})


def baselines(config: Config, data: dict[str, np.ndarray]) -> dict[str, float]:
    """Test RMSE of classical approximation from the same places."""
    from sklearn.linear_model import LinearRegression
    from sklearn.model_selection import cross_val_score
    from sklearn.neighbors import KNeighborsRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import PolynomialFeatures

    x, y = grid(config)
    rmse = lambda regressor: float(
        np.sqrt(np.mean((regressor.fit(data["x"], data["y"]).predict(x) - y) ** 2))
    )
    polynomial = lambda degree: make_pipeline(PolynomialFeatures(degree), LinearRegression())
    score = lambda degree: cross_val_score(
        polynomial(degree), data["x"], data["y"], scoring="neg_mean_squared_error"
    ).mean()
    degree = max(range(1, 21), key=score)
    return {
        "mean": float(np.sqrt(np.mean((np.mean(data["y"]) - y) ** 2))),
        "nearest known place": rmse(KNeighborsRegressor(1)),
        f"polynomial of degree {degree}": rmse(polynomial(degree)),
    }


def evaluate(
    config: Config, model: jnn.Model, params, state
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Test RMSE ``(members, widths, depths)``, and the predictions ``(members, N)`` of each size on
    the grid.
    """
    x, y = grid(config)
    predictions = {
        name: np.asarray(found)[..., 0]
        for name, found in jax.jit(model.apply)(params, state, x)[0].items()
    }
    rmse = lambda width, depth: np.sqrt(
        np.mean((predictions[size_name(width, depth)] - y) ** 2, axis=-1)
    )
    return np.stack(
        [np.stack([rmse(width, depth) for depth in config.depths], -1) for width in config.widths],
        -2,
    ), predictions


def sections(
    config: Config,
    data: dict[str, np.ndarray],
    errors: np.ndarray,
    predictions: dict[str, np.ndarray],
) -> list:
    """Pictures for the report: the error against the size, and some of the functions that were
    learned.
    """
    from jnn.explain.page.report import Section
    from jnn.explain.results import functions

    x, y = grid(config)
    found = [
        Section(
            "Error against width and depth",
            f"Median test RMSE of {config.members} networks of each size; bands reach from the best to the worst.",
            functions.error_grid(errors, config.widths, config.depths, name="test RMSE"),
        )
    ]
    deepest = config.depths[-1]
    if x.shape[1] == 1:
        learned = {
            f"width {width}": predictions[size_name(width, deepest)][0] for width in config.widths
        }
        text = f"Networks of {deepest} hidden layers, of several widths, and what each gets wrong."
        return [
            *found,
            Section(
                "What was learned",
                text,
                functions.curve_fit(x[:, 0], y, learned, samples=(data["x"][:, 0], data["y"])),
            ),
        ]
    side, line = round(len(x) ** 0.5), np.unique(x[:, 0])
    for width in (config.widths[0], config.widths[-1]):
        learned = predictions[size_name(width, deepest)][0].reshape(side, side)
        title = f"What {deepest} layers of {width} learned"
        found.append(
            Section(
                title,
                "The function, the network, and their difference.",
                functions.surface(line, line, y.reshape(side, side), learned),
            )
        )
    return found


def task(config: Config, data: dict[str, np.ndarray]) -> Task:
    """What is trained: all sizes together."""
    model = build_model(config)
    feed = in_memory(data, min(config.batch_size, config.examples))
    return Task(model=model, objective=partial(objective, model), feed=feed, example=data["x"][0])


def main(config: Config, run: Run) -> dict:
    """Train all sizes together, and measure each on the grid."""
    data = load_data(config)
    what = task(config, data)
    fitted = train(what, config, seed_key(config.seed), run)
    errors, predictions = evaluate(config, what.model, fitted.params, fitted.state)
    middle = np.median(errors, axis=0)
    sizes = [
        (i, j, size_name(width, depth))
        for i, width in enumerate(config.widths)
        for j, depth in enumerate(config.depths)
    ]
    return {
        "metrics": {
            "test/rmse": middle.min(),
            **{f"test/rmse_{name}": middle[i, j] for i, j, name in sizes},
        },
        "baselines": baselines(config, data),
        **fitted.counts,
        "data": {"name": config.target, **what.feed.identity},
        "sections": sections(config, data, errors, predictions),
    }
