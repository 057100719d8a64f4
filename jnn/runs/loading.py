"""Loading the params that a run trained."""

import contextlib
from pathlib import Path
from typing import Any, NamedTuple

import jax

from jnn.checkpoints import Checkpoints, Restored
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
    like = jax.eval_shape(model.init, jax.random.key(0), example)
    folder = Path(folder)
    if not (folder / "checkpoints").is_dir():
        raise mistake(
            str(folder),
            got="a folder without checkpoints",
            expected="a run that has made one",
            remedy="Train it further.",
        )
    with Checkpoints(folder / "checkpoints", read_only=True) as checkpoints:
        try:
            restored = checkpoints.restore(((), like), partial=True)
        except JnnError as none_was_chosen:
            restored = _last(checkpoints, like) or none_was_chosen
    if isinstance(restored, JnnError):
        raise restored
    if restored is None:
        raise mistake(
            str(folder),
            got="no checkpoint",
            expected="a run that has made one",
            remedy="Train it further.",
        )
    whole, best = restored.tree
    return best or tuple(whole)


def _last(checkpoints: Checkpoints, like: tuple[Params, State]) -> Restored | None:
    """The part of the last `TrainState` that predicts, under the same paths.

    None where the checkpoint is of another model.
    """
    for part in (_Averaged, _OnlyModel):
        with contextlib.suppress(JnnError):
            return checkpoints.restore((part(*like), ()), partial=True)
    return None


class _Averaged(NamedTuple):
    average: Any
    state: Any


class _OnlyModel(NamedTuple):
    params: Any
    state: Any
