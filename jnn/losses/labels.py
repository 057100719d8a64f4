"""Labels: their check on the host before training, class weights, and the weight of each label."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jnn.errors import mistake


def check_labels(
    labels: ArrayLike, classes: int, name: str = "labels", *, ignored_label: int | None = None
) -> None:
    """Raise unless all labels are integers in ``[0, classes)`` or equal ``ignored_label``.

    Call it once per data set, on the host: inside ``jax.jit`` a value cannot be checked, and there
    a wrong label gives NaN at best. The message starts with ``name``, gives the first invalid label
    and its row, and says so where the labels count from one or are one-hot.

    >>> check_labels(np.array([0, 2, 1]), 3)
    >>> check_labels(np.array([1, 3, 2]), 3, "digits/train")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    jnn.errors.JnnError: digits/train: got label 3 in row 1, ... from 1 to 3: subtract 1 from all.
    """
    labels = np.asarray(labels)
    if labels.size == 0:
        raise mistake(
            name,
            got=f"no labels (shape {labels.shape})",
            expected="at least one",
            remedy="Is the split empty?",
        )
    if not np.issubdtype(labels.dtype, np.integer):
        remedy = "Convert class numbers with labels.astype(int)."
        if labels.ndim > 1 and labels.shape[-1] == classes and labels.dtype != object:
            remedy = "They look one-hot: take labels.argmax(-1)."
        raise mistake(
            name,
            got=f"labels of dtype {labels.dtype} and shape {labels.shape}",
            expected="integers",
            remedy=remedy,
        )
    counted = np.full(labels.shape, True) if ignored_label is None else labels != ignored_label
    wrong = counted & ((labels < 0) | (labels >= classes))
    if wrong.any():
        row = tuple(int(i) for i in np.argwhere(wrong)[0])
        low, high = labels[counted].min(), labels[counted].max()
        from_one = low == 1 and high == classes
        cure = "subtract 1 from all" if from_one else "correct them, or the number of classes"
        raise mistake(
            name,
            got=f"label {labels[row]} in row {row[0] if len(row) == 1 else row}",
            expected=f"integers in [0, {classes})",
            remedy=f"The labels run from {low} to {high}: {cure}.",
        )


def balanced_weights(
    labels: ArrayLike, classes: int, *, ignored_label: int | None = None
) -> jax.Array:
    """The ``class_weights`` under which all classes weigh the same in total, ``w_c = N / (K n_c)``.

    n_c of the N labels are of class c, of K ``classes``; ``ignored_label`` is not counted. Returns
    ``(classes,)`` in JAX's default float. Call it once on the training labels, on the host.

    The weights of all N labels have the mean 1, so that the plain mean of weighted losses keeps its
    scale; in a batch their mean varies, and PyTorch's mean (see :func:`cross_entropy`) divides by
    it.

    Raises `JnnError` as :func:`check_labels` does, and for a class that no label has.

    As scikit-learn's ``compute_class_weight("balanced")``; the weighting of King and Zeng 2001,
    Logistic Regression in Rare Events Data, with equal shares.

    >>> print(balanced_weights(np.array([0, 0, 0, 1]), 2))
    [0.6666667 2.       ]
    """
    labels = np.asarray(labels)
    check_labels(labels, classes, "balanced_weights", ignored_label=ignored_label)
    counted = labels.ravel() if ignored_label is None else labels[labels != ignored_label]
    n = np.bincount(counted, minlength=classes)
    if not n.all():
        missing = int(np.argmin(n))
        raise mistake(
            "balanced_weights",
            got=f"no label of class {missing}",
            expected=f"at least one of each of the {classes} classes",
            remedy=(
                "A class without examples has no weight: "
                "stratify the split, or lower the number of classes."
            ),
        )
    return jnp.asarray(n.sum() / (classes * n))


def label_weights(
    labels: ArrayLike, class_weights: ArrayLike | None = None, *, ignored_label: int | None = None
) -> jax.Array:
    """The weight of each label, ``class_weights[label]``, and zero for ``ignored_label``.

    A label without one of the ``class_weights`` gives NaN, as in :func:`cross_entropy`.

    The sum is what PyTorch divides by:
    ``mean(cross_entropy(...), total=label_weights(...).sum())``; see :func:`cross_entropy`.

    >>> labels, class_weights = np.array([0, 1, -100]), np.array([0.5, 2.0], np.float32)
    >>> print(label_weights(labels, class_weights, ignored_label=-100))
    [0.5 2.  0. ]
    """
    labels = jnp.asarray(labels)
    if not jnp.issubdtype(labels.dtype, jnp.integer):
        got = f"labels of dtype {labels.dtype}"
        raise mistake("label_weights", got=got, expected="integer labels")
    labels = labels.astype(jnp.int32)
    ignored = jnp.full(labels.shape, False) if ignored_label is None else labels == ignored_label
    if class_weights is None:
        weights = jnp.ones(labels.shape)
    else:
        weights = jnp.asarray(class_weights)
        if not jnp.issubdtype(weights.dtype, jnp.floating):
            weights = weights.astype(float)
        at = weights.at[jnp.where(ignored, 0, labels)]
        weights = at.get(mode="fill", fill_value=jnp.nan, wrap_negative_indices=False)
    return jnp.where(ignored, jnp.zeros((), weights.dtype), weights)
