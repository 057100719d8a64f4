"""A run's trained model in Python: `jnn.load`."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, NamedTuple

import jax

from jnn.cli.experiments import find
from jnn.cli.experiments import load as load_module
from jnn.cli.options import config_from
from jnn.errors import JnnError, mistake
from jnn.model import Model, Params, State
from jnn.runs.folders import read_record
from jnn.runs.loading import trained


class Loaded(NamedTuple):
    """A trained model, and what it was trained as."""

    model: Model
    params: Params
    """Those that the run kept, or the last ones."""
    state: State
    config: Any
    """The settings of the run, as the ``Config`` of its experiment."""
    example: Any
    """The shape and dtype of one input."""

    def predict(self, x: Any, mask: jax.Array | None = None) -> Any:
        """The output for x, one input or a batch; compiled once for each shape.

        x is what the model takes, prepared as the ``load_data`` of the experiment prepares it.
        """
        return jax.jit(self.model.apply)(self.params, self.state, x, mask=mask)[0]


def load(run: Path | str) -> Loaded:
    """The trained model of the run in a folder, for new inputs.

    The experiment says what the model is: by ``describe(config)``, or where it has none, or where
    the model depends on the data, by its ``task`` on the data, which must be at hand. Every bit of
    params and state is verified. Raises `JnnError` for a folder that is no run, one without a
    checkpoint, and an experiment that is gone or has changed its model.

        loaded = jnn.load("runs/image_classification/latest")
        logits = loaded.predict(images)
    """
    folder = Path(run).resolve()
    record = read_record(folder)
    module = load_module(find(record.get("source") or record["experiment"]))
    config = config_from(module.Config, record["config"], str(folder / "config.json"))
    if hasattr(module, "describe"):
        model, example = module.describe(config)
        with contextlib.suppress(JnnError):
            return Loaded(model, *trained(model, example, folder), config, example)
    if not hasattr(module, "task"):
        expected = "one with describe(config) or task(config, data)"
        raise mistake(record["experiment"], got="an experiment without either", expected=expected)
    task = module.task(config, module.load_data(config, offline=True))
    example = jax.eval_shape(lambda: task.example)
    return Loaded(task.model, *trained(task.model, example, folder), config, example)
