"""Packages whose names are imported when they are first used, so that the command line answers
before JAX is loaded.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence

TYPE_CHECKING = False  # typing itself takes long to import
if TYPE_CHECKING:
    from typing import Any


def lazy(package: str, names: Mapping[str, Sequence[str]]):
    """``__getattr__``, ``__dir__`` and ``__all__`` of a package (PEP 562) that has ``names``
    (module -> names in it) and all its modules.

    >>> get, _, names = lazy("jnn", {"errors": ["JnnError"]})
    >>> get("JnnError").__module__, names
    ('jnn.errors', ['JnnError'])
    """
    home = {name: module for module, members in names.items() for name in members}

    def get(name: str) -> Any:
        if name in home:
            value = getattr(importlib.import_module(f"{package}.{home[name]}"), name)
        else:
            try:
                value = importlib.import_module(f"{package}.{name}")
            except ModuleNotFoundError as error:
                if error.name != f"{package}.{name}":
                    raise
                # with the names that it is told, Python suggests one that is alike
                raise AttributeError(
                    f"module {package!r} has no attribute {name!r}",
                    name=name,
                    obj=sys.modules[package],
                ) from None
        setattr(sys.modules[package], name, value)
        return value

    return get, lambda: sorted(home), sorted(home)
