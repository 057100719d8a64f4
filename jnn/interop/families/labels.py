"""The classes of a classifier in its ``config.json``."""

from collections.abc import Mapping
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
    names = {str(i): f"LABEL_{i}" for i in range(number)}
    return {"id2label": names, "label2id": {name: int(i) for i, name in names.items()}}
