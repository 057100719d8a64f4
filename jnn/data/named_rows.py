"""The rows of another library's data set as the dicts that `jnn.train.streamed` reads."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

from jnn.data.streams import Source
from jnn.errors import mistake


class NamedRows:
    """Rows that are tuples with a name for each value, or dicts with only the values of a name.

    >>> rows = NamedRows([(1.0, 2.0), (3.0, 4.0)], "x", "y")
    >>> len(rows), rows[1]
    (2, {'x': 3.0, 'y': 4.0})
    """

    def __init__(self, source: Source, *names: str):
        is_named = names and all(isinstance(name, str) and name for name in names)
        if not is_named or len(set(names)) < len(names):
            raise mistake("NamedRows", got=f"names {names}", expected="one or more, each once")
        has_rows = hasattr(source, "__len__") and hasattr(source, "__getitem__")
        if not has_rows or isinstance(source, Mapping | str):
            got, expected = type(source).__name__, "a sequence of rows, with len and []"
            raise mistake("NamedRows", got=got, expected=expected)
        self._source, self._names = source, names
        self.identity: Any = {"names": list(names), "of": getattr(source, "identity", None)}

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Row ``index``; raises `JnnError` for one without these values."""
        row = self._source[operator.index(index)]
        if isinstance(row, Mapping):
            if missing := [name for name in self._names if name not in row]:
                got = f"no {missing[0]!r} among {', '.join(map(str, row))}"
                raise mistake(f"row {index}", got=got, expected=", ".join(self._names))
            return {name: row[name] for name in self._names}
        values = row if isinstance(row, tuple | list) else (row,)
        if len(values) != len(self._names):
            got, expected = f"{len(values)} values", f"one for each of {', '.join(self._names)}"
            raise mistake(f"row {index}", got=got, expected=expected)
        return dict(zip(self._names, values, strict=True))


def named_rows(source: Source, *names: str) -> NamedRows:
    """A data set with ``len`` and ``[]`` as a source of `jnn.train.streamed` and `streams.load`.

    ``source`` is a list-like class of your own, a data set of PyTorch or of Hugging Face, or a
    source of Grain. ``names`` are those of the values of a row that is a tuple, in their order, or
    the ones to take of a row that is a dict. Values are numbers, arrays, tensors or pictures. Rows
    may be read by several threads at once.

    Raises `JnnError` for a source that has no rows, and where a row has other values, when it is
    read.

    >>> import numpy as np
    >>> from jnn.train import streamed
    >>> pairs = [(np.full(3, i, np.float32), i % 2) for i in range(10)]
    >>> feed = streamed(named_rows(pairs, "features", "label"), batch_size=4)
    >>> feed.steps_per_epoch, feed.data["features"].shape
    (2, (4, 3))
    """
    return NamedRows(source, *names)
