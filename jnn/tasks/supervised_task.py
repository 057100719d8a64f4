"""The task of predicting one array from another, for data of your own."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jnn import losses, metrics
from jnn.data.image_scaling import to_float
from jnn.data.scaling import Scaling, fit_scaling, scale, unscale
from jnn.data.scaling import standardize as standardized
from jnn.data.splits import Splits
from jnn.errors import check_function, check_type, mistake
from jnn.functions import as_model
from jnn.metrics import Metric
from jnn.model import Model, child_key
from jnn.tasks.split_task import task_on_splits
from jnn.train.preparation import Preparation
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
    standardize: bool = False,
    augment: Augment | None = None,
) -> Task:
    """Predict ``target`` from ``inputs``, by the mean of ``loss(predictions, targets)``.

    Params are kept by the loss on the validation part of ``splits``, if that is not empty. The
    metrics are the loss and ``measures``, by default the accuracy where the targets are integers.
    Pictures, uint8 ``(N, H, W, C)``, are taken as floats from 0 to 1. ``standardize`` scales the
    columns of a table ``(N, D)``, and a target that is a number, of pictures that alone, by the
    training part; the loss is that of scaled targets, ``measures`` have the target's unit.
    ``augment`` changes the inputs in training. What is done to inputs and targets is saved with the
    run, for `jnn.load`. Add the other fields of a task, such as baselines, with
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

    model = as_model(model)
    remedy = "Pass one such as jnn.losses.huber."
    check_function("supervised", "loss", loss, "(outputs, targets) -> losses", remedy)
    if measures is not None:
        example = "{'accuracy': jnn.metrics.accuracy()}"
        check_type("supervised", "measures", measures, Mapping, example)
    if augment is not None:
        check_function("supervised", "augment", augment, "(key, x) -> x")
    check_type("supervised", "splits", splits, Splits, "jnn.data.splits.from_arrays(arrays)")
    for role, name in {"inputs": inputs, "target": target}.items():
        if name not in splits.train:
            got, expected = f"{role}={name!r}", f"one of {', '.join(map(repr, splits.train))}"
            raise mistake("supervised", got=got, expected=expected)
    columns = None
    of_classes = jnp.issubdtype(splits.train[target].dtype, jnp.integer)
    is_number = jnp.issubdtype(splits.train[target].dtype, jnp.floating)  # a boolean is none
    if standardize and not (is_number and _are_pictures(splits.train[inputs])):
        _check_table(splits.train[inputs], inputs)
        splits, columns = standardized(splits, inputs)
    preparation = _preparation(model, splits, inputs, target, columns, loss)
    if standardize and is_number:
        preparation = preparation._replace(target=fit_scaling(splits.train[target], target))
    scaling = preparation.target
    scaled = (lambda t: t) if scaling is None else partial(scale, scaling)
    prepare = to_float if preparation.pixels else lambda x: x

    def objective(params, state, batch, key):
        x = prepare(batch[inputs])
        x = augment(child_key(key, "augmentation"), x) if augment else x
        y, state = model.apply(params, state, x, key=child_key(key, "model"), train=True)
        values, count = loss(y, scaled(batch[target])), len(batch[target])
        if jnp.shape(values)[:1] != (count,):
            got = f"a loss of shape {jnp.shape(values)} for a batch of {count}"
            expected, remedy = "a loss of each example", "Take no mean in it."
            raise mistake("supervised", got=got, expected=expected, remedy=remedy)
        return jnp.mean(values), (state, {})

    def predict(params, state, batch):
        y, _ = model.apply(params, state, prepare(batch[inputs]))
        return y if scaling is None else unscale(scaling, y)

    if measures is None:
        measures = {"accuracy": metrics.accuracy()} if of_classes else {}
    of_scaled = lambda y, t: loss(scaled(y), scaled(t))
    metric = metrics.collection({**measures, "loss": metrics.mean_of(of_scaled)})
    settings: Any = {"target": target, "batch_size": batch_size}
    return task_on_splits(model, objective, predict, metric, splits, preparation, **settings)


def _preparation(
    model: Model,
    splits: Splits,
    inputs: str,
    target: str,
    columns: Scaling | None,
    loss: Callable[[Any, Any], jax.Array],
) -> Preparation:
    """What is done to the inputs and the target; ``columns`` are scaled already."""
    x, t = splits.train[inputs], splits.train[target]
    of_classes = jnp.issubdtype(t.dtype, jnp.integer)
    pixels = _are_pictures(x)
    if of_classes and t.ndim == 1:
        _check_classes([part[target] for part in splits[:3]], target)
    dtype = jnp.float32 if pixels else jnp.asarray(x[:0]).dtype
    example = jax.ShapeDtypeStruct(x.shape[1:], dtype)
    if loss is losses.cross_entropy and jnp.issubdtype(t.dtype, jnp.floating) and t.ndim < 2:
        raise mistake(
            "supervised",
            got=f"floats in {target!r} for cross_entropy",
            expected="integers from 0, the classes",
            remedy="Pass loss=jnn.losses.squared_error to predict numbers, or number classes by "
            "jnn.data.classes.number_classes.",
        )
    y = _output(model, example, t)
    has_scores = hasattr(y, "shape") and y.ndim == t.ndim
    if of_classes and has_scores and loss is losses.cross_entropy:
        for name, part in zip(splits._fields[:3], splits[:3], strict=True):
            if len(part[target]):
                losses.check_labels(part[target], y.shape[-1], f"supervised: {target!r} of {name}")
    names = ()
    if of_classes and has_scores and y.shape[-1] > t.max():
        names = tuple(map(str, range(y.shape[-1])))
        names = splits.classes if len(splits.classes) == len(names) else names
    return Preparation(
        example,
        pixels=pixels,
        scaling=columns,
        classes=names,
        columns=_names_of_columns(splits.columns, x),
    )


def _names_of_columns(names: tuple[str, ...], x: np.ndarray) -> tuple[str, ...]:
    """Those of the columns of x, where it is a table or windows of a series."""
    if not names or x.ndim > 3:
        return ()
    width = x.shape[-1] if x.ndim > 1 else 1
    if len(names) != width:
        got, expected = f"names of {len(names)} columns", f"{width}, as the inputs have"
        raise mistake("supervised", got=got, expected=expected)
    return names


def _are_pictures(x: np.ndarray) -> bool:
    return x.dtype == np.uint8 and x.ndim == 4


def _check_table(x: np.ndarray, name: str) -> None:
    """Refuse sequences and images of floats, whose columns `standardized` does not know."""
    if x.ndim > 2:
        remedy = (
            "Scale others in load_data, as by fit_scaling and scale of jnn.data.scaling, which "
            "take x.reshape(-1, x.shape[-1]) and x."
        )
        got = f"standardize=True and {name!r} of shape {x.shape}"
        raise mistake("supervised", got=got, expected="a table (N, D)", remedy=remedy)


def _check_classes(labels: list[np.ndarray], target: str) -> None:
    """Refuse labels of one class, and those that begin at 1: a class 0 would have no example."""
    classes = np.unique(np.concatenate(labels))
    if len(classes) == 1:
        got, remedy = f"one class, {classes[0]}, in {target!r}", ""
    elif len(classes) and classes[0] > 0:
        got, remedy = (
            f"classes from {classes[0]} to {classes[-1]} in {target!r}",
            "Number them by jnn.data.classes.number_classes; give numbers of no class as floats.",
        )
    else:
        return
    expected = "two classes or more, numbered from 0"
    raise mistake("supervised", got=got, expected=expected, remedy=remedy)


def _output(model: Model, example: Any, targets: Any) -> Any:
    """The shape of the output for one example.

    Refuses a model that has scores at each pixel, or each element, for one label an example.
    """

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
    return y
