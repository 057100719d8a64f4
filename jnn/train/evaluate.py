"""Evaluation on data in memory, in one compiled scan.

Batches have equal shapes; the last one is padded with examples of weight 0.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from jnn.data.batches import padded_batches
from jnn.errors import check_function, check_type, mistake
from jnn.metrics import Metric
from jnn.sharding import gathered, mesh_of, on_mesh_of, whole, within
from jnn.train.compilation import compiler_options

_OF_OTHERS = "non-addressable"  # devices, in what JAX says of such arrays

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
    """``(params, state) -> {"validation/accuracy": ...}``, pure: a metric over ``arrays``.

    It is the metric of all predictions together, whatever the batch size.

    ``predict(params, state, batch)`` returns the predictions of a batch; ``metric`` computes a
    dict, as those of `jnn.metrics.collection` do; ``target`` names the array to compare with, and
    ``split`` prefixes the names of the metrics.

    >>> import jnn.metrics
    >>> metric = jnn.metrics.collection({"accuracy": jnn.metrics.accuracy()})
    >>> arrays = {"x": np.eye(3, dtype=np.float32), "label": np.array([0, 1, 1], np.int32)}
    >>> predict = lambda params, state, batch: batch["x"] * params
    >>> evaluate = make_evaluate(predict, metric, arrays, target="label", split="test")
    >>> print(f"{evaluate(1.0, {})['test/accuracy']:.3f}")
    0.667
    """
    check_function("make_evaluate", "predict", predict, "(params, state, batch) -> predictions")
    example = "jnn.metrics.collection({'accuracy': jnn.metrics.accuracy()})"
    check_type("make_evaluate", "metric", metric, Metric, example)
    if target not in arrays:
        expected = f"one of {', '.join(map(repr, arrays))}"
        raise mistake("make_evaluate", got=f"target={target!r}", expected=expected)
    batches, weights = jax.device_put(padded_batches(arrays, min(batch_size, len(arrays[target]))))

    @jax.jit
    def sums(params, state, batches, weights):
        measure = lambda batch, weight: metric.measure(
            predict(params, state, batch), batch[target], weight
        )
        add = lambda total, batch: (metric.merge(total, measure(*batch)), None)
        shapes = jax.eval_shape(measure, *_first((batches, weights)))
        zeros = jax.tree.map(lambda leaf: jax.numpy.zeros(leaf.shape, leaf.dtype), shapes)
        total, _ = jax.lax.scan(add, zeros, (batches, weights))
        return metric.compute(total)

    def evaluate(params, state):
        values = sums(params, state, *on_mesh_of(params, (batches, weights), axis=1))
        return {f"{split}/{name}": value for name, value in values.items()}

    return evaluate


def predict_all(
    predict: Predict,
    params: Any,
    state: Any,
    arrays: Mapping[str, np.ndarray],
    *,
    batch_size: int = 500,
) -> Any:
    """The predictions for all examples, in order, as numpy arrays.

    ``predict`` is compiled once for all calls with the same function, and shapes: define it outside
    of what is called again.
    """
    size = len(next(iter(arrays.values())))
    batches, _ = padded_batches(arrays, min(batch_size, size))
    stacked = whole(_of_batches(predict)(params, state, batches))
    return jax.tree.map(lambda leaf: np.asarray(leaf).reshape(-1, *leaf.shape[2:])[:size], stacked)


@functools.lru_cache(maxsize=8)  # of one function one program, for all calls of `predict_all`
def _of_batches(predict: Predict) -> Callable[[Any, Any, Any], Any]:
    def predict_batches(params, state, batches):
        return jax.lax.map(lambda batch: predict(params, state, batch), batches)

    return jax.jit(predict_batches, compiler_options=compiler_options())


def evaluated(evaluate: Callable[[Any, Any], Any], params: Any, state: Any) -> Any:
    """``evaluate(params, state)``, of params that may live on a mesh.

    Over several processes one that fetches arrays of which others have parts, as ``np.asarray``
    does, gets params that are whole on each process instead.
    """
    with within(mesh_of(params)):
        try:
            return evaluate(params, state)
        except RuntimeError as error:
            if jax.process_count() == 1 or _OF_OTHERS not in str(error):
                raise
    return evaluate(*gathered((params, state)))


def _first(tree: Any) -> Any:
    return jax.tree.map(lambda leaf: leaf[0], tree)
