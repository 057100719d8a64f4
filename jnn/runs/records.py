"""The JSON files of a run folder, each read by its schema.

What is returned has the types that the schema says, so that nothing else of them need be checked.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jnn.errors import mistake
from jnn.files import plain, read_json

STATES = ("running", "done", "diverged", "interrupted", "failed")
"""The states of a run; one that was killed still says ``running``, and its folder is free."""

Schema = Mapping[str, Callable[[Any], bool]]
"""For each field, whether a value is right. What is not there counts as null."""


def read(folder: Path, file: str) -> dict[str, Any]:
    """The record in a file of `SCHEMAS`. Raises JnnError where it is not as a run writes it."""
    record, path = read_json(folder / file), folder / file
    if wrong := misfits(record, SCHEMAS[file]):
        remedy = "Put a copy of the file back."
        expected = "the file that the run wrote"
        raise mistake(
            str(path), got=f"no valid {', '.join(wrong)}", expected=expected, remedy=remedy
        )
    return check_seal(path, record)


def sealed(record: dict[str, Any]) -> dict[str, Any]:
    """The record as JSON values, with the SHA-256 of all of them as ``sha256``.

    >>> sealed({"metrics": {"test/rmse": 0.1}})["sha256"][:8]
    '0169e5a4'
    """
    record = plain(record)
    return {**record, "sha256": _digest(record)}


def check_seal(path: Path, record: dict[str, Any]) -> dict[str, Any]:
    """The record itself. Raises JnnError where it was `sealed` and is no longer what it was."""
    if record.get("sha256") in (None, _digest(record)):
        return record
    raise mistake(
        str(path),
        got="a file that was altered",
        expected="the file that the run wrote",
        remedy="Put a copy of the file back.",
    )


def _digest(record: Mapping[str, Any]) -> str:
    others = {name: value for name, value in record.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(others, sort_keys=True).encode()).hexdigest()


def misfits(record: Any, schema: Schema) -> list[str]:
    """The fields of a record that are not as the schema says.

    >>> misfits({"state": "done", "seconds": "long"}, SCHEMAS["status.json"])
    ['seconds']
    """
    return [name for name, fits in schema.items() if not fits(record.get(name))]


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _measured(value: Any) -> bool:
    """A metric: a number, or what JSON has for NaN."""
    return value is None or isinstance(value, int | float)


def _one_of(*values: Any) -> Callable[[Any], bool]:
    return lambda value: any(
        value is other or (_text(value) and value == other) for other in values
    )


def _optional(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or fits(value)


def _table(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and all(map(fits, value.values()))


def _list(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(fits, value))


def _fields(schema: Schema) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and not misfits(value, schema)


def _either(*fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: any(fit(value) for fit in fits)


def _anything(value: Any) -> bool:
    return True


_DIRECTION = _one_of(None, "", "highest", "lowest")

SCHEMAS: dict[str, Schema] = {
    "config.json": {
        "experiment": _text,
        "config": _fields({"seed": _optional(_either(_text, _number))}),
        "config_hash": _text,
        "asked": _optional(_list(_text)),
        "source": _optional(_text),
        "start": _optional(_fields({"run": _text, "paths": _text})),
        "files": _optional(_table(_text)),
        "began": _optional(
            _fields({"learning_rate": _optional(_number), "mesh": _optional(_text)})
        ),
    },
    "env.json": {"config_at_start": _optional(_table(_anything))},
    "status.json": {
        "state": _one_of(*STATES),
        "message": _optional(_text),
        "seconds": _optional(_number),
        "updated": _optional(_text),
        "resume": _optional(_text),
    },
    "summary.json": {
        "metrics": _table(_measured),
        "metric": _fields({"name": _text, "direction": _DIRECTION}),
        "kept": _optional(
            _fields({"metric": _text, "direction": _DIRECTION, "step": _count, "value": _measured})
        ),
        "baselines": _optional(_table(_either(_measured, _table(_measured)))),
        "seconds": _optional(_number),
    },
}
"""The fields that jnn itself reads, of each file; a file may have others."""
