"""The manifest of a checkpoint: a JSON file that says what was saved, with its own checksum."""

import json
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeAlias

from jnn.checkpoints.leaves import DamagedError, Leaf, LeafPath
from jnn.errors import mistake

JSON: TypeAlias = dict[str, Any] | list[Any] | str | int | float | bool | None

FORMAT, SHARDED = 1, 2
"""The formats: of whole arrays, and of shards that several processes wrote."""
FILE = "manifest.json"


def as_json(value: JSON, caller: str) -> JSON:
    """A copy of ``value`` by way of JSON.

    Raises JnnError where JSON changes it: tuples become lists, and numeric keys strings.
    """
    try:
        copy = json.loads(json.dumps(value))
    except (TypeError, ValueError):
        copy = None
    if repr(copy) != repr(value):
        raise mistake(
            caller,
            got=repr(value)[:200],
            expected=(
                "values that JSON gives back unchanged: "
                "dict with str keys, list, str, int, float, bool, None"
            ),
            remedy="Convert tuples to lists and arrays with .tolist().",
        )
    return copy


def _canonical(body: JSON) -> bytes:
    return json.dumps(body, sort_keys=True, separators=(",", ":")).encode()


def write(folder: Path, body: dict[str, JSON], leaves: Iterable[Leaf]) -> None:
    """Write ``manifest.json``: the body, the leaves, and the CRC-32 of both in canonical JSON."""
    format = SHARDED if "shards" in body else FORMAT
    body = {"format": format, **body, "leaves": [leaf._asdict() for leaf in leaves]}
    document = {"crc32": zlib.crc32(_canonical(body)), "manifest": body}
    # not replaced atomically: the folder itself is not yet under its final name
    (folder / FILE).write_text(json.dumps(document, indent=1), encoding="utf-8")


def read(folder: Path, step: int) -> tuple[dict[str, Any], dict[LeafPath, Leaf]]:
    """The body of a manifest, and its leaves by path in the order of saving.

    Raises `DamagedError` for a manifest that does not verify.
    """
    try:
        document = json.loads((folder / FILE).read_text(encoding="utf-8"))
        body, claimed = document["manifest"], document["crc32"]
        crc32 = zlib.crc32(_canonical(body))
    except FileNotFoundError:
        raise DamagedError(f"{FILE} is missing") from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DamagedError(f"{FILE} cannot be read ({error})") from error
    if crc32 != claimed or not isinstance(body, dict):
        raise DamagedError(f"{FILE} is altered: its CRC-32 is not the one written in it")
    if body.get("format") not in (FORMAT, SHARDED):
        raise mistake(
            str(folder),
            got=f"format {body.get('format')}",
            expected=f"format {FORMAT} or {SHARDED}",
            remedy="Use the version of jnn that wrote it.",
        )
    if body.get("step") != step:
        raise DamagedError(f"it is step {body.get('step')} in the folder of step {step}")
    try:
        leaves = [Leaf.from_json(fields) for fields in body["leaves"]]
        if not {"host", "fingerprint"} <= body.keys() or not isinstance(body["files"], dict):
            raise ValueError("files, host and fingerprint are not all there")
        return body, {leaf.path: leaf for leaf in leaves}
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedError(f"{FILE} is not as jnn writes it ({error})") from error


def changes(saved: JSON, given: JSON, path: str = "") -> list[str]:
    """Where two JSON values differ, key by key.

    >>> saved = {"seed": 0, "data": {"name": "digits"}}
    >>> changes(saved, {"seed": 1, "data": {"name": "digits", "size": 5}})
    ['data.size: not in the checkpoint, 5 here', 'seed: 0 in the checkpoint, 1 here']
    """
    saved, given = _by_index(saved), _by_index(given)
    if isinstance(saved, dict) and isinstance(given, dict):
        lines = []
        for key in sorted(saved.keys() | given.keys()):
            at = f"{path}.{key}" if path else key
            if key not in saved:
                lines.append(f"{at}: not in the checkpoint, {_in_short(given[key])} here")
            elif key not in given:
                lines.append(f"{at}: {_in_short(saved[key])} in the checkpoint, not here")
            else:
                lines += changes(saved[key], given[key], at)
        return lines
    if repr(saved) == repr(given):
        return []
    return [f"{path}: {_in_short(saved)} in the checkpoint, {_in_short(given)} here"]


def _by_index(value: JSON) -> JSON:
    """A list of objects as an object, so that they are compared one by one."""
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        return {str(index): item for index, item in enumerate(value)}
    return value


def _in_short(value: JSON, most: int = 100) -> str:
    text = repr(value)
    return text if len(text) <= most else f"{text[: most - 4]} ..."
