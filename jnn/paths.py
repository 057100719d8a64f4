"""The text of a path to a leaf of a pytree."""

import jax


def path_name(path: tuple) -> str:
    """The keys of a path from ``jax.tree.leaves_with_path`` and the like, joined by slashes.

    >>> [path_name(path) for path, _ in jax.tree.leaves_with_path({"0": {"kernel": 1, "bias": 2}})]
    ['0/bias', '0/kernel']
    """
    return jax.tree_util.keystr(path, simple=True, separator="/")
