"""Settings of rotary positions, of old files and new."""

import math
from collections.abc import Mapping
from typing import Any

from jnn.interop.settings import Setting
from jnn.layers.positions import LongScaling, RotaryScaling, Scaling, YarnScaling


def rope(base: float = 10_000.0, fraction: float | None = None) -> tuple[Setting, ...]:
    """``rotary_base``, ``rotary_fraction`` and ``rotary_scaling``, and what holds by default.

    Without a ``fraction`` the family rotates all features, whatever its files say.
    """

    def read_base(config):
        return float(_entries(config).get("rope_theta") or config.get("rope_theta") or base)

    def read_fraction(config):
        names = ("partial_rotary_factor", "rotary_pct")
        given = [e[name] for e in (_entries(config), config) for name in names if e.get(name)]
        value = float(given[0]) if given else fraction or 1.0
        if fraction is None and value != 1:
            raise ValueError(
                f"partial_rotary_factor={value} in place of 1, as in all of the family"
            )
        return value

    def write_fraction(value):
        is_default = value == 1 and fraction in (None, 1)
        return {} if is_default else _written(partial_rotary_factor=value)

    return (
        Setting("rotary_base", read_base, lambda value: _written(rope_theta=value)),
        Setting("rotary_fraction", read_fraction, write_fraction),
        Setting("rotary_scaling", _read_scaling, _write_scaling),
    )


def _entries(config: Mapping[str, Any]) -> Mapping[str, Any]:
    entries = config.get("rope_parameters") or config.get("rope_scaling") or {}
    if not isinstance(entries, Mapping):
        raise ValueError(f"rotary positions as {entries!r}")
    return entries


def _read_scaling(config: Mapping[str, Any]) -> Scaling | None:
    entries = _entries(config)
    kind = entries.get("rope_type") or entries.get("type") or "default"
    if "long_factor" in entries:  # which old files of Phi-3 have under other names
        kind = "longrope"
    try:
        if kind == "default":
            return None
        if kind == "linear":
            return RotaryScaling(float(entries["factor"]))
        if kind == "llama3":
            return RotaryScaling(
                float(entries["factor"]),
                int(entries["original_max_position_embeddings"]),
                float(entries["low_freq_factor"]),
                float(entries["high_freq_factor"]),
            )
        if kind == "yarn":
            return _read_yarn(entries, config)
        if kind == "longrope":
            return _read_long(entries, config)
    except KeyError as error:
        raise ValueError(f"rotary positions of type {kind!r} without {error}") from None
    kinds = "default, linear, llama3, yarn or longrope"
    raise ValueError(f"rotary positions of type {kind!r} in place of {kinds}")


def _read_yarn(entries: Mapping[str, Any], config: Mapping[str, Any]) -> YarnScaling:
    name, longest = "original_max_position_embeddings", config.get("max_position_embeddings")
    length = int(entries.get(name) or longest or 0)
    if length < 1:
        raise KeyError(name)
    factor, magnitude = float(entries["factor"]), entries.get("attention_factor")
    if magnitude is None:
        scales = entries.get("mscale"), entries.get("mscale_all_dim")
        scales = scales if all(scales) else (1, 0)
        of_scale = lambda scale: 1 + float(scale) * math.log(max(factor, 1)) / 10
        magnitude = of_scale(scales[0]) / of_scale(scales[1])
    return YarnScaling(
        factor,
        length,
        float(entries.get("beta_fast") or 32),
        float(entries.get("beta_slow") or 1),
        float(magnitude),
        bool(entries.get("truncate", True)),
    )


def _read_long(entries: Mapping[str, Any], config: Mapping[str, Any]) -> LongScaling:
    name = "original_max_position_embeddings"
    length = int(config.get(name) or entries.get(name) or 0)
    if length < 2:
        raise KeyError(name)
    longest = config.get("max_position_embeddings") or length
    factor = float(entries.get("factor") or longest / length)
    magnitude = entries.get("attention_factor")
    if magnitude is None:
        magnitude = math.sqrt(1 + math.log(factor) / math.log(length)) if factor > 1 else 1.0
    short, long = (tuple(map(float, entries[f"{name}_factor"])) for name in ("short", "long"))
    if not min(short + long, default=0) > 0:
        raise ValueError(f"factors {short + long} of rotary positions in place of numbers > 0")
    return LongScaling(short, long, length, float(magnitude))


def _write_scaling(scaling: Scaling | None) -> dict[str, Any]:
    if scaling is None:
        return _written(rope_type="default")
    if isinstance(scaling, LongScaling):
        return _written(
            rope_type="longrope",
            short_factor=list(scaling.short),
            long_factor=list(scaling.long),
            original_max_position_embeddings=scaling.length,
            attention_factor=scaling.magnitude,
        ) | {"original_max_position_embeddings": scaling.length}
    if isinstance(scaling, YarnScaling):
        return _written(
            rope_type="yarn",
            factor=scaling.factor,
            original_max_position_embeddings=scaling.length,
            beta_fast=scaling.fast,
            beta_slow=scaling.slow,
            attention_factor=scaling.magnitude,
            truncate=scaling.rounded,
        )
    if not scaling.length:
        return _written(rope_type="linear", factor=scaling.factor)
    return _written(
        rope_type="llama3",
        factor=scaling.factor,
        original_max_position_embeddings=scaling.length,
        low_freq_factor=scaling.low,
        high_freq_factor=scaling.high,
    )


def _written(**entries: Any) -> dict[str, Any]:
    return {"rope_parameters": entries}
