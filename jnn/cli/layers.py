"""The layers of an experiment's model, without training it."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import jax

from jnn.errors import MissingDataError, mistake
from jnn.explain.inside import summary
from jnn.model import Model


def described(module: ModuleType, config: Any) -> tuple[Model, Any]:
    """The model and the shape of one example: by ``describe(config)``, else by the ``task``.

    A task needs the data. Raises `JnnError` where the experiment has neither function, and where
    the data is not on this machine.
    """
    if hasattr(module, "describe"):
        return module.describe(config)
    if hasattr(module, "task"):
        task = module.task(config, module.load_data(config, offline=True))
        return task.model, jax.eval_shape(lambda: task.example)
    raise mistake(
        module.__name__,
        got="neither a function describe nor task",
        expected="describe(config) -> (model, x)",
    )


def model_lines(module: ModuleType, config: Any) -> list[str]:
    """The table of the layers, with shapes, parameters and operations.

    It is a line that says why where there is none.
    """
    if not _describes(module):
        return [
            "The experiment has neither describe(config) -> (model, x) nor task(config, data), "
            "so its layers cannot be shown without training."
        ]
    try:
        model, x = described(module, config)
    except MissingDataError as error:
        return [f"Its layers are those of a model for its data. {error}"]
    return summary.table(model, x, with_flops=True).splitlines()


def parameter_count(module: ModuleType, config: Any) -> int | None:
    """The number of parameters of the model; None where it is not known without training."""
    if not _describes(module):
        return None
    try:
        return summary.parameter_count(*described(module, config))
    except MissingDataError:
        return None


def _describes(module: ModuleType) -> bool:
    return hasattr(module, "describe") or hasattr(module, "task")
