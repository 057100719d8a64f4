"""What the arguments of losses and metrics must look like, checked in Python before anything is
traced.

Each function takes ``where``, the caller's name for the message, and returns the arrays in the
dtype to compute in: at least float32, because sums of logarithms and squares need more digits than
half precision has; float64 stays float64.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jnn.errors import mistake


def floating(where: str, name: str, x: ArrayLike) -> jax.Array:
    """A floating-point array in at least float32."""
    x = jnp.asarray(x)
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise mistake(
            where,
            got=f"{name} of dtype {x.dtype}",
            expected="floating-point numbers",
            remedy=f"Pass the model's output for {name}, before any argmax or rounding.",
        )
    # NumPy's promotion: under strict promotion JAX's own refuses to lift bfloat16 to float32.
    return x.astype(np.promote_types(x.dtype, np.float32))


def paired(
    where: str,
    predictions: ArrayLike,
    targets: ArrayLike,
    names: tuple[str, str] = ("predictions", "targets"),
):
    """Floating-point predictions and numeric targets of the very same shape, both in the
    predictions' dtype.
    """
    predictions, targets = floating(where, names[0], predictions), jnp.asarray(targets)
    same_shape(where, predictions.shape, targets.shape, names)
    return predictions, targets.astype(predictions.dtype)


def same_shape(
    where: str,
    predictions: tuple[int, ...],
    targets: tuple[int, ...],
    names: tuple[str, str] = ("predictions", "targets"),
):
    """Refuse two shapes that differ, even where they would broadcast."""
    if predictions == targets:
        return
    first, second = names
    if predictions == (*targets, 1):
        remedy = f"Drop the last axis, {first}[..., 0]: broadcasting would compare every {first} with every {second}."
    elif targets == (*predictions, 1):
        remedy = f"Drop the last axis, {second}[..., 0]: broadcasting would compare every {first} with every {second}."
    else:
        remedy = "Nothing is broadcast here; reshape one to the other."
    raise mistake(
        where,
        got=f"{first} {predictions} and {second} {targets}",
        expected="equal shapes",
        remedy=remedy,
    )


def labelled(where: str, scores: ArrayLike, labels: ArrayLike) -> tuple[jax.Array, jax.Array]:
    """Scores ``(..., classes)`` and integer labels ``(...)``; the labels in int32."""
    scores, labels = floating(where, "scores", scores), jnp.asarray(labels)
    if not jnp.issubdtype(labels.dtype, jnp.integer):
        one_hot = labels.ndim > 0 and labels.shape == scores.shape
        remedy = (
            "These look one-hot: take jnp.argmax(labels, axis=-1), or jnn.losses.soft_cross_entropy for probabilities."
            if one_hot
            else "Convert class numbers with labels.astype(int)."
        )
        raise mistake(
            where,
            got=f"labels of dtype {labels.dtype} and shape {labels.shape}",
            expected="integer labels",
            remedy=remedy,
        )
    if scores.ndim == 0 or scores.shape[:-1] != labels.shape:
        raise mistake(
            where,
            got=f"scores {scores.shape} and labels {labels.shape}",
            expected="scores (..., classes) and labels (...) with equal leading axes",
            remedy="One-hot labels want argmax or jnn.losses.soft_cross_entropy; scores have the classes on the last axis.",
        )
    return scores, labels.astype(jnp.int32)


def number(
    where: str,
    name: str,
    value: ArrayLike,
    dtype,
    low: float,
    high: float = np.inf,
    *,
    ends: str = "[)",
) -> jax.Array:
    """A setting within an interval, as a scalar of ``dtype``; one that is traced (a swept
    hyper-parameter) is not checked.

    ``ends`` says which ends belong to the interval: ``"[)"`` is low <= value < high.
    """
    if isinstance(value, (int, float, np.number)):
        above = value >= low if ends[0] == "[" else value > low
        below = value <= high if ends[1] == "]" else value < high
        if not (above and below):
            raise mistake(
                where,
                got=f"{name}={value}",
                expected=f"a number in {ends[0]}{low:g}, {high:g}{ends[1]}",
            )
    return jnp.asarray(value, dtype)


def spread(where: str, weights: ArrayLike | None, shape: tuple[int, ...], dtype) -> jax.Array:
    """Weights for every element of ``shape``, ones for None; they may lack trailing axes (one
    weight an example), never leading ones.
    """
    if weights is None:
        return jnp.ones(shape, dtype)
    weights = jnp.asarray(weights).astype(dtype)
    if weights.shape != shape[: weights.ndim]:
        raise mistake(
            where,
            got=f"weights {weights.shape} for values {shape}",
            expected="the shape of the values, or of their leading axes",
            remedy="Give one weight to each example, (batch,), or one to each value; nothing else is broadcast.",
        )
    return jnp.broadcast_to(
        weights.reshape(weights.shape + (1,) * (len(shape) - weights.ndim)), shape
    )
