"""The text of a path to a leaf of a pytree, and regular expressions for such paths."""

import re

import jax

from jnn.errors import mistake


def path_name(path: tuple) -> str:
    """The keys of a path from ``jax.tree.leaves_with_path`` and the like, joined by slashes.

    >>> [path_name(path) for path, _ in jax.tree.leaves_with_path({"0": {"kernel": 1, "bias": 2}})]
    ['0/bias', '0/kernel']
    """
    return jax.tree_util.keystr(path, simple=True, separator="/")


def check_expression(caller: str, pattern: str) -> None:
    """Raise JnnError for what is no regular expression.

    >>> check_expression("--paths", ".*/kernel")
    """
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        got = f"{pattern!r} ({error})"
        raise mistake(caller, got=got, expected="a regular expression") from None
