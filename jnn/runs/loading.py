"""Loading the params that a run trained."""

from pathlib import Path
from typing import Any, NamedTuple

import jax

from jnn.checkpoints import Checkpoints
from jnn.errors import JnnError, mistake
from jnn.model import Model, Params, State


def trained(model: Model, example: Any, folder: Path | str) -> tuple[Params, State]:
    """The best params and state of the run in ``folder``.

    Without a metric to choose the best by, they are the last ones: the moving average of params if
    there is one.

    ``model`` and ``example`` are those of the run, as the ``describe(config)`` of its experiment
    returns them; the example may be a shape. Every bit is verified.

    Raises `JnnError` where there is no checkpoint yet, where none verifies, and for another model.
    """
    return kept(jax.eval_shape(model.init, jax.random.key(0), example), folder)


def check_trained(folder: Path) -> None:
    """Raise `JnnError` for a run without a checkpoint, such as one that failed at its start."""
    checkpoints = folder / "checkpoints"
    if not any(checkpoints.glob("[0-9]*")):
        got = "no checkpoint" if checkpoints.is_dir() else "a folder without checkpoints"
        expected, remedy = "a run that has made one", "Train it further."
        raise mistake(str(folder), got=got, expected=expected, remedy=remedy)


def kept(like: tuple[Params, State], folder: Path | str) -> tuple[Params, State]:
    """The best params and state of a run, or a part of them, with the shapes of ``like``.

    Raises `JnnError` as `trained` does; it names the leaves that do not fit.
    """
    folder = Path(folder)
    check_trained(folder)
    errors = []
    with Checkpoints(folder / "checkpoints", read_only=True) as checkpoints:
        for tree in (((), like), (_Averaged(*like), ()), (_OnlyModel(*like), ())):
            try:
                restored = checkpoints.restore(tree, partial=True)
            except JnnError as error:
                errors.append(error)
                continue
            if restored is None:
                raise mistake(
                    str(folder),
                    got="no checkpoint",
                    expected="a run that has made one",
                    remedy="Train it further.",
                )
            last, best = restored.tree
            return best or tuple(last)
    # the tree that the run has is the one of which the least is missing
    raise min(errors, key=lambda error: str(error).count("not in the checkpoint"))


class _Averaged(NamedTuple):
    average: Any
    state: Any


class _OnlyModel(NamedTuple):
    params: Any
    state: Any
