"""Loading the params that a run trained."""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax

from jnn.checkpoints import Checkpoints, manifest
from jnn.checkpoints.leaves import DamagedError, DifferentError, Leaf
from jnn.errors import JnnError, mistake
from jnn.files import JsonLines
from jnn.model import Model, Params, State
from jnn.transform import merge_lora


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

    Where the run has trained low-rank additions to some of these params, they are added. Raises
    `JnnError` as `trained` does; it names the leaves that do not fit.

    Those of an older checkpoint are others: they are not taken where the newest does not verify.
    """
    folder = Path(folder)
    check_trained(folder)
    errors, (params, state) = [], like
    with Checkpoints(folder / "checkpoints", read_only=True) as checkpoints:
        newest = max(checkpoints.steps(), default=0)
        saved = _newest(folder / "checkpoints", checkpoints.steps())[2]
        best = _with_additions(params, saved, (1, 0)), state
        average = _with_additions(params, saved, (0, "average"))
        last = _with_additions(params, saved, (0, "params"))
        trees = (((), best), (_Averaged(average, state), ()), (_OnlyModel(last, state), ()))
        for tree in trees:
            try:
                restored = checkpoints.restore(tree, partial=True)
            except DifferentError as error:
                errors.append(error)
                continue
            if restored is None:
                raise mistake(
                    str(folder),
                    got="no checkpoint",
                    expected="a run that has made one",
                    remedy="Train it further.",
                )
            if restored.step < newest:
                damaged = [note for note in restored.notes if " does not verify: " in note]
                raise mistake(
                    str(folder / "checkpoints"),
                    got="; ".join(damaged),
                    expected="the bits that were saved",
                    remedy="Put a copy back; or remove the folders of these steps, to take the "
                    f"params of step {restored.step}.",
                )
            of_run, state = restored.tree[1] or restored.tree[0]
            return _merged(of_run, params), state
    # the tree that the run has is the one of which the least is missing
    raise min(errors, key=lambda error: error.missing)


def logged(folder: Path) -> list[dict[str, Any]]:
    """The rows of a run's ``metrics.jsonl``; none where there is no such file.

    Raises `JnnError` where they are no rows, or no longer those that the newest checkpoint knows.
    Rows may be missing, such as those of a line that was damaged and deleted.
    """
    log, checkpoints = JsonLines(folder / "metrics.jsonl"), folder / "checkpoints"
    rows = log.rows()
    steps = sorted(int(path.name) for path in checkpoints.glob("[0-9]*") if path.name.isdecimal())
    step, host = _newest(checkpoints, steps)[:2]
    known = host.get("rows")
    is_whole = known is not None and sum(row["step"] <= step for row in rows) >= known
    if is_whole and host.get("log") not in (None, log.digest(step, known)):
        raise altered(log.path, step, "Put a copy of the file back.")
    return rows


def altered(log: Path, step: int, remedy: str) -> JnnError:
    """The error to raise where rows are not those that the checkpoint of a step knows."""
    got = f"rows up to step {step} that were altered since the run wrote them"
    return mistake(str(log), got=got, expected="the same", remedy=remedy)


def _newest(folder: Path, steps: list[int]) -> tuple[int, Mapping[str, Any], Mapping[tuple, Leaf]]:
    """The step, the host's part and the leaves of the newest checkpoint whose manifest verifies."""
    for step in reversed(steps):
        with contextlib.suppress(DamagedError):
            body, leaves = manifest.read(folder / str(step), step)
            return step, body["host"], leaves
    return 0, {}, {}


def _with_additions(like: Any, saved: Mapping[tuple, Leaf], path: tuple) -> Any:
    """``like`` as the checkpoint has it: where that has additions, as ``{"base", "lora"}``."""
    if not isinstance(like, dict):
        return like
    at = len(path)
    parts = {leaf[at] for leaf in saved if leaf[:at] == path and len(leaf) > at}
    if parts != {"base", "lora"} or parts == like.keys():
        return {name: _with_additions(item, saved, (*path, name)) for name, item in like.items()}
    return {"base": like, "lora": _additions(like, saved, (*path, "lora"))}


def _additions(like: dict[str, Any], saved: Mapping[tuple, Leaf], path: tuple) -> dict[str, Any]:
    """The factors that the checkpoint has of the kernels of ``like``, as shapes."""
    additions = {}
    for name, item in like.items():
        its = (*path, name)
        if isinstance(item, dict):
            within = _additions(item, saved, its)
        else:
            factors = {factor: saved.get((*its, factor)) for factor in ("down", "up")}
            within = {name: _shape(leaf) for name, leaf in factors.items() if leaf is not None}
        if within:
            additions[name] = within
    return additions


def _shape(leaf: Leaf) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype)


def _merged(tree: Any, like: Any) -> Any:
    """The inverse of `_with_additions`: additions are added to the kernels."""
    if not isinstance(tree, dict):
        return tree
    if tree.keys() == {"base", "lora"} != like.keys():
        return merge_lora(tree)
    return {name: _merged(item, like[name]) for name, item in tree.items()}


class _Averaged(NamedTuple):
    average: Any
    state: Any


class _OnlyModel(NamedTuple):
    params: Any
    state: Any
