"""The rules of JAX's primitives, in files by family."""

from jnn.web.rules import (
    control,
    elementwise,
    indexing,
    linear_algebra,
    products,
    random_numbers,
    reductions,
    sorting,
    structure,
    windows,
)

__all__ = [
    "control",
    "elementwise",
    "indexing",
    "linear_algebra",
    "products",
    "random_numbers",
    "reductions",
    "sorting",
    "structure",
    "windows",
]
