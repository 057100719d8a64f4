"""Evaluation on data in memory: batches of equal shape, padded with weight 0, in one compiled
scan.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from jnn.data.batches import padded_batches
from jnn.metrics import Metric

Predict = Callable[[Any, Any, Mapping[str, jax.Array]], Any]


def make_evaluate(
    predict: Predict,
    metric: Metric,
    arrays: Mapping[str, np.ndarray],
    *,
    target: str,
    split: str,
    batch_size: int = 500,
) -> Callable[[Any, Any], dict[str, jax.Array]]:
    """``(params, state) -> {"validation/accuracy": ...}``, pure: a metric of all predictions on
    ``arrays``, however they are cut.

    ``predict(params, state, batch)`` gives the predictions of a batch; ``metric`` computes a dict,
    as `jnn.metrics.collection` makes one; ``target`` names the array to compare with, and ``split``
    goes before the names of the metrics.

    >>> import jnn.metrics
    >>> metric = jnn.metrics.collection({"accuracy": jnn.metrics.accuracy()})
    >>> arrays = {"x": np.eye(3, dtype=np.float32), "label": np.array([0, 1, 1], np.int32)}
    >>> predict = lambda params, state, batch: batch["x"] * params
    >>> evaluate = make_evaluate(predict, metric, arrays, target="label", split="test")
    >>> print(f"{evaluate(1.0, {})['test/accuracy']:.3f}")
    0.667
    """
    batches, weights = jax.device_put(padded_batches(arrays, min(batch_size, len(arrays[target]))))

    @jax.jit
    def sums(params, state, batches, weights):
        measure = lambda batch, weight: metric.measure(
            predict(params, state, batch), batch[target], weight
        )
        nothing = jax.tree.map(
            lambda leaf: jax.numpy.zeros(leaf.shape, leaf.dtype),
            jax.eval_shape(measure, *_first((batches, weights))),
        )
        return metric.compute(
            jax.lax.scan(
                lambda total, batch: (metric.merge(total, measure(*batch)), None),
                nothing,
                (batches, weights),
            )[0]
        )

    def evaluate(params, state):
        return {
            f"{split}/{name}": value
            for name, value in sums(params, state, batches, weights).items()
        }

    return evaluate


def predict_all(
    predict: Predict,
    params: Any,
    state: Any,
    arrays: Mapping[str, np.ndarray],
    *,
    batch_size: int = 500,
) -> Any:
    """The predictions for all examples, in order, as numpy arrays."""
    size = len(next(iter(arrays.values())))
    batches, _ = padded_batches(arrays, min(batch_size, size))
    stacked = jax.jit(
        lambda params, state, batches: jax.lax.map(
            lambda batch: predict(params, state, batch), batches
        )
    )(params, state, batches)
    return jax.tree.map(lambda leaf: np.asarray(leaf).reshape(-1, *leaf.shape[2:])[:size], stacked)


def _first(tree: Any) -> Any:
    return jax.tree.map(lambda leaf: leaf[0], tree)
