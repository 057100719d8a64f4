"""Checks of the arguments of losses and metrics, in Python, before anything is traced.

Each function takes ``caller``, the name of the loss for the message, and returns the arrays in the
dtype to compute in: at least float32, because sums of logarithms and squares need more digits than
half precision has; float64 stays float64.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jnn.errors import mistake
from jnn.integers import as_number, spelled
from jnn.precision import numerics


def floating(caller: str, name: str, x: ArrayLike) -> jax.Array:
    """A floating-point array in at least float32."""
    x = jnp.asarray(x)
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise mistake(
            caller,
            got=f"{name} of dtype {x.dtype}",
            expected="floating-point numbers",
            remedy=f"Pass the model's output for {name}, before any argmax or rounding.",
        )
    return numerics(x)


def paired(
    caller: str,
    predictions: ArrayLike,
    targets: ArrayLike,
    names: tuple[str, str] = ("predictions", "targets"),
):
    """Predictions and numeric targets of equal shapes, both in the predictions' floating dtype."""
    predictions, targets = floating(caller, names[0], predictions), jnp.asarray(targets)
    same_shape(caller, predictions.shape, targets.shape, names)
    return predictions, targets.astype(predictions.dtype)


def same_shape(
    caller: str,
    predictions: tuple[int, ...],
    targets: tuple[int, ...],
    names: tuple[str, str] = ("predictions", "targets"),
):
    """Refuse two shapes that differ, even where they would broadcast."""
    if predictions == targets:
        return
    first, second = names
    remedy = "Nothing is broadcast here; reshape one to the other."
    for name, longer, shorter in ((first, predictions, targets), (second, targets, predictions)):
        if longer == (*shorter, 1):
            remedy = (
                f"Drop the last axis, {name}[..., 0]: "
                f"broadcasting would compare every {first} with every {second}."
            )
    raise mistake(
        caller,
        got=f"{first} {predictions} and {second} {targets}",
        expected="equal shapes",
        remedy=remedy,
    )


def labelled(caller: str, scores: ArrayLike, labels: ArrayLike) -> tuple[jax.Array, jax.Array]:
    """Scores ``(..., classes)`` and integer labels ``(...)``; the labels in int32."""
    scores, labels = floating(caller, "scores", scores), jnp.asarray(labels)
    if not jnp.issubdtype(labels.dtype, jnp.integer):
        remedy = "Convert class numbers with labels.astype(int)."
        if labels.ndim > 0 and labels.shape == scores.shape:
            remedy = (
                "These look one-hot: take jnp.argmax(labels, axis=-1), "
                "or jnn.losses.soft_cross_entropy for probabilities."
            )
        raise mistake(
            caller,
            got=f"labels of dtype {labels.dtype} and shape {labels.shape}",
            expected="integer labels",
            remedy=remedy,
        )
    if scores.ndim == 0 or scores.shape[:-1] != labels.shape:
        remedy = (
            "Take the argmax of one-hot labels, or use jnn.losses.soft_cross_entropy; "
            "scores have the classes on the last axis."
        )
        if labels.shape == (*scores.shape[:-1], 1):
            remedy = "Drop the last axis, labels[..., 0]."
        raise mistake(
            caller,
            got=f"scores {scores.shape} and labels {labels.shape}",
            expected="scores (..., classes) and labels (...) with equal leading axes",
            remedy=remedy,
        )
    if not scores.shape[-1]:
        raise mistake(caller, got=f"scores {scores.shape}", expected="at least one class")
    return scores, labels.astype(jnp.int32)


def number(
    caller: str,
    name: str,
    value: ArrayLike,
    dtype,
    low: float,
    high: float = np.inf,
    *,
    ends: str = "[)",
    shape: tuple[int, ...] = (),
) -> jax.Array:
    """A setting within an interval, as a scalar of ``dtype``, or an array of ``shape``.

    ``ends`` says which ends belong to the interval: ``"[)"`` is low <= value < high. Of arrays,
    such as a traced value (a swept hyperparameter), the shape alone is checked.
    """
    if (plain := as_number(value)) is not None:
        above = plain >= low if ends[0] == "[" else plain > low
        below = plain <= high if ends[1] == "]" else plain < high
        is_valid = above and below
    else:
        is_valid = not isinstance(value, str | bool | None)
    if not is_valid:
        expected = f"a number in {ends[0]}{low:g}, {high:g}{ends[1]}"
        raise mistake(caller, got=f"{name}={spelled(value)}", expected=expected)
    if np.shape(value) not in ((), shape):
        expected = "a number" if shape == () else f"a number, or shape {shape}"
        got, remedy = f"{name} of shape {np.shape(value)}", "Nothing else is broadcast here."
        raise mistake(caller, got=got, expected=expected, remedy=remedy)
    return jnp.asarray(value, dtype)


def times(weights: jax.Array, values: jax.Array) -> jax.Array:
    """``weights * values``, where zero times infinity is zero, as in the limit 0 log 0 = 0.

    >>> print(times(jnp.array([0.0, 2.0]), jnp.array([-jnp.inf, 3.0])))
    [0. 6.]
    """
    return weights * jnp.where((weights == 0) & jnp.isinf(values), 0, values)


def magnitude(x: jax.Array) -> jax.Array:
    """The largest of 1 and the numbers of each vector, ``(..., 1)``, a constant to gradients.

    Squares of ``x / magnitude(x)`` do not overflow, and vectors of small numbers stay as they are.

    >>> print(magnitude(jnp.array([[3.0, -8.0], [0.1, 0.2]])))
    [[8.]
     [1.]]
    """
    largest = jnp.max(jnp.abs(x), axis=-1, keepdims=True, initial=1)
    return jax.lax.stop_gradient(jnp.where(jnp.isfinite(largest), largest, 1))


def spread(caller: str, weights: ArrayLike | None, shape: tuple[int, ...], dtype) -> jax.Array:
    """Weights for every element of ``shape``, ones for None.

    They may lack trailing axes (one weight an example), never leading ones.
    """
    if weights is None:
        return jnp.ones(shape, dtype)
    weights = jnp.asarray(weights).astype(dtype)
    if weights.shape != shape[: weights.ndim]:
        raise mistake(
            caller,
            got=f"weights {weights.shape} for values {shape}",
            expected="the shape of the values, or of their leading axes",
            remedy=(
                "Give one weight to each example, (batch,), or one to each value; "
                "nothing else is broadcast."
            ),
        )
    aligned = weights.reshape(weights.shape + (1,) * (len(shape) - weights.ndim))
    return jnp.broadcast_to(aligned, shape)
