"""The settings of architectures are checked where they are made."""

import dataclasses
import importlib
import pkgutil
import typing

import numpy as np
import pytest

import jnn
import jnn.architectures
from jnn.architectures.mlp import MLPConfig

NEEDED = {
    "outputs": 2,
    "classes": 2,
    "vocabulary": 8,
    "source_vocabulary": 8,
    "length": 8,
    "shape": (16, 16, 1),
}
"""Values of settings that have no default."""


def configs() -> list[type]:
    modules = pkgutil.iter_modules(jnn.architectures.__path__, "jnn.architectures.")
    return [
        value
        for module in modules
        for name, value in vars(importlib.import_module(module.name)).items()
        if name.endswith("Config") and value.__module__ == module.name
    ]


def needed(config: type) -> dict:
    fields = [f for f in dataclasses.fields(config) if f.default is dataclasses.MISSING]
    return {f.name: NEEDED[f.name] for f in fields}


def wrong_values() -> list:
    """Each setting of each config whose type tells a value that it cannot have."""
    found = []
    for config in configs():
        for name, kind in typing.get_type_hints(config).items():
            if typing.get_origin(kind) is typing.Literal:
                found.append((config, name, "nonsense"))
            elif kind in (int, tuple[int, ...]):
                found.append((config, name, -1 if kind is int else (-1,)))
            elif typing.get_origin(kind) is tuple:
                found.append((config, name, (8,) * (len(typing.get_args(kind)) - 1)))
            elif name == "dropout":
                found.append((config, name, 1.5))
    return found


@pytest.mark.parametrize(
    ("value", "remedy"), [(8, " A single one is hidden=(8,)."), ("84", ""), (np.array([8, 4]), "")]
)
def test_what_is_no_tuple_is_told_of_a_single_one_where_it_is_one(value, remedy):
    with pytest.raises(jnn.JnnError) as raised:
        MLPConfig(outputs=2, hidden=value)
    assert str(raised.value).endswith(f"hidden={value!r}, expected a tuple of integers.{remedy}")


@pytest.mark.parametrize("config", configs(), ids=lambda config: config.__name__)
def test_defaults_are_accepted(config):
    config(**needed(config))


@pytest.mark.parametrize(
    ("config", "name", "value"),
    wrong_values(),
    ids=lambda part: part.__name__ if isinstance(part, type) else str(part),
)
def test_a_wrong_setting_is_refused_by_its_name(config, name, value):
    with pytest.raises(jnn.JnnError, match=rf"^{config.__name__}: got {name}(\[0\])?="):
        config(**needed(config) | {name: value})
