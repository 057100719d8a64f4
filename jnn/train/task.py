"""What an experiment trains, as one record: all that one run of it needs, or many at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from jnn.errors import check_function, check_type, mistake
from jnn.model import Model
from jnn.processes.connections import connect
from jnn.runs.run import Run
from jnn.sharding import RULES, Rule, check_rules, make_mesh, placed, sharded, shardings
from jnn.train.additions import Plain, with_additions
from jnn.train.config import TrainingConfig
from jnn.train.devices import device_mesh, on_each
from jnn.train.feed import Feed
from jnn.train.loop import Evaluate, Fitted, OnEvaluate, fit
from jnn.train.moments import with_moments
from jnn.train.preparation import FILE as PREPARATION
from jnn.train.preparation import Preparation, keep_preparation
from jnn.train.state import TrainState, init_train_state
from jnn.train.step import OF_OBJECTIVE, Objective, Step, make_step
from jnn.train.transfer import transferred
from jnn.transform import path_mask

if TYPE_CHECKING:
    from jnn.interop.pretrained import Pretrained

Transfer = Callable[[Any, Any], tuple[Any, Any]]
"""``(params, state) -> params, state``"""

FIRST_LOSS_SCALE = 2.0**15
_FORMS = {
    "objective": OF_OBJECTIVE,
    "validate": "(params, state) -> metrics",
    "test": "(params, state) -> metrics",
    "baselines": "() -> scores by name",
    "sections": "(fitted) -> sections",
    "save": "(folder)",
    "on_evaluate": "(step, params, state)",
    "read": "(batch, key) -> x",
    "raw": "() -> {'inputs': array}",
    "view": "(x, y) -> y",
}
"""How the functions of a task are called."""
_SHORT = {"bfloat16": "bf16", "float16": "f16"}  # in the text of a jaxpr


class Task(NamedTuple):
    """A model, its objective and data, and how it is evaluated.

    ``example``      one input of the model, or its shape
    ``validate``     ``(params, state) -> {"validation/loss": ...}``, pure
    ``best``         the metric of ``validate`` by which params are kept: the highest, or with
                     ``lowest`` the lowest; without it the last params are kept
    ``test``         ``(params, state) -> {"test/accuracy": ...}``, called once, at the end
    ``baselines``    ``() -> {"logistic regression": 0.96}``: the first metric of ``test`` on the
                     same split, or a dict of several metrics for each
    ``sections``     ``(fitted) -> sections`` of the report
    ``data``         what the summary says of the data: name, sizes of the parts
    ``preparation``  what predictions need besides params, saved with the run: scaling, names of
                     classes, a tokenizer; with it `jnn.load` predicts from what a user has
    ``save``         writes what `jnn generate` needs besides params, such as a tokenizer, to the
                     run
    ``on_evaluate``  see `jnn.train.fit`
    ``rules``        where params live on a mesh: see `jnn.sharding`
    ``pretrained``   the model that it begins with, as a part of ``model``
    ``untrained``    the paths of params that are not trained, besides those that the config says:
                     a regular expression
    ``read``         ``(batch, key) -> x``, the input of the model in training, where a batch does
                     not have it as it is: `jnn explain` has such examples
    ``raw``          ``() -> {"inputs": array}``, what `jnn.load` predicts from, where the data has
                     it in no array: `jnn explain` takes its examples from there
    ``view``         ``(x, y) -> y``, what people look at in place of an output, such as pixels in
                     place of their logits
    """

    model: Model
    objective: Objective
    feed: Feed
    example: Any
    validate: Evaluate | None = None
    best: str | None = None
    lowest: bool = False
    test: Evaluate = lambda params, state: {}
    baselines: Callable[[], Mapping[str, Any]] = dict
    sections: Callable[[Fitted], Sequence[Any]] = lambda fitted: ()
    data: Mapping[str, Any] = {}
    preparation: Preparation | None = None
    save: Callable[[Path], Any] | None = None
    on_evaluate: OnEvaluate | None = None
    rules: tuple[Rule, ...] = RULES
    pretrained: Pretrained | None = None
    untrained: str = ""
    read: Callable[[Any, jax.Array], Any] | None = None
    raw: Callable[[], Mapping[str, Any]] | None = None
    view: Callable[[Any, Any], Any] | None = None


def start(
    task: Task,
    config: TrainingConfig,
    key: jax.Array,
    *,
    transfer: Transfer | None = None,
    **overrides: Any,
) -> tuple[TrainState, Step]:
    """The train state before the first step, and the step. Pure, but for ``transfer``.

    ``transfer`` ``(params, state) -> params, state`` replaces some that were drawn.

    ``overrides`` of the optimizer's settings may be traced. Raises `JnnError` where the model does
    not compute in the precision of the config.
    """
    _check_functions(task)
    optimizer, objective = learning(task, config, **overrides)
    mesh = make_mesh(config.mesh) if config.mesh else None
    devices = device_mesh(config.devices) if config.devices > 1 else None
    if over := mesh or devices:
        connect(over)
    place = partial(shardings, mesh=mesh, rules=task.rules) if mesh else None
    train_state = init_train_state(
        key,
        task.model,
        optimizer,
        task.example,
        average=config.average_decay > 0,
        loss_scale=FIRST_LOSS_SCALE if config.precision == "float16" else None,
        place=place,
    )
    if transfer is not None:
        params, state = transfer(train_state.params, train_state.state)
        train_state = train_state._replace(
            params=params,
            state=state,
            optimizer_state=jax.jit(optimizer.init)(params),
            average=jax.tree.map(jnp.copy, params) if config.average_decay > 0 else (),
        )
        train_state = placed(train_state, place(train_state)) if place else train_state
    check_precision(task, config, train_state)
    step = step_of(config, objective, optimizer, mesh=devices)
    if mesh:
        check_rules(train_state.params, [rule for rule in task.rules if rule not in RULES])
        return train_state, sharded(step, mesh, task.rules)
    return on_each(devices, train_state) if devices else train_state, step


def _check_functions(task: Task) -> None:
    """Refuse a task whose fields are not as `Task` says, before it is trained."""
    check_type("Task", "feed", task.feed, Feed, "in_memory(arrays, batch_size)")
    for name, form in _FORMS.items():
        if (value := getattr(task, name)) is not None:
            check_function("Task", name, value, form)


def step_of(
    config: TrainingConfig,
    objective: Objective,
    optimizer: optax.GradientTransformation,
    **settings: Any,
) -> Step:
    """The `make_step` of a config, with its other ``settings``."""
    return make_step(
        objective,
        optimizer,
        accumulate=config.accumulate,
        average_decay=config.average_decay,
        statistics=config.statistics,
        **settings,
    )


def learning(
    task: Task, config: TrainingConfig, **overrides: Any
) -> tuple[optax.GradientTransformation, Objective]:
    """The optimizer and the objective of a run, without params that are not trained."""
    optimizer = config.make_optimizer(config.epochs * task.feed.steps_per_epoch, **overrides)
    objective = task.objective
    of_folder = task.pretrained.untrained if task.pretrained else ""
    untrained = [config.untrained, task.untrained, of_folder]
    if any(untrained):
        paths = "|".join(f"({paths})" for paths in untrained if paths)
        return trained_alone(optimizer, objective, paths)
    return optimizer, objective


def trained_alone(
    optimizer: optax.GradientTransformation, objective: Objective, untrained: str
) -> tuple[optax.GradientTransformation, Objective]:
    """An optimizer and an objective that leave the params at the paths ``untrained`` as they are.

    These have a gradient of exactly zero, no weight decay, and no place in the optimizer's state.
    Raises `JnnError` where no path matches, and where all do.
    """

    def mask(params):
        is_trained = jax.tree.map(lambda matches: not matches, path_mask(params, untrained))
        if not any(jax.tree.leaves(is_trained)):
            got, remedy = f"{untrained!r}, which matches every path", "Leave some params to train."
            raise mistake("frozen", got=got, expected="some of the params", remedy=remedy)
        return is_trained

    def stopped(params, state, batch, key):
        stop = lambda leaf, is_trained: leaf if is_trained else jax.lax.stop_gradient(leaf)
        return objective(jax.tree.map(stop, params, mask(params)), state, batch, key)

    return optax.masked(optimizer, mask), stopped


def check_precision(task: Task, config: TrainingConfig, train_state: TrainState) -> None:
    """Raise `JnnError` for a precision other than float32 that no operation of the loss uses."""
    if config.precision == "float32":
        return
    key = train_state.key

    def loss(params, state, data):
        batch = task.feed.batch_of(data, key, train_state.step)
        return task.objective(params, state, batch, key)

    jaxpr = jax.make_jaxpr(loss)(train_state.params, train_state.state, task.feed.data)
    if f":{_SHORT[config.precision]}[" not in str(jaxpr):
        raise mistake(
            "precision",
            got=config.precision,
            expected="a model that computes in it",
            remedy="Build it as config.cast(model), or use float32.",
        )


def train(
    task: Task,
    config: TrainingConfig,
    key: jax.Array,
    run: Run | None = None,
    *,
    quiet: bool = False,
) -> Fitted:
    """One run of the task, by `jnn.train.fit`; its preparation is saved in the run's folder.

    With additions to params of another run, what is returned has them added, as the task's model
    takes them; the train state and the checkpoints have them apart.
    """
    check_type("train", "task", task, Task, "supervised(model, splits)")
    check_type("train", "config", config, TrainingConfig, "TrainingConfig(epochs=10)")
    if run is not None:
        check_type("train", "run", run, Run, "Run.create(name, config)")
    if run and task.preparation:
        run.own(PREPARATION, keep_preparation(run.folder, task.preparation))
    if run and task.pretrained:
        task.pretrained.keep(run.folder)
    transfer = None
    if task.pretrained or (run and run.start):
        transfer = partial(transferred, run=run, pretrained=task.pretrained)
    trained, plain = with_additions(task, config, run.start if run else None)
    train_state, step = start(trained, config, key, transfer=transfer)
    on_evaluate = task.on_evaluate
    if run:
        first = train_state._replace(params=plain(train_state.params))
        steps = task.feed.steps_per_epoch
        on_evaluate = with_moments(run, first, config.epochs, steps, on_evaluate)
    fitted = fit(
        step,
        train_state,
        task.feed,
        epochs=config.epochs,
        evaluate=trained.validate,
        on_evaluate=_of_plain(on_evaluate, plain) if on_evaluate else None,
        best=task.best,
        lowest=task.lowest,
        patience=config.patience,
        skip_bad=config.skip_bad,
        run=run,
        quiet=quiet,
    )
    return fitted._replace(params=plain(fitted.params))


def _of_plain(on_evaluate: OnEvaluate, plain: Plain) -> OnEvaluate:
    """The same for the params that are trained."""
    return lambda step, params, state: on_evaluate(step, plain(params), state)
