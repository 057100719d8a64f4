"""A program as StableHLO, in the portable form of `jax.export`."""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import jax
import jax.export

from jnn.errors import MissingExtraError, mistake
from jnn.export.program import Program

PLATFORMS = (("cpu", "cuda", "tpu"), ("cpu",))
"""Those that a program is lowered for: all, or where that cannot be, that on which it is tried."""
SIZES = ("batch, length", "batch", "1")
"""The leading axes of the inputs, the least restricted first."""


class Artifact(NamedTuple):
    """A serialized program."""

    content: bytes
    platforms: tuple[str, ...]
    inputs: dict[str, Any]
    """The shape, in which ``"batch"`` and ``"length"`` are any, and the dtype of each input."""
    outputs: dict[str, Any]

    @property
    def batch(self) -> int | None:
        """The one size of a batch that it takes, None for any."""
        size = next(iter(self.inputs.values()))["shape"][0]
        return None if size == "batch" else size


def stablehlo(program: Program) -> Artifact:
    """The program for a batch of any size, and texts of any length, on any platform.

    What cannot be is given up: first platforms, then the length, then the size of the batch, which
    is 1 then. Raises `JnnError` where nothing of it can be, with what JAX says, and
    `MissingExtraError` without ``flatbuffers``.
    """
    try:
        import flatbuffers  # noqa: F401, by which jax.export writes
    except ImportError:
        raise MissingExtraError('StableHLO needs flatbuffers: pip install "jnn[export]".') from None
    sizes = SIZES if program.any_length else SIZES[1:]
    failures = []
    for size, platforms in itertools.product(sizes, PLATFORMS):
        shapes = program.weights, _sized(program, size)
        try:
            exported = jax.export.export(jax.jit(program.call), platforms=platforms)(*shapes)
            content = bytes(exported.serialize())
        except Exception as error:  # of whichever operation has no such form
            failures.append(error)
            continue
        inputs = jax.tree.unflatten(exported.in_tree, exported.in_avals)[0][1]
        outputs = jax.tree.unflatten(exported.out_tree, exported.out_avals)
        return Artifact(content, platforms, _described(inputs), _described(outputs))
    raise mistake(
        "StableHLO",
        got=f"{type(failures[-1]).__name__}: {str(failures[-1]).splitlines()[0]}",
        expected="a model of operations that jax.export has",
    ) from failures[-1]


def _sized(program: Program, size: str) -> dict[str, jax.ShapeDtypeStruct]:
    """The shapes of the inputs, whose first axes have these sizes."""
    leading = (1,) if size == "1" else jax.export.symbolic_shape(size)
    return {
        name: jax.ShapeDtypeStruct((*leading, *spec.shape[len(leading) - 1 :]), spec.dtype)
        for name, spec in program.inputs.items()
    }


def _described(arrays: dict[str, Any]) -> dict[str, Any]:
    """Shapes and dtypes as JSON values."""
    size = lambda n: n if isinstance(n, int) else str(n)
    return {
        name: {"shape": [size(n) for n in array.shape], "dtype": str(array.dtype)}
        for name, array in arrays.items()
    }
