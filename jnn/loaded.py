"""A run's trained model in Python: `jnn.load`."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import jax
from jax.core import Tracer

from jnn.errors import JnnError, mistake
from jnn.model import Model, Params, State
from jnn.runs.folders import is_pretrained, read_record
from jnn.runs.loading import check_trained, trained
from jnn.runs.recorded import recorded
from jnn.tasks.next_token import likelihood
from jnn.train.compilation import compiler_options
from jnn.train.preparation import Preparation, read_preparation

_TRIED = 97
"""A size of a batch that no other axis has."""


class Loaded(NamedTuple):
    """A trained model, and what it was trained as."""

    model: Model
    """From prepared inputs to predictions; a committee predicts as one."""
    params: Params
    """Those that the run kept, or the last ones."""
    state: State
    config: Any
    """The settings of the run, as the ``Config`` of its experiment."""
    example: Any
    """The shape and dtype of one prepared input."""
    preparation: Preparation | None = None
    """How raw inputs are prepared, and outputs are answers; None where the run has none."""

    def __repr__(self) -> str:
        size = sum(leaf.size for leaf in jax.tree.leaves(self.params))
        return f"<Loaded: {self.model!r}, {size:,} parameters, for x {self.example}>"

    def predict(self, x: Any, mask: jax.Array | None = None) -> Any:
        """The answer for x, one input or a batch; compiled once for each shape.

        Where the run has a ``preparation``, x is what a user has: texts, rows of a table in their
        own units, pictures as bytes; and the answer is a `jnn.train.Classified`, with the name and
        the probability of each class, or a number in the unit of the target; a language model says
        how probable texts are, by ``nats_per_token`` and ``perplexity``. Otherwise x is prepared as
        the ``load_data`` of the experiment prepares it, with its ``mask`` if it is padded, and the
        answer is the output of the model.
        """
        if any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(x)):
            remedy = "Use .model, .params and .state inside of jax.jit."
            raise mistake("predict", got="a traced x", expected="arrays or texts", remedy=remedy)
        apply = answering(self.model, self.preparation).apply
        apply = jax.jit(apply, compiler_options=compiler_options())
        if self.preparation is None:
            return apply(self.params, self.state, x, mask=mask)[0]
        prepared, is_real = self.preparation.encode(x)
        y, _ = apply(self.params, self.state, prepared, mask=is_real)
        return self.preparation.decode(y, is_real)


def load(run: Path | str, model: Model | None = None, *, precision: str | None = None) -> Loaded:
    """The trained model of the run in a folder, for new inputs.

    The experiment says what the model is: by ``predictor(config, preparation)``, which needs no
    data; else by ``describe(config)``; else by its ``task`` on the data, which must be at hand. A
    run of no experiment, such as that of a notebook, needs the ``model`` that it trained. The model
    computes in the ``precision`` of the run, or in another one. Every bit of params and state is
    verified. A folder with a pretrained classifier of images or texts is loaded too, see
    `jnn.interop.pretrained_classifier`. Raises `JnnError` for a folder that is no run, one without
    a checkpoint, and an experiment that is gone or has changed its model.

        loaded = jnn.load("runs/image_classification/latest")
        answer = loaded.predict(images)  # .label, .probabilities
    """
    if not isinstance(run, str | Path):
        raise mistake("load", got=repr(run)[:80], expected="the path of a run's folder")
    folder = Path(run).resolve()
    if model is None and is_pretrained(str(folder)):
        return classifier(folder)
    preparation = read_preparation(folder)
    if model is not None:
        config = read_record(folder)["config"]
        if preparation is None:
            expected = "a run of a task with a preparation"
            raise mistake(str(folder), got="one without", expected=expected)
        return _loaded(model, preparation.example, folder, config, preparation)
    module, config = experiment_of(folder)
    if precision:
        config = dataclasses.replace(config, precision=precision)
    check_trained(folder)  # before what may need data that a failed run did not find either
    if preparation and hasattr(module, "predictor"):
        predictor = module.predictor(config, preparation)
        return _loaded(predictor, preparation.example, folder, config, preparation)
    if hasattr(module, "describe"):
        described, example = module.describe(config)
        with contextlib.suppress(JnnError):
            return _loaded(described, example, folder, config, preparation)
    if not hasattr(module, "task"):
        expected = "one with describe(config) or task(config, data)"
        raise mistake(module.__name__, got="an experiment without either", expected=expected)
    task = module.task(config, module.load_data(config, offline=True))
    example = jax.eval_shape(lambda: task.example)
    return _loaded(task.model, example, folder, config, preparation)


def answering(model: Model, preparation: Preparation | None) -> Model:
    """The model whose outputs are answers, or become them: of logits of next tokens the likelihood.

    That is ``model`` itself where its outputs are of another kind.
    """
    return likelihood(model) if preparation and preparation.next_token else model


def batch_first(model: Model, params: Params, state: State, example: Any) -> Callable[..., Any]:
    """``f(params, state, x, mask) -> y``, for a batch x, whose outputs have it as first axis.

    That is ``model.apply``, which is fast, where its outputs have; by `jax.vmap` it is where
    members of an ensemble come first, and where the model takes no batch.
    """

    def apply(params: Params, state: State, x: Any, mask: jax.Array | None) -> Any:
        return model.apply(params, state, x, mask=mask)[0]

    batch = lambda leaf: jax.ShapeDtypeStruct((_TRIED, *leaf.shape), leaf.dtype)
    with contextlib.suppress(TypeError, ValueError):  # of a model that takes no batch
        y = jax.eval_shape(apply, params, state, jax.tree.map(batch, example), None)
        if all(leaf.shape[:1] == (_TRIED,) for leaf in jax.tree.leaves(y)):
            return apply
    return jax.vmap(apply, in_axes=(None, None, 0, 0))


def experiment_of(folder: Path) -> tuple[ModuleType, Any]:
    """The experiment of the run in a folder, and the settings of the run as its ``Config``."""
    run = recorded(folder, read_record(folder))
    return run.module, run.config


def classifier(folder: Path) -> Loaded:
    """The classifier of texts or images in the folder, as `jnn.load` has that of a run.

    Raises `JnnError` for models of another kind.
    """
    from jnn.interop import pretrained_classifier

    pretrained, example, classes = pretrained_classifier(folder)
    tokenizer = pretrained.tokenizer
    longest = example.shape[0] if tokenizer else None
    preparation = Preparation(
        example, pixels=not tokenizer, tokenizer=tokenizer, longest=longest, classes=classes
    )
    params, state = pretrained.read()
    settings = pretrained.settings
    return Loaded(pretrained.model, params, state, settings, example, preparation)


def _loaded(
    model: Model, example: Any, folder: Path, config: Any, preparation: Preparation | None
) -> Loaded:
    return Loaded(model, *trained(model, example, folder), config, example, preparation)
