"""Configs as flat names and values, the changes from one to another, and their hashes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from jnn.files import plain


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The settings of a config by name, those of nested ones by dotted names.

    >>> flat({"seed": 0, "optimizer_options": {"b1": 0.9}, "schedule_options": {}})
    {'seed': 0, 'optimizer_options.b1': 0.9}
    """
    settings = {}
    for name, value in config.items():
        if isinstance(value, Mapping):
            settings |= flat(value, f"{prefix}{name}.")
        else:
            settings[f"{prefix}{name}"] = value
    return settings


def changes(was: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs between two configs of JSON values, setting by setting.

    >>> changes({"seed": 0, "warmup": 0.1, "clip": 1.0}, {"seed": 0, "warmup": 0.2, "depth": 3})
    ['warmup: 0.1 -> 0.2', 'clip: 1.0 -> absent', 'depth: absent -> 3']
    """
    was, now = (
        {name: json.dumps(value, ensure_ascii=False) for name, value in flat(config).items()}
        for config in (was, now)
    )
    names = dict.fromkeys([*was, *now])
    return [
        f"{name}: {was.get(name, 'absent')} -> {now.get(name, 'absent')}"
        for name in names
        if was.get(name) != now.get(name)
    ]


def asked_of(config: Any) -> dict[str, list[str]]:
    """``{"asked": names}``, the settings that were asked for where what suits was left open.

    It is empty for a config that does not tell.

    >>> asked_of({"seed": 0})
    {}
    """
    asked = getattr(config, "asked", None)
    return {} if asked is None else {"asked": sorted(asked)}


def hash_of(config: Mapping[str, Any]) -> str:
    """The SHA-256 of a config as JSON, without its ``epochs``, which a resumed run may change.

    >>> hash_of({"seed": 0, "epochs": 5}) == hash_of({"epochs": 10, "seed": 0})
    True
    """
    kept = {name: value for name, value in plain(config).items() if name != "epochs"}
    return hashlib.sha256(json.dumps(kept, sort_keys=True, allow_nan=False).encode()).hexdigest()
