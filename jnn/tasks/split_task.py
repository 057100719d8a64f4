"""The task of learning from one part of a data set, measured alike on the other parts."""

from functools import partial

from jnn.data.splits import Splits
from jnn.metrics import Metric
from jnn.model import Model
from jnn.train.evaluate import Predict, make_evaluate
from jnn.train.feed import in_memory
from jnn.train.preparation import Preparation
from jnn.train.step import Objective
from jnn.train.task import Task


def task_on_splits(
    model: Model,
    objective: Objective,
    predict: Predict,
    metric: Metric,
    splits: Splits,
    preparation: Preparation,
    *,
    target: str = "label",
    batch_size: int = 128,
    best: str = "loss",
) -> Task:
    """Train on the training part; measure the validation and the test part with one ``metric``.

    ``predict(params, state, batch)`` gives what ``metric``, a `jnn.metrics.collection`, compares
    with the array ``target``. Params are kept by the lowest value of ``best``, one of its metrics,
    on the validation part; where that is empty, the last are. The example that params are made for
    is that of ``preparation``. Add the other fields of a task, such as baselines, with
    ``task._replace(baselines=...)``.

    >>> import jax, jax.numpy as jnp, numpy as np
    >>> import jnn
    >>> from jnn import metrics
    >>> part = {"x": np.ones((4, 3), np.float32), "y": np.ones(4, np.float32)}
    >>> model, preparation = jnn.dense(1), Preparation(jax.ShapeDtypeStruct((3,), jnp.float32))
    >>> predict = lambda params, state, batch: model.apply(params, state, batch["x"])[0][:, 0]
    >>> objective = lambda params, state, batch, key: (
    ...     jnp.mean((predict(params, state, batch) - batch["y"]) ** 2), (state, {})
    ... )
    >>> metric = metrics.collection({"rmse": metrics.root_mean_squared_error()})
    >>> settings = {"target": "y", "batch_size": 2, "best": "rmse"}
    >>> splits = Splits(part, part, part)
    >>> task = task_on_splits(model, objective, predict, metric, splits, preparation, **settings)
    >>> params = {"kernel": jnp.ones((3, 1)), "bias": jnp.zeros(1)}
    >>> {name: float(value) for name, value in task.test(params, {}).items()}, task.best
    ({'test/rmse': 2.0}, 'validation/rmse')
    """
    evaluate = partial(make_evaluate, predict, metric, target=target)
    validated = len(splits.validation[target]) > 0
    return Task(
        model=model,
        objective=objective,
        feed=in_memory(splits.train, batch_size),
        example=preparation.example,
        validate=evaluate(splits.validation, split="validation") if validated else None,
        best=f"validation/{best}" if validated else None,
        lowest=True,
        test=evaluate(splits.test, split="test"),
        data=splits.sizes,
        preparation=preparation,
    )
