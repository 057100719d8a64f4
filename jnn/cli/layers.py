"""The layers of an experiment's model, without training it."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from jnn.errors import mistake
from jnn.explain.inside import summary
from jnn.model import Model


def model_lines(module: ModuleType, config: Any) -> list[str]:
    """The table of the layers, with shapes, parameters and operations.

    The experiment needs ``describe(config) -> (model, x)``; without it, a line that says so.
    """
    if not hasattr(module, "describe"):
        return [
            "The experiment has no function describe(config) -> (model, x), "
            "so its layers cannot be shown without training."
        ]
    return summary.table(*module.describe(config), with_flops=True).splitlines()


def described(module: ModuleType, config: Any) -> tuple[Model, Any]:
    """The model and the shape of one example; raises where the experiment does not say."""
    if not hasattr(module, "describe"):
        raise mistake(
            module.__name__,
            got="no function describe",
            expected="describe(config) -> (model, x)",
        )
    return module.describe(config)


def parameter_count(module: ModuleType, config: Any) -> int | None:
    """The number of parameters of the model; None where the experiment does not describe it."""
    if not hasattr(module, "describe"):
        return None
    return summary.parameter_count(*module.describe(config))
