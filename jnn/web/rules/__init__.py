"""The rules of JAX's primitives, in files by family."""

from jnn.web.rules import (
    control,
    elementwise,
    indexing,
    products,
    random_numbers,
    reductions,
    sorting,
    structure,
)

__all__ = [
    "control",
    "elementwise",
    "indexing",
    "products",
    "random_numbers",
    "reductions",
    "sorting",
    "structure",
]
