"""Runs: the folder of one training, its records, and how runs are read and compared."""

from jnn._lazy import lazy

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "loading": ["trained"],
        "run": ["About", "Run", "RunOptions"],
    },
)
