"""A program as StableHLO, in the portable form of `jax.export`."""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import jax
import jax.export

from jnn.errors import missing_extra, mistake
from jnn.export.program import Program

PLATFORMS = (("cpu", "cuda", "tpu"), ("cpu",))
"""Those that a program is lowered for: all, or where that cannot be, that on which it is tried."""
LEAST_LENGTH = 16
"""Texts that long have room for every window, where a program for shorter ones cannot be."""


class Sizes(NamedTuple):
    """Of which sizes the first axes of the inputs are."""

    batch: int | None = None
    """The one size of a batch, None for any."""
    least: int | None = None
    """Of a text of any length, the fewest tokens; None where the length is fixed."""
    most: int | None = None
    """And the most; None for any number."""

    def leading(self) -> tuple[Any, ...]:
        """The axes, as `jax.export` has them."""
        if self.batch is not None:
            return (self.batch,)
        if self.least is None:
            return tuple(jax.export.symbolic_shape("batch"))
        bounds = [f"length >= {self.least}"]
        bounds += [f"length <= {self.most}"] if self.most else []
        return tuple(jax.export.symbolic_shape("batch, length", constraints=bounds))


class Artifact(NamedTuple):
    """A serialized program."""

    content: bytes
    platforms: tuple[str, ...]
    inputs: dict[str, Any]
    """The shape, in which ``"batch"`` and ``"length"`` are any, and the dtype of each input."""
    outputs: dict[str, Any]
    sizes: Sizes


def stablehlo(program: Program) -> Artifact:
    """The program for a batch of any size, and texts of any length, on any platform.

    What cannot be is given up: first platforms, then the length, then the size of the batch, which
    is 1 then. Raises `JnnError` where nothing of it can be, with what JAX says, and
    `MissingExtraError` without ``flatbuffers``.
    """
    try:
        import flatbuffers  # noqa: F401, by which jax.export writes
    except ImportError:
        raise missing_extra("StableHLO needs flatbuffers", "export") from None
    failures = []
    for sizes, platforms in itertools.product(_sizes(program), PLATFORMS):
        shapes = program.weights, _shapes(program, sizes)
        try:
            exported = jax.export.export(jax.jit(program.call), platforms=platforms)(*shapes)
            content = bytes(exported.serialize())
        except Exception as error:  # of whichever operation has no such form
            failures.append(error)
            continue
        inputs = jax.tree.unflatten(exported.in_tree, exported.in_avals)[0][1]
        outputs = jax.tree.unflatten(exported.out_tree, exported.out_avals)
        return Artifact(content, platforms, _described(inputs), _described(outputs), sizes)
    raise mistake(
        "StableHLO",
        got=f"{type(failures[-1]).__name__}: {str(failures[-1]).splitlines()[0]}",
        expected="a model of operations that jax.export has",
    ) from failures[-1]


def _sizes(program: Program) -> list[Sizes]:
    """What to try, the least restricted first."""
    sizes = [Sizes(), Sizes(batch=1)]
    if not program.of_text:
        return sizes
    longest = program.longest or LEAST_LENGTH
    free = [Sizes(None, least, program.longest) for least in (1, LEAST_LENGTH) if least <= longest]
    return [*free, *sizes]


def _shapes(program: Program, sizes: Sizes) -> dict[str, jax.ShapeDtypeStruct]:
    """The shapes of the inputs, whose first axes have these sizes."""
    leading = sizes.leading()
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
