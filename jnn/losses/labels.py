"""Labels: the check on the host before training, and the weight of each."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jnn.errors import mistake


def check_labels(labels: ArrayLike, classes: int, where: str = "labels", *, ignored_label: int | None = None) -> None:
    """Raise unless all labels are integers in ``[0, classes)`` or equal ``ignored_label``.

    Call it once per data set, on the host: inside ``jax.jit`` a value cannot be checked, and there a wrong label gives NaN at best.
    The message names the first offending label and its row, and says so where the labels count from one or are one-hot.

    >>> check_labels(np.array([0, 2, 1]), 3)
    >>> check_labels(np.array([1, 3, 2]), 3, "digits/train")
    Traceback (most recent call last):
    jnn.errors.JnnError: digits/train: got label 3 in row 1, expected integers in [0, 3). The labels run from 1 to 3: subtract 1 from all.
    """
    labels = np.asarray(labels)
    if labels.size == 0:
        raise mistake(where, got=f"no labels (shape {labels.shape})", expected="at least one", remedy="Is the split empty?")
    if not np.issubdtype(labels.dtype, np.integer):
        one_hot = labels.ndim > 1 and labels.shape[-1] == classes and labels.dtype != object
        remedy = "They look one-hot: take labels.argmax(-1)." if one_hot else "Convert class numbers with labels.astype(int)."
        raise mistake(where, got=f"labels of dtype {labels.dtype} and shape {labels.shape}", expected="integers", remedy=remedy)
    counted = np.full(labels.shape, True) if ignored_label is None else labels != ignored_label
    wrong = counted & ((labels < 0) | (labels >= classes))
    if wrong.any():
        row = tuple(int(i) for i in np.argwhere(wrong)[0])
        low, high = labels[counted].min(), labels[counted].max()
        cure = "subtract 1 from all" if low == 1 and high == classes else "correct them, or the number of classes"
        raise mistake(
            where,
            got=f"label {labels[row]} in row {row[0] if len(row) == 1 else row}",
            expected=f"integers in [0, {classes})",
            remedy=f"The labels run from {low} to {high}: {cure}.",
        )


def label_weights(labels: ArrayLike, class_weights: ArrayLike | None = None, *, ignored_label: int | None = None) -> jax.Array:
    """The weight of each label, ``class_weights[label]``, and zero for ``ignored_label``.

    Its sum is what PyTorch divides by: ``mean(cross_entropy(...), total=label_weights(...).sum())``; see :func:`cross_entropy`.

    >>> print(label_weights(np.array([0, 1, -100]), np.array([0.5, 2.0], np.float32), ignored_label=-100))
    [0.5 2.  0. ]
    """
    labels = jnp.asarray(labels)
    if not jnp.issubdtype(labels.dtype, jnp.integer):
        raise mistake("label_weights", got=f"labels of dtype {labels.dtype}", expected="integer labels")
    labels = labels.astype(jnp.int32)
    ignored = jnp.full(labels.shape, False) if ignored_label is None else labels == ignored_label
    weights = jnp.ones(labels.shape) if class_weights is None else jnp.asarray(class_weights)[jnp.where(ignored, 0, labels)]
    return jnp.where(ignored, jnp.zeros((), weights.dtype), weights)
