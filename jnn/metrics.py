"""Metrics as monoids: sums of a batch, how two batches are merged, and the value of the sums.

A :class:`Metric` is a record of three pure functions. ``measure`` reduces a batch to a few sums (a
pytree of arrays), ``merge`` joins the sums of two batches, ``compute`` makes the value of them.
Batches may be split and merged in any order: the value is that over all examples at once, which the
mean of batch means is not if the last batch is shorter. All-zero sums are the neutral element, to
start a ``jax.lax.scan`` with. Weights of zero hide padding, whatever it holds.

All of it runs under ``jit``, ``vmap`` and on sharded arrays; sums are at least float32, exact for
counts up to 2²⁴ in one cell.

>>> import jax.numpy as jnp
>>> metric = accuracy()
>>> first = metric.measure(jnp.array([0, 1, 1]), jnp.array([0, 1, 0]))
>>> last = metric.measure(jnp.array([2, 0, 0]), jnp.array([2, 0, 0]), weights=jnp.array([1, 0, 0]))
>>> print(metric.compute(metric.merge(first, last)))
0.75

Values are fractions, not per cent. A mean over nothing, of no examples or of weights that are all
zero, is NaN. Area under the curve and average precision, which need all scores at once, are
scikit-learn's.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jnn.errors import check_type, mistake
from jnn.integers import check_integer, check_number
from jnn.losses import absolute_error, checks, cross_entropy, squared_error

__all__ = [
    "Metric",
    "accuracy",
    "balanced_accuracy",
    "collection",
    "confusion_matrix",
    "expected_calibration_error",
    "f1",
    "mean_absolute_error",
    "mean_of",
    "mean_squared_error",
    "of_classes",
    "precision",
    "r2",
    "recall",
    "root_mean_squared_error",
    "sum_per",
    "top_k_accuracy",
]


class Metric(NamedTuple):
    """Three pure functions that make one metric.

        measure(predictions, targets, weights=None) -> sums
        compute(sums)                               -> value
        merge  (sums, sums)                         -> sums, by default their addition

    ``weights`` has the shape of the targets, or of their leading axes; None weighs all equally.
    """

    measure: Callable[..., Any]
    compute: Callable[[Any], Any]
    merge: Callable[[Any, Any], Any] = functools.partial(jax.tree.map, jnp.add)


def collection(metrics: Mapping[str, Metric]) -> Metric:
    """Several metrics of the same predictions as one; its value is a dictionary.

    >>> both = collection({"mse": mean_squared_error(), "mae": mean_absolute_error()})
    >>> sums = both.measure(jnp.array([1.0, 4.0]), jnp.array([1.0, 2.0]))
    >>> {name: float(value) for name, value in both.compute(sums).items()}
    {'mse': 2.0, 'mae': 1.0}
    """
    check_type("collection", "metrics", metrics, Mapping, "{'accuracy': accuracy()}")
    for name, metric in metrics.items():
        if not isinstance(metric, Metric):
            got, remedy = f"{metric!r:.80} as {name!r}", "Of a function, make jnn.metrics.mean_of."
            raise mistake("collection", got=got, expected="a Metric", remedy=remedy)
    return Metric(
        measure=lambda predictions, targets, weights=None: {
            name: metric.measure(predictions, targets, weights) for name, metric in metrics.items()
        },
        compute=lambda sums: {name: metric.compute(sums[name]) for name, metric in metrics.items()},
        merge=lambda a, b: {
            name: metric.merge(a[name], b[name]) for name, metric in metrics.items()
        },
    )


def mean_of(function: Callable[[ArrayLike, ArrayLike], ArrayLike]) -> Metric:
    """The weighted mean of a function ``(predictions, targets) -> values``, such as a loss.

    >>> import jnn.losses
    >>> metric = mean_of(jnn.losses.cross_entropy)
    >>> sums = metric.measure(jnp.zeros((5, 2)), jnp.array([0, 1, 1, 0, 1]))
    >>> print(f"{metric.compute(sums):.3f}")
    0.693
    """

    def measure(predictions, targets, weights=None):
        values = checks.floating("mean_of", "values", function(predictions, targets))
        weights = checks.spread("mean_of", weights, values.shape, values.dtype)
        return {
            "total": jnp.sum(weights * jnp.where(weights == 0, 0, values)),
            "weight": jnp.sum(weights),
        }

    return Metric(measure, compute=lambda sums: sums["total"] / sums["weight"])


def sum_per(count: float) -> Metric:
    """The weighted sum of the predictions over a fixed ``count``; the targets do not matter.

    Of the nats of each text, for example, over the number of all characters that are predicted, so
    that the value does not depend on how the text is cut into tokens. Raises JnnError for a count
    that is not above 0.

    >>> metric = sum_per(10)
    >>> print(metric.compute(metric.measure(jnp.array([3.0, 4.0]), jnp.zeros(2))))
    0.7
    """
    count = check_number("sum_per", "count", count, above=0)

    def measure(predictions, targets, weights=None):
        predictions = checks.floating("sum_per", "predictions", predictions)
        weights = checks.spread("sum_per", weights, predictions.shape, predictions.dtype)
        return jnp.sum(weights * jnp.where(weights == 0, 0, predictions))

    return Metric(measure, compute=lambda total: total / count)


def of_classes(
    classes: int, *, loss: Callable[[ArrayLike, ArrayLike], ArrayLike] = cross_entropy
) -> Metric:
    """What a classifier is judged by, of its logits ``(..., classes)``: four metrics by name.

    ``loss`` (the mean of the ``loss``), ``accuracy``, ``balanced_accuracy``, and
    ``calibration_error`` (expected calibration error).

    >>> metric = of_classes(2)
    >>> values = metric.compute(metric.measure(jnp.zeros((4, 2)), jnp.array([0, 0, 0, 1])))
    >>> {name: round(float(value), 3) for name, value in values.items()}
    {'loss': 0.693, 'accuracy': 0.75, 'balanced_accuracy': 0.5, 'calibration_error': 0.25}
    """
    return collection(
        {
            "loss": mean_of(loss),
            "accuracy": accuracy(),
            "balanced_accuracy": balanced_accuracy(classes),
            "calibration_error": expected_calibration_error(),
        }
    )


def accuracy() -> Metric:
    """The fraction of correct predictions.

    Predictions are floating-point scores ``(..., classes)``, of which the first largest counts, or
    class numbers ``(...)``; targets are integers ``(...)``. For a binary target and one logit, pass
    ``(logits > 0).astype(int)``.
    """

    def is_correct(predictions, targets):
        predicted, targets = _class_numbers("accuracy", predictions, targets)
        return (predicted == targets).astype(jnp.float32)

    return mean_of(is_correct)


def top_k_accuracy(k: int) -> Metric:
    """The fraction of targets ``(...)`` among the k highest scores ``(..., classes)``.

    Ties go to the lower class number.
    """
    k = check_integer("top_k_accuracy", "k", k)

    def is_among(scores, targets):
        scores, targets = checks.labelled("top_k_accuracy", scores, targets)
        if k > scores.shape[-1]:
            raise mistake(
                "top_k_accuracy",
                got=f"k={k} for {scores.shape[-1]} classes",
                expected="k of at most the number of classes",
            )
        _, best = jax.lax.top_k(scores, k)
        return jnp.any(best == targets[..., None], axis=-1).astype(jnp.float32)

    return mean_of(is_among)


def confusion_matrix(classes: int) -> Metric:
    """How often target i (row) was predicted as j (column), ``(classes, classes)``.

    Predictions are those of :func:`accuracy`. As scikit-learn's
    ``confusion_matrix(labels=range(classes))``, in float32 because weights need not be integers. A
    class outside ``[0, classes)`` is not counted: check labels once by ``jnn.losses.check_labels``.
    """
    classes = check_integer("confusion_matrix", "classes", classes)
    measure = functools.partial(_count_pairs, "confusion_matrix", classes)
    return Metric(measure, compute=lambda counts: counts)


def precision(classes: int, *, average: str | None = "macro") -> Metric:
    """The precision of each class, ``true positives / predicted``, and zero if none was predicted.

    Predictions are those of :func:`accuracy`. ``average`` is as in scikit-learn:

    ``None``        one value a class, ``(classes,)``
    ``"macro"``     their plain mean, absent classes included as zero (scikit-learn's with
                    ``labels=range(classes), zero_division=0``)
    ``"weighted"``  the mean weighted by how often a class is the target
    ``"micro"``     all classes counted together, which is the accuracy
    """
    return _from_counts(
        "precision", classes, average, lambda true, predicted, actual: (true, predicted)
    )


def recall(classes: int, *, average: str | None = "macro") -> Metric:
    """The recall of each class, ``true positives / actual``; see :func:`precision`."""
    return _from_counts("recall", classes, average, lambda true, predicted, actual: (true, actual))


def balanced_accuracy(classes: int) -> Metric:
    """The mean recall of the classes that occur among the targets; see :func:`precision`.

    As scikit-learn's ``balanced_accuracy_score``: a class without targets has no recall and changes
    nothing, where :func:`recall` counts it as zero.
    """
    counts = confusion_matrix(classes)

    def compute(sums):
        actual = jnp.sum(sums, axis=1)
        recalls = _ratio(jnp.diagonal(sums), actual)
        return jnp.sum(recalls) / jnp.sum(actual > 0, dtype=recalls.dtype)

    return counts._replace(compute=compute)


def f1(classes: int, *, average: str | None = "macro") -> Metric:
    """The harmonic mean of precision and recall; see :func:`precision`.

    ``2 true positives / (predicted + actual)``
    """
    return _from_counts(
        "f1", classes, average, lambda true, predicted, actual: (2 * true, predicted + actual)
    )


def expected_calibration_error(bins: int = 15) -> Metric:
    """The mean gap between confidence and accuracy, over B equal bins of confidence.

        Σ_b (n_b / n) |accuracy_b - confidence_b|

    Predictions are logits ``(..., classes)`` and targets integers ``(...)``; confidence is the
    largest softmax probability, in bins ``(b/B, (b+1)/B]``. For probabilities pass their logarithms
    as logits. Source: Guo et al. 2017, equation 3.
    """
    caller = "expected_calibration_error"
    bins = check_integer(caller, "bins", bins)

    def measure(logits, targets, weights=None):
        logits, targets = checks.labelled(caller, logits, targets)
        w = checks.spread(caller, weights, targets.shape, logits.dtype)
        confidence = jnp.where(w == 0, 0, jnp.max(jax.nn.softmax(logits, axis=-1), axis=-1))
        correct = (jnp.argmax(logits, axis=-1) == targets).astype(logits.dtype)
        b = jnp.clip(jnp.ceil(confidence * bins).astype(jnp.int32) - 1, 0, bins - 1)
        return {
            "gap": jnp.zeros(bins, w.dtype).at[b].add(w * (correct - confidence)),
            "weight": jnp.sum(w),
        }

    def compute(sums):
        return jnp.sum(jnp.abs(sums["gap"])) / sums["weight"]

    return Metric(measure, compute)


def mean_squared_error() -> Metric:
    """The mean of ``(ŷ - y)²`` over all elements, whatever the shape."""
    return mean_of(squared_error)


def root_mean_squared_error() -> Metric:
    """The root of the mean squared error over all elements, in the units of the targets."""
    mse = mean_squared_error()
    return mse._replace(compute=lambda sums: jnp.sqrt(mse.compute(sums)))


def mean_absolute_error() -> Metric:
    """The mean of ``|ŷ - y|`` over all elements, in the units of the targets."""
    return mean_of(absolute_error)


def r2() -> Metric:
    """The coefficient of determination ``1 - Σ (y - ŷ)² / Σ (y - ȳ)²`` over all elements.

    1 is perfect, and 0 no better than the mean. As scikit-learn's ``r2_score`` of flattened arrays;
    constant targets give 1 if all are predicted exactly and 0 otherwise.

    ``Σ y² - n ȳ²`` loses all digits in float32 if the mean is large compared to the deviation. So a
    batch keeps its mean, as the distance from its largest target, and the sum M of squared
    deviations from it, and two batches are merged by

        M = M_a + M_b + (ȳ_b - ȳ_a)² n_a n_b / (n_a + n_b)

    The result is a float32 itself: just below 1, the next one is 6e-8 away. Source: Chan, Golub and
    LeVeque 1979.
    """
    return Metric(_deviations, _determination, _merge_deviations)


def _deviations(predictions, targets, weights=None):
    predictions, targets = checks.paired("r2", predictions, targets)
    w = checks.spread("r2", weights, targets.shape, targets.dtype)
    predictions, targets = jnp.where(w == 0, 0, predictions), jnp.where(w == 0, 0, targets)
    n = jnp.sum(w)
    # Relative to one of the targets, the same one in any order: the mean of constant targets is
    # exact, their deviations are zero, and a large mean takes no digits from them.
    largest = jnp.max(jnp.where(w > 0, targets, -jnp.inf), initial=-jnp.inf)
    origin = jnp.where(n > 0, largest, 0)
    mean = _ratio(jnp.sum(w * (targets - origin)), n)
    return {
        "weight": n,
        "origin": origin,
        "mean": mean,
        "deviations": jnp.sum(w * (targets - origin - mean) ** 2),
        "residuals": jnp.sum(w * (targets - predictions) ** 2),
    }


def _merge_deviations(a, b):
    n = a["weight"] + b["weight"]
    first = jnp.where(a["weight"] > 0, a["origin"], b["origin"])
    second = jnp.where(b["weight"] > 0, b["origin"], first)
    origin = jnp.maximum(first, second)
    step, part = second - first + (b["mean"] - a["mean"]), _ratio(b["weight"], n)
    return {
        "weight": n,
        "origin": origin,
        "mean": first - origin + a["mean"] + step * part,
        "deviations": a["deviations"] + b["deviations"] + step**2 * a["weight"] * part,
        "residuals": a["residuals"] + b["residuals"],
    }


def _determination(sums):
    residuals, deviations = sums["residuals"], sums["deviations"]
    of_constant = (residuals == 0).astype(residuals.dtype)
    value = jnp.where(deviations == 0, of_constant, 1 - _ratio(residuals, deviations))
    return jnp.where(sums["weight"] > 0, value, jnp.nan)


def _from_counts(name, classes, average, parts):
    """A metric that is a ratio of two counts of each class, taken from the confusion matrix."""
    classes = check_integer(name, "classes", classes)
    if average not in (None, "macro", "micro", "weighted"):
        raise mistake(
            name, got=f"average={average!r}", expected="None, 'macro', 'micro' or 'weighted'"
        )

    def compute(counts):
        actual = jnp.sum(counts, axis=1)
        above, below = parts(jnp.diagonal(counts), jnp.sum(counts, axis=0), actual)
        if average == "micro":
            return jnp.sum(above) / jnp.sum(below)
        ratios = _ratio(above, below)
        if average is None:
            return ratios
        if average == "macro":
            return jnp.mean(ratios)
        return jnp.sum(ratios * actual) / jnp.sum(actual)

    return Metric(functools.partial(_count_pairs, name, classes), compute)


def _count_pairs(caller, classes, predictions, targets, weights=None):
    predicted, targets = _class_numbers(caller, predictions, targets)
    w = checks.spread(caller, weights, targets.shape, jnp.float32)
    # mode="drop" drops an index past the end, but a negative one counts from the end.
    row, column = (jnp.where(c < 0, classes, c) for c in (targets, predicted))
    return jnp.zeros((classes, classes), w.dtype).at[row, column].add(w, mode="drop")


def _class_numbers(caller, predictions, targets):
    """Predicted and target class numbers, from scores ``(..., classes)`` or class numbers."""
    predictions = jnp.asarray(predictions)
    if jnp.issubdtype(predictions.dtype, jnp.floating):
        scores, targets = checks.labelled(caller, predictions, targets)
        return jnp.argmax(scores, axis=-1).astype(jnp.int32), targets
    targets = jnp.asarray(targets)
    checks.same_shape(caller, predictions.shape, targets.shape)
    if not jnp.issubdtype(targets.dtype, jnp.integer):
        raise mistake(
            caller, got=f"targets of dtype {targets.dtype}", expected="integer class numbers"
        )
    return predictions.astype(jnp.int32), targets.astype(jnp.int32)


def _ratio(above, below):
    """``above / below``, and zero where ``below`` is zero."""
    return jnp.where(below == 0, 0, above / jnp.where(below == 0, 1, below))
