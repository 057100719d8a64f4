"""The task of predicting one array from another, for data of your own."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jnn import losses, metrics
from jnn.data.splits import Splits
from jnn.errors import mistake
from jnn.metrics import Metric
from jnn.model import Model, child_key
from jnn.train.evaluate import make_evaluate
from jnn.train.feed import in_memory
from jnn.train.task import Task

Augment = Callable[[jax.Array, jax.Array], jax.Array]
"""``(key, x) -> x``: a random change of the inputs of a batch, in training."""


def supervised(
    model: Model,
    splits: Splits,
    *,
    batch_size: int = 128,
    inputs: str = "features",
    target: str = "label",
    loss: Callable[[Any, Any], jax.Array] = losses.cross_entropy,
    measures: Mapping[str, Metric] | None = None,
    prepare: Callable[[Any], Any] = lambda x: x,
    augment: Augment | None = None,
) -> Task:
    """Predict ``target`` from ``inputs``, by the mean of ``loss(predictions, targets)``.

    Params are kept by the loss on the validation part of ``splits``, if that is not empty. The
    metrics are the loss and ``measures``, by default the accuracy where the targets are integers.
    ``prepare`` turns the array into the model's input, as `jnn.data.sets.images.to_float` does, and
    ``augment`` changes it in training. Add the other fields of a task, such as baselines, with
    ``task._replace(baselines=...)``.

    >>> import numpy as np
    >>> import jnn
    >>> from jnn.data.splits import from_arrays
    >>> from jnn.runs import RunOptions
    >>> from jnn.train import TrainingConfig, seed_key, train
    >>> x = np.random.default_rng(0).normal(size=(400, 2)).astype(np.float32)
    >>> splits = from_arrays({"features": x, "label": (x[:, 0] > x[:, 1]).astype(np.int32)})
    >>> task = supervised(jnn.dense(2), splits, batch_size=32)
    >>> fitted = train(task, TrainingConfig(epochs=20, learning_rate=0.1), seed_key(0), quiet=True)
    >>> float(task.test(fitted.params, fitted.state)["test/accuracy"]) > 0.95
    True
    >>> logits, _ = jnn.dense(2).apply(fitted.params, fitted.state, jnp.array([1.0, 0.0]))
    >>> int(jnp.argmax(logits))
    1
    """

    example = prepare(splits.train[inputs][0])
    _check_rank(model, example, splits.train[target])

    def objective(params, state, batch, key):
        x = prepare(batch[inputs])
        x = augment(child_key(key, "augmentation"), x) if augment else x
        y, state = model.apply(params, state, x, key=child_key(key, "model"), train=True)
        return jnp.mean(loss(y, batch[target])), (state, {})

    def predict(params, state, batch):
        return model.apply(params, state, prepare(batch[inputs]))[0]

    if measures is None:
        of_classes = jnp.issubdtype(splits.train[target].dtype, jnp.integer)
        measures = {"accuracy": metrics.accuracy()} if of_classes else {}
    metric = metrics.collection({**measures, "loss": metrics.mean_of(loss)})
    evaluate = partial(make_evaluate, predict, metric, target=target)
    validated = len(splits.validation[target]) > 0
    return Task(
        model=model,
        objective=objective,
        feed=in_memory(splits.train, batch_size),
        example=example,
        validate=evaluate(splits.validation, split="validation") if validated else None,
        best="validation/loss" if validated else None,
        lowest=True,
        test=evaluate(splits.test, split="test"),
        data=splits.sizes,
    )


def _check_rank(model: Model, example: Any, targets: Any) -> None:
    """Refuse a model that has scores at each pixel, or each element, for one label an example."""

    def predict(x):
        return model.apply(*model.init(jax.random.key(0), x), x)[0]

    y = jax.eval_shape(predict, example)
    is_label = jnp.issubdtype(targets.dtype, jnp.integer)
    if is_label and hasattr(y, "ndim") and y.ndim > targets.ndim:
        raise mistake(
            "supervised",
            got=f"predictions {y.shape} of an example {jnp.shape(example)} with one label",
            expected="scores (classes,)",
            remedy="Flatten an image, as by MLPConfig(input_rank=3) or jnn.flatten(3); of a "
            "sequence take jnn.last_element() or a mean.",
        )
