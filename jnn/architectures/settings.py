"""The check that all configs of architectures share: what the type of a setting says of it."""

import dataclasses
import typing
from types import NoneType, UnionType
from typing import Any

from jnn.errors import mistake
from jnn.integers import as_integer, check_fraction, check_integer
from jnn.literals import check_literals, types_of


def check_settings(config: Any) -> None:
    """Check each setting of a config by its type; to be called as it is made.

    ``Literal``       one of its values
    ``int``           1 or more; 0 too where that is the default, which then means none, or the
                      usual number
    ``tuple`` of int  each 1 or more, and as many as the type has; of ``int | tuple``, each as the
                      int
    ``dropout``       from 0 to below 1

    >>> @dataclasses.dataclass(frozen=True, kw_only=True)
    ... class Config:
    ...     widths: tuple[int, ...]
    >>> check_settings(Config(widths=(8, 0)))
    Traceback (most recent call last):
    jnn.errors.JnnError: Config: got widths[1]=0, expected an integer >= 1.
    """
    caller = type(config).__name__
    check_literals(caller, config)
    hints = types_of(type(config))
    for field in dataclasses.fields(config):
        value, hint = getattr(config, field.name), hints[field.name]
        kinds = typing.get_args(hint) if isinstance(hint, UnionType) else (hint,)
        if value is None and NoneType in kinds:
            continue
        tuples = [kind for kind in kinds if typing.get_origin(kind) is tuple]
        several = next((kind for kind in tuples if int in typing.get_args(kind)), None)
        least = 0 if field.default == 0 else 1
        if several and (isinstance(value, tuple | list) or int not in kinds):
            _check_several(caller, field.name, value, typing.get_args(several), least)
        elif int in kinds:
            check_integer(caller, field.name, value, least=least)
        elif field.name == "dropout":
            check_fraction(caller, "dropout", value, ends="[)")


def check_halved(config: Any) -> None:
    """Check that there are ``channels``, each of which halves the sides of images of ``shape``."""
    caller = type(config).__name__
    if not config.channels:
        raise mistake(caller, got="channels=()", expected="those of one layer at least")
    (height, width, _), factor = config.shape, 2 ** len(config.channels)
    if height % factor or width % factor:
        raise mistake(
            caller,
            got=f"images of {height}x{width} for channels={config.channels!r}",
            expected=f"sides divisible by {factor}",
            remedy="Pad the images, or give fewer channels.",
        )


def _check_several(caller: str, name: str, value: Any, types: tuple, least: int) -> None:
    """Check a tuple of integers, of ``types`` such as ``(int, int)`` or ``(int, ...)``."""
    count = None if Ellipsis in types else len(types)
    if not isinstance(value, tuple | list) or count not in (None, len(value)):
        is_one = count is None and as_integer(value) is not None
        remedy = f"A single one is {name}=({value!r},)." if is_one else ""
        expected = f"a tuple of {count} integers" if count else "a tuple of integers"
        raise mistake(caller, got=f"{name}={value!r}", expected=expected, remedy=remedy)
    for i, number in enumerate(value):
        check_integer(caller, f"{name}[{i}]", number, least=least)
