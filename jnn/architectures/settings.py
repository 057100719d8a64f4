"""The check that all configs of architectures share: what the type of a setting says of it."""

import dataclasses
import typing
from types import UnionType
from typing import Any

from jnn.errors import mistake
from jnn.integers import check_fraction, check_integer
from jnn.literals import check_literals


def check_settings(config: Any) -> None:
    """Check each setting of a config by its type; to be called as it is made.

    ``Literal``       one of its values
    ``int``           1 or more; 0 too where that is the default, which then means none, or the
                      usual number
    ``tuple`` of int  each 1 or more; of ``int | tuple``, each as the int
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
    hints = typing.get_type_hints(type(config))
    for field in dataclasses.fields(config):
        value, hint = getattr(config, field.name), hints[field.name]
        kinds = typing.get_args(hint) if isinstance(hint, UnionType) else (hint,)
        takes_several = any(typing.get_origin(kind) is tuple for kind in kinds)
        least = 0 if field.default == 0 else 1
        if takes_several and isinstance(value, tuple | list):
            for i, item in enumerate(value):
                check_integer(caller, f"{field.name}[{i}]", item, least=least)
        elif int in kinds:
            check_integer(caller, field.name, value, least=least)
        elif takes_several:
            got, remedy = f"{field.name}={value!r}", f"A single one is {field.name}=({value!r},)."
            raise mistake(caller, got=got, expected="a tuple of integers", remedy=remedy)
        elif field.name == "dropout":
            check_fraction(caller, "dropout", value, ends="[)")
