"""Transfer learning: a run that begins with the params that another run kept, or with those of a
pretrained model.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from jnn.checkpoints import Checkpoints
from jnn.checkpoints.leaves import DifferentError
from jnn.errors import JnnError, mistake
from jnn.model import Params, State
from jnn.paths import path_name
from jnn.runs.loading import kept
from jnn.runs.run import Run

if TYPE_CHECKING:
    from jnn.interop.pretrained import Pretrained
    from jnn.train.config import TrainingConfig
    from jnn.train.task import Task

ADDED = {"base", "lora"}
"""The parts of params that have additions, as `jnn.lora` names them."""
COPY = "start"
"""The folder in a run with a copy of the params that it began with, for when it is resumed."""


def transferred(
    params: Params, state: State, run: Run | None, pretrained: Pretrained | None = None
) -> tuple[Params, State]:
    """``params`` and ``state`` with the leaves of what ``run`` starts from.

    ``run.start`` has its folder, that of another run or of the model ``pretrained``, and a regular
    expression for whole paths, such as ``"0/kernel"``; without it, all is from ``pretrained``. A
    run may be one that began with that model. Of another run come the params of its model:
    additions that it has trained are added, and those that ``run`` trains are made to them. A copy
    is saved in the folder of ``run``, and read from there when it is resumed. Raises `JnnError` for
    an expression that matches no param, and names each leaf that is not there or has another shape
    or dtype.
    """
    start = run.start if run else None
    if start is None and pretrained is None:
        return params, state
    paths = start["paths"] if start else ".*"
    if start and run and run.config.get("pretrained") != start["run"]:
        pretrained = None  # it has been trained on in the other run
    offered = pretrained.paths if pretrained else ".*"
    has_additions = bool(start and not pretrained and run and run.config.get("lora"))
    its = _without_additions(params) if has_additions else params
    chosen = _chosen(its, state, paths, offered)
    copy = run.folder / COPY if run else None
    if copy and copy.is_dir():
        with Checkpoints(copy, read_only=True) as checkpoints:
            restored = checkpoints.restore(chosen)
        if restored is not None:
            return _merged(params, restored.tree[0], has_additions), _merged(
                state, restored.tree[1]
            )
    shapes = jax.eval_shape(lambda: chosen)
    if pretrained:
        source = pretrained.folder
        learned = tuple(map(_part, pretrained.read(), shapes))
    else:
        assert start
        source = Path(start["run"])
        learned = _kept(shapes, source)
    if run and copy:
        with Checkpoints(copy) as checkpoints:
            checkpoints.save(0, learned, {})
            checkpoints.wait()
        run.say(f"starting from {len(jax.tree.leaves(learned))} leaves of {source}")
    return _merged(params, learned[0], has_additions), _merged(state, learned[1])


def check_fits(task: Task, config: TrainingConfig, folder: Path, paths: str) -> None:
    """Raise `JnnError` where the params of a task cannot begin as those of the run in ``folder``.

    Every bit of what they would begin as is verified. It names each leaf at ``paths`` that is not
    there, or has another shape or dtype.
    """
    params, state = jax.eval_shape(task.model.init, jax.random.key(0), task.example)
    its = _without_additions(params) if getattr(config, "lora", 0) else params
    _kept(_chosen(its, state, paths), folder)


def _kept(like: tuple[Params, State], folder: Path) -> tuple[Params, State]:
    """What the run in ``folder`` kept of ``like``; raises `JnnError` where it has other leaves."""
    try:
        return kept(like, folder)
    except DifferentError as error:
        raise JnnError(
            f"{error}\nOr begin with those that fit alone: --paths is a regular expression for "
            f"whole paths, such as --paths 'body/.*'; here they begin with {', '.join(like[0])}."
        ) from None


def _chosen(params: Params, state: State, paths: str, offered: str = ".*") -> tuple[Params, State]:
    """The leaves that begin as others: raises `JnnError` where these are none of the params."""
    chosen = _matching(params, paths, offered), _matching(state, paths, offered)
    if not jax.tree.leaves(chosen[0]):
        raise no_match(paths, params)
    return chosen


def no_match(paths: str, params: Params) -> JnnError:
    """The refusal of an expression that matches no path of the params."""
    names = [path_name(path) for path, _ in jax.tree.leaves_with_path(params)]
    return mistake(
        "--paths",
        got=f"{paths!r}, which matches no path",
        expected=f"a regular expression for some of {', '.join(names)}",
    )


def _matching(tree: Any, paths: str, offered: str, prefix: str = "") -> Any:
    """The nested dict of the leaves whose path matches both expressions."""
    chosen = {}
    for name, item in tree.items():
        path = f"{prefix}{name}"
        if isinstance(item, dict):
            if inner := _matching(item, paths, offered, f"{path}/"):
                chosen[name] = inner
        elif re.fullmatch(paths, path) and re.fullmatch(offered, path):
            chosen[name] = item
    return chosen


def _part(tree: Any, like: Any) -> Any:
    """The leaves of ``tree`` that ``like`` has."""
    if not isinstance(like, dict):
        return tree
    return {name: _part(tree[name], item) for name, item in like.items()}


def _merged(tree: Any, new: Any, has_additions: bool = False) -> Any:
    """``tree`` with the leaves of ``new``, a part of it, or with ``has_additions`` of its base."""
    if not isinstance(tree, dict):
        return jnp.asarray(new)
    if has_additions and tree.keys() == ADDED:
        return tree | {"base": _merged(tree["base"], new)}
    return {
        name: _merged(item, new[name], has_additions) if name in new else item
        for name, item in tree.items()
    }


def _without_additions(tree: Any) -> Any:
    """The params of the model, where some of its parts have additions."""
    if not isinstance(tree, dict):
        return tree
    if tree.keys() == ADDED:
        return tree["base"]
    return {name: _without_additions(item) for name, item in tree.items()}
