"""Training low-rank additions to params that a run begins with, in their place (LoRA)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax

from jnn.errors import mistake
from jnn.model import Params
from jnn.train.config import TrainingConfig
from jnn.transform import lora, merge_lora, reparameterized

if TYPE_CHECKING:
    from jnn.train.task import Task

Plain = Callable[[Params], Params]
"""The params of a task's model, of those that are trained."""


def with_additions(
    task: Task, config: TrainingConfig, start: dict[str, str] | None
) -> tuple[Task, Plain]:
    """The task to train, and its `Plain`.

    Where the config, a `FineTuningConfig`, asks for additions to the params of another run, those
    that are trained are ``{"base": those of the task's model, "lora": additions}``, as `jnn.lora`
    has them. ``start`` is that of `jnn.runs.Run`: what the other run has learned is not trained,
    what is drawn is. Raises `JnnError` where there is none, and for paths that match no kernel.
    """
    asked: Any = config
    if not getattr(asked, "adapted_run", ""):
        return task, lambda params: params
    if not start:
        remedy = "Give it by --start RUN."
        raise mistake("lora", got="no run to begin with", expected="one", remedy=remedy)
    plain, validate = jax.jit(merge_lora), task.validate
    added = lora(task.model, asked.lora, asked.lora_paths)
    of_additions = task._replace(
        model=reparameterized(task.model, merge_lora)._replace(init=added.init),
        objective=lambda params, *rest: task.objective(merge_lora(params), *rest),
        validate=(lambda params, state: validate(merge_lora(params), state)) if validate else None,
        untrained=f"base/({start['paths']})",
    )
    return of_additions, plain
