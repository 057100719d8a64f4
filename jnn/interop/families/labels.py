"""The classes of a classifier in its ``config.json``."""

from collections.abc import Mapping, Sequence
from typing import Any

from jnn.interop.settings import entry


def number_of_labels(config: Mapping[str, Any]) -> int:
    """The classes that ``config.json`` names or counts."""
    names = labels_of(config)
    return len(names) if names else entry("outputs", "num_labels", int, 2).read(config)


def labels_of(config: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of the classes, in their order; none where they have none.

    >>> labels_of({"id2label": {"1": "bad", "0": "good"}})
    ('good', 'bad')
    """
    names = config.get("id2label") or {}
    numbers = [str(i) for i in range(len(names))] if isinstance(names, Mapping) else None
    if numbers is None or set(names) != set(numbers):
        raise ValueError(f"id2label={str(names)[:80]} in place of a name for each of 0, 1, ...")
    return tuple(str(names[number]) for number in numbers)


def write_labels(number: int) -> dict[str, Any]:
    """Names for so many classes."""
    return named_labels([f"LABEL_{i}" for i in range(number)])


def named_labels(classes: Sequence[str]) -> dict[str, Any]:
    """The entries of ``config.json`` for classes of these names.

    >>> named_labels(["bad", "good"])
    {'id2label': {'0': 'bad', '1': 'good'}, 'label2id': {'bad': 0, 'good': 1}}
    """
    names = {str(i): name for i, name in enumerate(classes)}
    return {"id2label": names, "label2id": {name: int(i) for i, name in names.items()}}
