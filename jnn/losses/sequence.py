"""Losses of sequences whose alignment with their target is unknown."""

import math

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

from jnn.errors import mistake
from jnn.integers import as_integer, spelled
from jnn.losses import checks

# Stands for log 0: far below any sum of log probabilities, and so many of it are still a float32.
LOG_ZERO = -1e30


def ctc(
    logits: ArrayLike,
    labels: ArrayLike,
    *,
    logits_mask: ArrayLike | None = None,
    labels_mask: ArrayLike | None = None,
    blank: int = 0,
) -> jax.Array:
    """Connectionist temporal classification: ``-log Σ_π Π_t p_t(π_t)``.

    The sum is over all paths π, one class a frame, that give the labels when repeats are merged and
    then blanks dropped.

    Args:
        logits: ``(..., frames, classes)``, floating point, the blank among the classes.
        labels: ``(..., length)``, integers, none of them the blank.
        logits_mask: ``(..., frames)``, True where a frame is real; None where all are.
        labels_mask: ``(..., length)``, True where a label is real; None where all are.
        blank: the class of the blank.

    Returns:
        One loss a sequence, ``(...)`` in nats, at least float32; infinite, with gradient zero,
        where the frames are too few to spell the labels (a repeated label needs a blank between).
        ``mean(losses, jnp.isfinite(losses))`` omits those.

    Raises:
        JnnError: labels that are not integers, shapes that disagree, a blank that is no class.

    Computed by Optax, whose paddings are the opposite of these masks; padding may hold any value,
    NaN included. PyTorch's ``reduction="mean"`` also divides each loss by its number of labels.

    Source: Graves et al. 2006.

    >>> loss = ctc(jnp.zeros((2, 3)), jnp.array([1]))
    >>> print(f"{loss:.3f}")  # three paths of nine, 1-, -1 and 11: log 3
    1.099
    """
    logits, labels = checks.floating("ctc", "logits", logits), jnp.asarray(labels)
    if not jnp.issubdtype(labels.dtype, jnp.integer):
        got = f"labels of dtype {labels.dtype}"
        raise mistake("ctc", got=got, expected="integers (..., length)")
    if logits.ndim < 2 or labels.ndim < 1 or logits.shape[:-2] != labels.shape[:-1]:
        raise mistake(
            "ctc",
            got=f"logits {logits.shape} and labels {labels.shape}",
            expected=(
                "logits (..., frames, classes) and labels (..., length) with equal leading axes"
            ),
            remedy=(
                "The batch comes first: convert PyTorch's (frames, batch, classes) "
                "with jnp.swapaxes(logits, 0, 1)."
            ),
        )
    classes = logits.shape[-1]
    if as_integer(blank) not in range(classes):
        raise mistake("ctc", got=f"blank={spelled(blank)}", expected=f"a class in [0, {classes})")
    frames = _mask("logits_mask", logits_mask, logits.shape[:-1])
    letters = _mask("labels_mask", labels_mask, labels.shape)
    order = jnp.argsort(~letters, axis=-1, stable=True)  # Optax takes padding at the end alone
    labels, letters = (jnp.take_along_axis(x, order, axis=-1) for x in (labels, letters))
    fits = _needed(labels, letters) <= jnp.sum(frames, axis=-1)
    # Optax takes no sequence of length 0: one element of padding stands for it.
    logits, frames = _at_least_one(logits, -2), _at_least_one(frames, -1)
    labels, letters = _at_least_one(labels, -1), _at_least_one(letters, -1)
    # Optax multiplies padded frames, and the classes of other labels, by zero: NaN and infinity
    # would become NaN.
    logits = jnp.where(frames[..., None], logits, 0)
    most = jax.lax.stop_gradient(jnp.max(logits, axis=-1, keepdims=True))
    logits = jnp.maximum(logits, most + LOG_ZERO)
    batch = math.prod(labels.shape[:-1])
    flat = lambda x, axes: x.reshape((batch, *x.shape[x.ndim - axes :]))
    padding = lambda real: flat(~real, 1).astype(logits.dtype)
    # Optax mixes its own float32 indicators with float64
    with jax.numpy_dtype_promotion("standard"):
        losses = optax.losses.ctc_loss(
            flat(logits, 2),
            padding(frames),
            flat(labels.astype(jnp.int32), 1),
            padding(letters),
            blank_id=blank,
            log_epsilon=LOG_ZERO,
        )
    losses = losses.astype(logits.dtype).reshape(labels.shape[:-1])
    # A path through a class that is ruled out is none.
    return jnp.where(fits & ~(losses > -LOG_ZERO / 2), losses, jnp.inf)


def _at_least_one(x, axis):
    """``x``, with one element of zeros along an axis that has none."""
    if x.shape[axis]:
        return x
    axis %= x.ndim
    return jnp.zeros((*x.shape[:axis], 1, *x.shape[axis + 1 :]), x.dtype)


def _needed(labels, letters):
    """The fewest frames that spell the labels: one each, and one blank between two alike."""
    repeats = (labels[..., 1:] == labels[..., :-1]) & letters[..., 1:]
    return jnp.sum(letters, axis=-1) + jnp.sum(repeats, axis=-1)


def _mask(name, mask, shape):
    mask = jnp.full(shape, True) if mask is None else jnp.asarray(mask)
    if mask.shape != shape or mask.dtype != bool:
        raise mistake(
            "ctc",
            got=f"{name} {mask.dtype} {mask.shape}",
            expected=f"bool {shape}",
            remedy="True marks what is real.",
        )
    return mask
