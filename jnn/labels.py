"""The check of integer labels, on the host before training; it needs NumPy alone."""

import numpy as np
from numpy.typing import ArrayLike

from jnn.errors import mistake
from jnn.integers import check_integer


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
    classes = check_integer(name, "classes", classes)
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
