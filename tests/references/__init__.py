"""Reference values computed by libraries that nobody here wrote.

A family is a module ``cases_<family>.py`` with a dictionary ``CASES`` of functions
``(torch, rng) -> {name: array}``: inputs drawn from the NumPy generator, and what PyTorch makes of
them in float64. ``write_tables.py`` runs all with seed 0 and commits the results, so that the tests
need no PyTorch; a live comparison runs the same functions with another seed.
"""

import functools
import importlib
import pathlib

import numpy as np

TABLES = pathlib.Path(__file__).parent / "tables"
TABLE_SEED, LIVE_SEED = 0, 1


@functools.cache
def _table(family):
    with np.load(TABLES / f"{family}.npz") as stored:
        return {name: stored[name] for name in stored.files}


def from_table(family: str, name: str) -> dict[str, np.ndarray]:
    """The committed arrays of one case."""
    prefix = name + "/"
    case = {
        key.removeprefix(prefix): value
        for key, value in _table(family).items()
        if key.startswith(prefix)
    }
    if not case:
        raise KeyError(
            f"{family}.npz has no case {name!r}: run `python -m tests.references.write_tables "
            f"{family}`"
        )
    return case


def from_torch(family: str, name: str, seed: int = LIVE_SEED) -> dict[str, np.ndarray]:
    """The same arrays computed now by PyTorch, from inputs drawn with another seed."""
    import torch

    torch.set_default_dtype(torch.float64)
    torch.manual_seed(seed)
    function = importlib.import_module(f"tests.references.cases_{family}").CASES[name]
    arrays = function(torch, np.random.default_rng(seed))
    return {
        key: value.detach().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
        for key, value in arrays.items()
    }
