"""The layers of an experiment's model, without training it."""

from __future__ import annotations

import importlib
import importlib.util
import math
from types import ModuleType
from typing import Any

import jax


def model_lines(module: ModuleType, config: Any) -> list[str]:
    """The table of the layers and the number of parameters, where the experiment has ``describe(config) -> (model, x)``."""
    if not hasattr(module, "describe"):
        return ["The experiment has no function describe(config) -> (model, x), so its layers cannot be shown without training."]
    model, x = module.describe(config)
    lines = [f"{parameter_count(model, x):,} parameters"]
    if importlib.util.find_spec("jnn.explain") and importlib.util.find_spec("jnn.explain.summary"):
        lines = [str(importlib.import_module("jnn.explain.summary").table(model, x)), "", *lines]
    return lines


def parameter_count(model: Any, x: Any) -> int:
    """The numbers in the params of ``model`` for inputs like ``x``; nothing is computed."""
    params, _ = jax.eval_shape(model.init, jax.random.key(0), x)
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(params))
