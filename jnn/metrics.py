"""Metrics as monoids: what a batch says, how two batches join, and what it comes to.

A :class:`Metric` is a record of three pure functions. ``measure`` reduces a batch to a few sums (a
pytree of arrays), ``merge`` joins the sums of two batches, ``compute`` ends with the number.
Merging in any order and any split gives the value over all examples at once (the mean of batch
means does not, where the last batch is shorter), and all-zero sums are the neutral element, to
start a ``jax.lax.scan`` with. Weights of zero hide padding, whatever it holds. All of it runs under
``jit``, ``vmap`` and on sharded arrays; sums are at least float32, exact for counts up to 2²⁴ in
one cell.

>>> import jax.numpy as jnp
>>> metric = accuracy()
>>> first = metric.measure(jnp.array([0, 1, 1]), jnp.array([0, 1, 0]))
>>> last = metric.measure(jnp.array([2, 0, 0]), jnp.array([2, 0, 0]), weights=jnp.array([1, 0, 0]))
>>> print(metric.compute(metric.merge(first, last)))
0.75

Values are fractions, not per cent. Area under the curve and average precision, which need all
scores at once, are scikit-learn's.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jnn.errors import mistake
from jnn.losses import absolute_error, checks, squared_error

__all__ = [
    "Metric",
    "accuracy",
    "collection",
    "confusion_matrix",
    "expected_calibration_error",
    "f1",
    "mean_absolute_error",
    "mean_of",
    "mean_squared_error",
    "precision",
    "r2",
    "recall",
    "root_mean_squared_error",
    "top_k_accuracy",
]


class Metric(NamedTuple):
    """Three pure functions: ``measure(predictions, targets, weights=None) -> sums``,
    ``merge(sums, sums)``, ``compute(sums) -> value``.

    ``weights`` has the shape of the targets, or of their leading axes; None weighs all alike.
    ``merge`` is addition where nothing is said.
    """

    measure: Callable[..., Any]
    compute: Callable[[Any], Any]
    merge: Callable[[Any, Any], Any] = functools.partial(jax.tree.map, jnp.add)


def collection(metrics: Mapping[str, Metric]) -> Metric:
    """Several metrics of the same predictions as one; its value is a dictionary.

    >>> both = collection({"mse": mean_squared_error(), "mae": mean_absolute_error()})
    >>> {name: float(value) for name, value in both.compute(both.measure(jnp.array([1.0, 4.0]), jnp.array([1.0, 2.0]))).items()}
    {'mse': 2.0, 'mae': 1.0}
    """
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
    """The weighted mean of any per-example function ``(predictions, targets) -> values``, such as a
    loss.

    >>> import jnn.losses
    >>> metric = mean_of(jnn.losses.cross_entropy)
    >>> print(f"{metric.compute(metric.measure(jnp.zeros((5, 2)), jnp.array([0, 1, 1, 0, 1]))):.3f}")
    0.693
    """

    def measure(predictions, targets, weights=None):
        values = checks.floating("mean_of", "values", function(predictions, targets))
        weights = checks.spread("mean_of", weights, values.shape, values.dtype)
        return {
            "total": jnp.sum(weights * jnp.where(weights == 0, 0, values)),
            "weight": jnp.sum(weights),
        }

    return Metric(measure, compute=lambda sums: _ratio(sums["total"], sums["weight"]))


def accuracy() -> Metric:
    """The fraction of right classes. Predictions are class scores ``(..., classes)`` in floating
    point, or class numbers ``(...)``.

    Targets are integers ``(...)``. Of equal scores the first class is predicted. For yes or no from
    one logit, predict ``(logits > 0).astype(int)``.
    """

    def right(predictions, targets):
        predicted, targets = _class_numbers("accuracy", predictions, targets)
        return (predicted == targets).astype(jnp.float32)

    return mean_of(right)


def top_k_accuracy(k: int) -> Metric:
    """The fraction of targets ``(...)`` among the k classes of highest score ``(..., classes)``;
    ties go to the lower class number.
    """
    if k < 1:
        raise mistake("top_k_accuracy", got=f"k={k}", expected="an integer >= 1")

    def among(scores, targets):
        scores, targets = checks.labelled("top_k_accuracy", scores, targets)
        if k > scores.shape[-1]:
            raise mistake(
                "top_k_accuracy",
                got=f"k={k} for {scores.shape[-1]} classes",
                expected="k of at most the number of classes",
            )
        _, best = jax.lax.top_k(scores, k)
        return jnp.any(best == targets[..., None], axis=-1).astype(jnp.float32)

    return mean_of(among)


def confusion_matrix(classes: int) -> Metric:
    """How often target i (row) was predicted as j (column), ``(classes, classes)``; predictions as
    for :func:`accuracy`.

    As scikit-learn's ``confusion_matrix(labels=range(classes))``, in float32 because weights need
    not be whole. A class outside ``[0, classes)`` is left out: check labels once by
    ``jnn.losses.check_labels``.
    """
    return Metric(
        functools.partial(_count_pairs, "confusion_matrix", classes), compute=lambda counts: counts
    )


def precision(classes: int, *, average: str | None = "macro") -> Metric:
    """Of what was predicted as a class, the fraction that is: ``true positives / predicted``; zero
    where nothing was predicted.

    Predictions as for :func:`accuracy`. ``average`` as in scikit-learn: None gives every class,
    ``(classes,)``; ``"macro"`` their plain mean, absent classes included as zero (scikit-learn's
    with ``labels=range(classes), zero_division=0``); ``"weighted"`` the mean weighted by how often
    a class is the target; ``"micro"`` counts all classes together, which is the accuracy.
    """
    return _from_counts(
        "precision", classes, average, lambda true, predicted, actual: (true, predicted)
    )


def recall(classes: int, *, average: str | None = "macro") -> Metric:
    """Of what is a class, the fraction predicted as it: ``true positives / actual``; see
    :func:`precision`.
    """
    return _from_counts("recall", classes, average, lambda true, predicted, actual: (true, actual))


def f1(classes: int, *, average: str | None = "macro") -> Metric:
    """The harmonic mean of precision and recall, ``2 true positives / (predicted + actual)``; see
    :func:`precision`.
    """
    return _from_counts(
        "f1", classes, average, lambda true, predicted, actual: (2 * true, predicted + actual)
    )


def expected_calibration_error(bins: int = 15) -> Metric:
    """How far confidence is from accuracy: ``Σ_b (n_b / n) |accuracy_b - confidence_b|`` over equal
    bins of confidence.

    Predictions are logits ``(..., classes)`` and targets integers ``(...)``; confidence is the
    largest softmax probability, in bins ``(b/B, (b+1)/B]``. Probabilities instead of logits would
    be squashed once more: pass their logarithms. Source: Guo et al. 2017, equation 3.
    """
    caller = "expected_calibration_error"
    if bins < 1:
        raise mistake(caller, got=f"bins={bins}", expected="an integer >= 1")

    def measure(logits, targets, weights=None):
        logits, targets = checks.labelled(caller, logits, targets)
        w = checks.spread(caller, weights, targets.shape, logits.dtype)
        confidence = jnp.where(w == 0, 0, jnp.max(jax.nn.softmax(logits, axis=-1), axis=-1))
        right = (jnp.argmax(logits, axis=-1) == targets).astype(logits.dtype)
        b = jnp.clip(jnp.ceil(confidence * bins).astype(jnp.int32) - 1, 0, bins - 1)
        return {
            "gap": jnp.zeros(bins, w.dtype).at[b].add(w * (right - confidence)),
            "weight": jnp.sum(w),
        }

    return Metric(
        measure, compute=lambda sums: _ratio(jnp.sum(jnp.abs(sums["gap"])), sums["weight"])
    )


def mean_squared_error() -> Metric:
    """The mean of ``(ŷ - y)²`` over all elements, whatever the shape."""
    return mean_of(squared_error)


def root_mean_squared_error() -> Metric:
    """The root of the mean squared error over all elements (not the mean of roots), in the units of
    the targets.
    """
    mse = mean_squared_error()
    return mse._replace(compute=lambda sums: jnp.sqrt(mse.compute(sums)))


def mean_absolute_error() -> Metric:
    """The mean of ``|ŷ - y|`` over all elements, in the units of the targets."""
    return mean_of(absolute_error)


def r2() -> Metric:
    """The coefficient of determination ``1 - Σ (y - ŷ)² / Σ (y - ȳ)²`` over all elements: 1 is
    perfect, 0 no better than the mean.

    As scikit-learn's ``r2_score`` of flattened arrays; constant targets give 1 if all are predicted
    exactly and 0 otherwise.

    ``Σ y² - n ȳ²`` would lose all digits in float32 where the mean is large beside the spread. So a
    batch keeps its mean and its squared deviations M from it, and two batches merge by Chan, Golub
    and LeVeque 1979: ``M = M_a + M_b + (ȳ_b - ȳ_a)² n_a n_b / (n_a + n_b)``.
    """
    return Metric(_deviations, _determination, _merge_deviations)


def _deviations(predictions, targets, weights=None):
    predictions, targets = checks.paired("r2", predictions, targets)
    w = checks.spread("r2", weights, targets.shape, targets.dtype)
    predictions, targets = jnp.where(w == 0, 0, predictions), jnp.where(w == 0, 0, targets)
    n = jnp.sum(w)
    # From one of the targets, so that the mean of constant targets is exact and their deviations
    # are zero.
    origin = targets.ravel()[jnp.argmax(w)]
    mean = origin + _ratio(jnp.sum(w * (targets - origin)), n)
    deviations, residuals = (
        jnp.sum(w * (targets - mean) ** 2),
        jnp.sum(w * (targets - predictions) ** 2),
    )
    return {"weight": n, "mean": mean, "deviations": deviations, "residuals": residuals}


def _merge_deviations(a, b):
    n = a["weight"] + b["weight"]
    step, part = b["mean"] - a["mean"], _ratio(b["weight"], n)
    return {
        "weight": n,
        "mean": a["mean"] + step * part,
        "deviations": a["deviations"] + b["deviations"] + step**2 * a["weight"] * part,
        "residuals": a["residuals"] + b["residuals"],
    }


def _determination(sums):
    exact = jnp.where((sums["residuals"] == 0) & (sums["weight"] > 0), 1.0, 0.0).astype(
        sums["residuals"].dtype
    )
    return jnp.where(
        sums["deviations"] == 0, exact, 1 - _ratio(sums["residuals"], sums["deviations"])
    )


def _from_counts(name, classes, average, parts):
    """A metric that is a ratio of two counts of each class, taken from the confusion matrix."""
    if average not in (None, "macro", "micro", "weighted"):
        raise mistake(
            name, got=f"average={average!r}", expected="None, 'macro', 'micro' or 'weighted'"
        )

    def compute(counts):
        actual = jnp.sum(counts, axis=1)
        above, below = parts(jnp.diagonal(counts), jnp.sum(counts, axis=0), actual)
        if average == "micro":
            return _ratio(jnp.sum(above), jnp.sum(below))
        each = _ratio(above, below)
        if average is None:
            return each
        return (
            jnp.mean(each)
            if average == "macro"
            else _ratio(jnp.sum(each * actual), jnp.sum(actual))
        )

    return Metric(functools.partial(_count_pairs, name, classes), compute)


def _count_pairs(caller, classes, predictions, targets, weights=None):
    predicted, targets = _class_numbers(caller, predictions, targets)
    w = checks.spread(caller, weights, targets.shape, jnp.float32)
    # JAX drops an index past the end, but wraps a negative one around.
    inside = lambda c: jnp.where(c < 0, classes, c)
    return (
        jnp.zeros((classes, classes), w.dtype)
        .at[inside(targets), inside(predicted)]
        .add(w, mode="drop")
    )


def _class_numbers(caller, predictions, targets):
    """Predicted and target class numbers, from scores ``(..., classes)`` or from class numbers
    themselves.
    """
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
