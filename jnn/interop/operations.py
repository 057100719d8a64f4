"""How a tensor of a file becomes leaves of params, and back.

Operations use methods of arrays alone: they run on NumPy's, and on JAX's shapes.
"""

from collections.abc import Callable
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np


class Operation(NamedTuple):
    """A function and its inverse.

    ``name``   for documentation
    ``read``   a tensor of the file -> a tuple of leaves
    ``write``  these leaves -> the tensor
    ``leaves`` how many they are
    """

    name: str
    read: Callable[[Any], tuple[Any, ...]]
    write: Callable[..., Any]
    leaves: int = 1


SAME = Operation("same", lambda tensor: (tensor,), lambda leaf: leaf)
TRANSPOSED = Operation(
    "transposed", lambda tensor: (tensor.swapaxes(-1, -2),), lambda leaf: leaf.swapaxes(-1, -2)
)


def axes(*order: int) -> Operation:
    """The axes of the tensor in another order.

    >>> read = axes(2, 3, 1, 0).read  # a convolution's OIHW as HWIO
    >>> read(np.zeros((5, 3, 7, 9)))[0].shape
    (7, 9, 3, 5)
    """
    inverse = tuple(int(i) for i in np.argsort(order))
    return Operation(
        f"axes {order}", lambda tensor: (tensor.transpose(order),), lambda x: x.transpose(inverse)
    )


def split(*sizes: int) -> Operation:
    """Parts of these sizes along the last axis, a leaf each.

    >>> q, k = split(2, 1).read(np.array([1, 2, 3]))
    >>> q.tolist(), k.tolist(), split(2, 1).write(q, k).tolist()
    ([1, 2], [3], [1, 2, 3])
    """
    bounds = list(pairwise([0, *accumulate(sizes)]))
    return Operation(
        f"split {sizes}",
        lambda tensor: tuple(tensor[..., a:b] for a, b in bounds),
        lambda *leaves: _module(leaves[0]).concatenate(leaves, axis=-1),
        len(sizes),
    )


def reshaped(file: tuple[int, ...], leaf: tuple[int, ...]) -> Operation:
    """A tensor of shape ``file`` as a leaf of shape ``leaf``, in the same order of numbers.

    >>> reshaped((1, 1, 3), (3,)).read(np.zeros((1, 1, 3)))[0].shape
    (3,)
    """
    return Operation(
        f"reshaped {file} -> {leaf}", lambda x: (x.reshape(leaf),), lambda x: x.reshape(file)
    )


def then(*operations: Operation) -> Operation:
    """One operation after the other, each on all leaves of the one before; at most one splits.

    >>> k, v = then(split(1, 1), reshaped((2, 1), (2,))).read(np.array([[1, 2], [3, 4]]))
    >>> k.tolist(), v.tolist()
    ([1, 3], [2, 4])
    """

    def read(tensor):
        parts = (tensor,)
        for operation in operations:
            parts = tuple(leaf for part in parts for leaf in operation.read(part))
        return parts

    def write(*leaves):
        for operation in reversed(operations):
            if operation.leaves == 1:
                leaves = tuple(operation.write(leaf) for leaf in leaves)
            else:
                leaves = (operation.write(*leaves),)
        return leaves[0]

    name = ", ".join(operation.name for operation in operations)
    return Operation(name, read, write, max(operation.leaves for operation in operations))


def _module(array: Any) -> Any:
    return np if isinstance(array, np.ndarray) else jnp
