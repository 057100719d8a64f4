"""A config as JSON values, and back again."""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import types
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from jnn.errors import JnnError, mistake
from jnn.files import plain, read_json
from jnn.literals import types_of
from jnn.runs.records import SCHEMAS
from jnn.wording import did_you_mean


def fields_of(kind: Any) -> list[dataclasses.Field]:
    """The settings of a config that a user may choose."""
    return [field for field in dataclasses.fields(kind) if field.init]


def config_file(path: Path, experiment: str) -> dict[str, Any]:
    """The record in a run's ``config.json``, or that of a file of settings alone.

    Its ``config`` has the settings; ``asked``, where it is there, the names of those that were
    asked for. Raises JnnError where it has other types, and where it is another experiment's.
    """
    record = read_json(path)
    if "config" not in record:
        return {"config": record}
    if not isinstance(record["config"], dict):
        got = f"config={record['config']!r}"[:80]
        raise mistake(str(path), got=got, expected="settings by name")
    if not SCHEMAS["config.json"]["asked"](record.get("asked")):
        got = f"asked={record['asked']!r}"[:80]
        raise mistake(str(path), got=got, expected="a list of names of settings")
    if record.get("experiment", experiment) != experiment:
        raise mistake(
            str(path), got=f"the config of {record['experiment']}", expected=f"one of {experiment}"
        )
    return record


def config_from(
    kind: type, values: Mapping[str, Any], caller: str, asked: Iterable[str] | None = None
) -> Any:
    """The dataclass ``kind`` from JSON values.

    ``asked`` are the names of those that were asked for, by default all. Raises JnnError for an
    unknown name and a value of another type.
    """
    hints = types_of(kind)
    names = [field.name for field in fields_of(kind)]
    computed = {field.name for field in dataclasses.fields(kind)} - {*names}
    values = {name: value for name, value in values.items() if name not in computed}
    if unknown := [name for name in values if name not in names]:
        raise mistake(
            caller,
            got=f"an unknown setting {unknown[0]!r}",
            expected=f"those of the experiment: {', '.join(names)}",
            remedy=did_you_mean(unknown[0], names),
        )
    defaults = {field.name: field.default for field in dataclasses.fields(kind)}
    settings = {
        name: _typed(hints[name], value, f"{caller}, {name}")
        for name, value in values.items()
        if value is not None or defaults[name] is not None  # what has no value has none again
    }
    if asked is not None:
        from jnn.train.config import SUITED, Suited

        follow = {field.name for field in fields_of(kind) if field.default is SUITED} - {*asked}
        settings |= {name: Suited(settings[name]) for name in follow & {*settings}}
    return kind(**settings)


def check_recorded(config: Any, experiment: str) -> None:
    """Refuse a config that ``config.json`` would not give back, before anything is trained by it.

    Raises JnnError that names the setting.
    """
    hints = types_of(type(config))
    for field in fields_of(config):
        value, kind = getattr(config, field.name), hints[field.name]
        if value is None and field.default is None:
            continue
        try:
            is_same = bool(_typed(kind, plain(value), field.name) == value)
        except (ValueError, TypeError):  # of `_typed`, or of arrays, whose equality is no bool
            is_same = False
        if not is_same:
            raise mistake(
                f"Config of {experiment}",
                got=f"{field.name}={repr(value)[:80]}, which config.json does not give back",
                expected="a finite number, text, Path, Enum, or a tuple, list, set, dict or "
                "dataclass of these, as annotated",
                remedy="The run could be neither resumed nor loaded.",
            )


def is_enum(kind: Any) -> bool:
    """Whether an annotation is an ``Enum``."""
    return isinstance(kind, type) and issubclass(kind, enum.Enum)


def _typed(kind: Any, value: Any, caller: str) -> Any:
    """A JSON value as a value of the annotated type."""
    if is_enum(kind):
        if isinstance(value, str) and value in kind.__members__:
            return kind[value]
        names = ", ".join(kind.__members__)
        raise mistake(caller, got=repr(value), expected=f"one of {names}")
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    expected = str(kind).replace("typing.", "") if parts else str(getattr(kind, "__name__", kind))
    wrong = mistake(caller, got=repr(value), expected=expected)
    if origin in (typing.Union, types.UnionType):
        for part in parts:
            with contextlib.suppress(JnnError):
                return _typed(part, value, caller)
        raise wrong
    if dataclasses.is_dataclass(kind) and isinstance(value, dict):
        return config_from(typing.cast(type, kind), value, caller)
    if origin in (tuple, list, set, frozenset) and isinstance(value, list):
        of_items = parts if origin is tuple and Ellipsis not in parts else parts[:1] * len(value)
        if len(of_items) != len(value):
            raise wrong
        items = zip(of_items, value, strict=True)
        return origin(_typed(part, item, caller) for part, item in items)
    if origin is dict and isinstance(value, dict):
        items = value.items()
        return {
            _typed(parts[0], key, caller): _typed(parts[1], item, caller) for key, item in items
        }
    if kind is Path and isinstance(value, str):
        return Path(value)
    if kind is float and type(value) is int:
        return value  # as it was: a setting of 1 is not one of 1.0 in the record of a run
    if origin is Literal:
        accepted = value in parts
    else:
        accepted = origin is None and (kind is Any or type(value) is kind)
    if not accepted:
        raise wrong
    return value
