"""What a run has learned."""

from pathlib import Path
from typing import Any, NamedTuple

import jax

from jnn.errors import JnnError, mistake
from jnn.model import Model, Params, State
from jnn.train.checkpoints import Checkpoints


def trained(model: Model, example: Any, folder: Path | str) -> tuple[Params, State]:
    """The params and the state that the run in ``folder`` chose as its best, or where it watched no metric, its last.

    ``model`` and ``example`` are those of the run, as the ``describe(config)`` of its experiment gives them; the example may be a shape.
    Every bit is verified. Raises `JnnError` where there is no checkpoint yet, where none verifies, and for another model.
    """
    like = jax.eval_shape(model.init, jax.random.key(0), example)
    folder = Path(folder)
    if not (folder / "checkpoints").is_dir():
        raise mistake(str(folder), got="a folder without checkpoints", expected="a run that has made one", remedy="Train it further.")
    chosen, last = ((), like), (_OnlyModel(*like), ())
    with Checkpoints(folder / "checkpoints", read_only=True) as checkpoints:
        try:
            restored = checkpoints.restore(chosen, partial=True)
        except JnnError as there_is_none:
            try:
                restored = checkpoints.restore(last, partial=True)
            except JnnError:
                raise there_is_none from None
    if restored is None:
        raise mistake(str(folder), got="no checkpoint", expected="a run that has made one", remedy="Train it further.")
    whole, best = restored.tree
    return best or (whole.params, whole.state)


class _OnlyModel(NamedTuple):
    """The part of a `TrainState` that a model is, at the same paths."""

    params: Any
    state: Any
