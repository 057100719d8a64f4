"""Training, validation and test parts of a data set, drawn by scikit-learn with a stated seed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jnn.data.checks import Arrays, check_arrays, check_finite
from jnn.errors import mistake
from jnn.integers import as_integer, check_fraction, spelled
from jnn.labels import check_labels


class Splits(NamedTuple):
    """Three dicts of arrays with the same names; the names of classes and of columns, if any."""

    train: dict[str, np.ndarray]
    validation: dict[str, np.ndarray]
    test: dict[str, np.ndarray]
    classes: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()

    @property
    def train_and_validation(self) -> dict[str, np.ndarray]:
        """Everything but the test part: the training part, then the validation part.

        >>> Splits(*({"x": np.array([i])} for i in range(3))).train_and_validation["x"].tolist()
        [0, 1]
        """
        parts = (self.train, self.validation)
        return {name: np.concatenate([part[name] for part in parts]) for name in self.train}

    @property
    def sizes(self) -> dict[str, int]:
        """The number of examples in each part.

        >>> Splits(*({"x": np.zeros(n)} for n in (3, 2, 1))).sizes
        {'train': 3, 'validation': 2, 'test': 1}
        """
        parts = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: len(next(iter(part.values()))) for name, part in parts.items()}

    def without_validation(self) -> Splits:
        """The splits with validation moved to the training part; the validation part is empty."""
        empty = {name: array[:0] for name, array in self.validation.items()}
        return self._replace(train=self.train_and_validation, validation=empty)


def hold_out(
    arrays: Arrays, fraction: float, *, seed: int = 0, stratify: str | None = None
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """(kept, held out): a random ``fraction`` of the examples is held out.

    The draw is ``sklearn.model_selection.train_test_split(test_size=fraction, random_state=seed)``.
    ``stratify`` names the array of labels whose classes get the same shares in both parts.

    Raises JnnError for a fraction outside (0, 1), an empty part, or a class too small to be in
    both.

    >>> kept, held = hold_out({"x": np.arange(10)}, 0.2)
    >>> len(kept["x"]), len(held["x"])
    (8, 2)
    """
    size = check_arrays(arrays, "hold_out")
    check_fraction("hold_out", "fraction", fraction)
    number = as_integer(seed)
    if number is None or not 0 <= number < 2**32:
        got = f"seed={spelled(seed)}"
        raise mistake("hold_out", got=got, expected="an integer in [0, 2**32)")
    if stratify is not None and stratify not in arrays:
        expected = f"one of {', '.join(arrays)}"
        raise mistake("hold_out", got=f"stratify={stratify!r}", expected=expected)
    from sklearn.model_selection import train_test_split

    labels = None if stratify is None else arrays[stratify]
    try:
        kept, held = train_test_split(
            np.arange(size), test_size=fraction, random_state=number, stratify=labels
        )
    except ValueError as error:
        reason = str(error).split(". ")[0]  # what follows lists all classes
        got = f"{size} examples, fraction={fraction}: {reason}"
        raise mistake("hold_out", got=got, expected="enough examples for both parts") from error
    take = lambda rows: {name: array[rows] for name, array in arrays.items()}
    return take(kept), take(held)


def from_arrays(
    arrays: Arrays,
    *,
    test: float = 0.2,
    validation: float = 0.1,
    seed: int = 0,
    test_seed: int = 0,
    stratify: str | None = None,
    classes: Sequence[str] = (),
    columns: Sequence[str] = (),
) -> Splits:
    """Your own arrays as Splits.

    ``test`` is a fraction of all examples, ``validation`` one of the remaining examples. ``seed``
    draws the validation part, ``test_seed`` the test part: another seed of a run keeps the same
    test part.

    With ``classes`` the array ``"label"`` is checked to be integers from 0 to ``len(classes) - 1``.
    ``columns`` are the names of those of a table.
    Raises JnnError as ``check_arrays``, ``check_finite``, ``check_labels`` and ``hold_out`` do.

    >>> images, labels = np.zeros((100, 8, 8, 1), np.uint8), np.arange(100) % 2
    >>> arrays = {"image": images, "label": labels}
    >>> splits = from_arrays(arrays, stratify="label", classes=("even", "odd"))
    >>> [len(part["label"]) for part in splits[:3]]
    [72, 8, 20]
    """
    check_arrays(arrays, "from_arrays")
    for kind, names in {"classes": classes, "columns": columns}.items():
        if isinstance(names, str):
            got, expected = f"{kind}={names!r}", f"a list of names, as [{names!r}]"
            raise mistake("from_arrays", got=got, expected=expected)
    for name, array in arrays.items():
        check_finite(array, f"from_arrays[{name!r}]")
    if classes:
        if "label" not in arrays:
            got = f"classes, and arrays {', '.join(arrays)}"
            raise mistake("from_arrays", got=got, expected='an array named "label"')
        label, caller = arrays["label"], "from_arrays['label']"
        check_labels(label, len(classes), caller)
        if label.ndim != 1:
            got, remedy = f"shape {label.shape}", "One-hot? Take labels.argmax(axis=1)."
            raise mistake(caller, got=got, expected="one for each example, (N,)", remedy=remedy)
    rest, held = hold_out(arrays, test, seed=test_seed, stratify=stratify)
    settings = {"seed": seed, "stratify": stratify, "classes": classes}
    return with_validation(rest, held, validation, **settings)._replace(columns=tuple(columns))


def with_validation(
    train: Arrays,
    test: Arrays,
    fraction: float,
    *,
    seed: int = 0,
    stratify: str | None = None,
    classes: Sequence[str] = (),
) -> Splits:
    """Splits whose validation part is a ``fraction`` of ``train``; ``test`` is unchanged."""
    kept, held = hold_out(train, fraction, seed=seed, stratify=stratify)
    return Splits(kept, held, dict(test), tuple(classes))
