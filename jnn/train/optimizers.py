"""Optax's optimizers and schedules by name, with the settings of a config.

jnn has no optimizers of its own.
"""

import inspect
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

import jax
import optax
from jax.core import Tracer

from jnn.errors import mistake
from jnn.integers import as_number, check_integer, spelled
from jnn.wording import suggestion

DECAYED = ("kernel", "recurrent_kernel", "projection", "magnitude")
"""The names of the params with weight decay: whatever multiplies features, kernels and the
magnitudes of weight-normed ones, whose kernel shrinks as a plain one would. Directions have none,
since their length has no effect; nor do biases, the scales of norms, and embeddings.
"""


def make_optimizer(
    name: str = "adamw",
    *,
    learning_rate: float | jax.Array,
    steps: int,
    schedule: str = "cosine",
    warmup: float = 0.0,
    weight_decay: float = 0.0,
    clip: float = 0.0,
    options: Mapping[str, Any] | None = None,
    schedule_options: Mapping[str, Any] | None = None,
) -> optax.GradientTransformation:
    """The Optax optimizer called ``name``, with a schedule for its learning rate.

    The current learning rate can be read from the optimizer's state.

    ``name``           a function of ``optax`` or ``optax.contrib`` that takes a learning rate:
                       "sgd", "adamw", "lion", "muon", ...
    ``learning_rate``  the peak of the schedule; may be traced, so that runs of several learning
                       rates are one ``jax.vmap``.
    ``schedule``       "constant", "cosine" or "linear" (to 0 at the last step), or a schedule
                       function of Optax: "exponential_decay", ...
    ``warmup``         the fraction of the steps in which the learning rate first rises linearly
                       from 0.
    ``weight_decay``   of the params called `DECAYED`, kernels of all kinds: decoupled if the
                       optimizer can decay some params alone, else added to the gradient; may be
                       traced. "muon" decays those that are matrices.
    ``clip``           the global 2-norm to which gradients are scaled down; 0 for none; may be
                       traced.
    ``options``        further arguments of the optimizer; ``schedule_options`` of the schedule,
                       whose values are relative to the learning rate.

    Raises `JnnError` for unknown names, for options that are unknown or cannot be computed with,
    and for settings out of range.

    >>> optimizer = make_optimizer("sgd", learning_rate=0.1, steps=100, options={"momentum": 0.9})
    >>> state = optimizer.init({"kernel": jax.numpy.ones(2)})
    """
    _check_range("weight_decay", weight_decay, low=0)
    _check_range("clip", clip, low=0)
    options = dict(options or {})
    make = _lookup("optimizer", name, available_optimizers())
    takes = inspect.signature(make).parameters
    caller = f"optimizer {name}"
    _check_options(caller, options, takes)
    parts = [optax.clip_by_global_norm(clip)] if _is_used(clip) else []
    mask = next((argument for argument in ("mask", "weight_decay_mask") if argument in takes), None)
    if mask and "weight_decay" in takes:
        decay = {"weight_decay": weight_decay, mask: decay_mask}
    else:
        decay = {"weight_decay": 0.0} if "weight_decay" in takes else {}
        if _is_used(weight_decay):
            parts.append(optax.add_decayed_weights(weight_decay, decay_mask))
    rate = make_schedule(
        schedule, learning_rate=learning_rate, steps=steps, warmup=warmup, options=schedule_options
    )
    fixed = tuple(argument for argument in takes if argument != "learning_rate")
    make = optax.inject_hyperparams(make, static_args=fixed)
    optimizer = optax.chain(*parts, make(learning_rate=rate, **decay | options))
    if options:
        _try(caller, options, lambda: _update_once(optimizer))
    return optimizer


def make_schedule(
    name: str,
    *,
    learning_rate: float | jax.Array,
    steps: int,
    warmup: float = 0.0,
    options: Mapping[str, Any] | None = None,
) -> optax.Schedule:
    """The learning rate as a function of the step; the arguments are those of `make_optimizer`.

    >>> schedule = make_schedule("cosine", learning_rate=0.1, steps=100, warmup=0.1)
    >>> [round(float(schedule(step)), 3) for step in (0, 5, 10, 55, 100)]
    [0.0, 0.05, 0.1, 0.05, 0.0]
    """
    _check_range("learning_rate", learning_rate, above=0)
    _check_range("warmup", warmup, low=0, below=1)
    steps = check_integer("optimizer", "steps", steps)
    make = _lookup("schedule", name, {**_SHORT, **available_schedules()})
    takes = inspect.signature(make).parameters
    rising = round(warmup * steps)
    own_warmup = "warmup_steps" in takes or "pct_start" in takes
    falling = steps if own_warmup else steps - rising
    if rising and rising >= steps:
        got = f"warmup={warmup} of {steps} steps, which is all of them"
        remedy = "Train for more epochs, or with a smaller warmup."
        raise mistake("optimizer", got=got, expected="a step after the warm-up", remedy=remedy)
    defaults = {
        "value": 1.0,
        "init_value": 0.0 if own_warmup else 1.0,
        "peak_value": 1.0,
        "end_value": 0.0,
        "power": 1.0,
        "decay_rate": 0.1,
        "warmup_steps": max(rising, 1),
        **({"pct_start": warmup} if warmup else {}),
        "decay_steps": falling,
        "transition_steps": falling,
    }
    defaults = {argument: value for argument, value in defaults.items() if argument in takes}
    asked, options = bool(options), {**defaults, **(options or {})}
    _check_options(f"schedule {name}", options, takes)
    relative = _try(f"schedule {name}", options, lambda: make(**options))
    if asked:
        _try(f"schedule {name}", options, lambda: jax.eval_shape(relative, jax.numpy.int32(0)))
    if rising and not own_warmup:
        relative = optax.join_schedules(
            [optax.linear_schedule(0.0, 1.0, rising), relative], [rising]
        )
    return lambda step: learning_rate * relative(step)


def decay_mask(params: Any) -> Any:
    """A tree like ``params``: True at each leaf with weight decay, by its name: see `DECAYED`.

    >>> decay_mask({"0": {"kernel": 1, "bias": 2}})
    {'0': {'bias': False, 'kernel': True}}
    """
    return jax.tree.map_with_path(lambda path, _: path[-1].key in DECAYED, params)


def available_optimizers() -> dict[str, Callable]:
    """Every function of Optax that makes an optimizer from a learning rate and numbers."""
    optimizers = _functions(lambda arguments: "learning_rate" in arguments, optax, optax.contrib)
    # these two need functions, not numbers
    for name in ("schedule_free", "sophia"):
        optimizers.pop(name, None)
    return optimizers


def available_schedules() -> dict[str, Callable]:
    """Every schedule of Optax that takes numbers alone."""
    values = {"init_value", "peak_value", "value"}
    is_schedule = lambda arguments: arguments & values and "learning_rate" not in arguments
    return _functions(is_schedule, optax.schedules)


_SHORT = {
    "constant": optax.constant_schedule,
    "cosine": optax.cosine_decay_schedule,
    "linear": lambda init_value, transition_steps: optax.linear_schedule(
        init_value, 0.0, transition_steps
    ),
}


def _functions(fits, *modules) -> dict[str, Callable]:
    """The public functions of the modules whose set of argument names ``fits``."""
    functions = {}
    for module in modules:
        for name, value in vars(module).items():
            if not inspect.isfunction(value) or name.startswith(("_", "scale_by_")):
                continue
            if fits(set(inspect.signature(value).parameters)):
                functions.setdefault(name, value)
    return functions


def _lookup(kind: str, name: str, available: Mapping[str, Callable]) -> Callable:
    if name not in available:
        raise mistake(
            kind,
            got=f"{name!r}",
            expected=f"one of {', '.join(sorted(available))}",
            remedy=suggestion(name, available),
        )
    return available[name]


def _check_options(caller: str, options: Mapping[str, Any], takes: Mapping[str, Any]) -> None:
    if unknown := [option for option in options if option not in takes]:
        raise mistake(
            caller,
            got=f"an option {unknown[0]!r}",
            expected=f"some of {', '.join(takes)}",
            remedy=suggestion(unknown[0], takes),
        )
    if "learning_rate" in options:
        remedy = "It is a setting of its own, beside the options."
        raise mistake(caller, got="an option 'learning_rate'", expected="others", remedy=remedy)
    needed = [
        name
        for name, argument in takes.items()
        if argument.default is inspect.Parameter.empty and name != "learning_rate"
    ]
    if missing := [name for name in needed if name not in options]:
        raise mistake(caller, got=f"no {missing[0]}", expected=f"the options {', '.join(needed)}")


def _try(caller: str, options: Mapping[str, Any], compute: Callable[[], Any]) -> Any:
    """What Optax computes with the options; where it cannot, a `JnnError` with its words."""
    try:
        return compute()
    except (TypeError, ValueError) as error:
        got = ", ".join(f"{name}={value!r}" for name, value in options.items())
        words = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
        expected = "options that Optax can compute with"
        raise mistake(caller, got=got, expected=expected, remedy=f"It says: {words}.") from error


def _update_once(optimizer: optax.GradientTransformation) -> None:
    """Trace an update of a kernel, which runs nothing."""
    zero, params = jax.numpy.zeros(()), {"kernel": jax.numpy.zeros((2, 2))}

    def update(params):
        seen = {"value": zero, "grad": params, "value_fn": lambda params: zero}
        update = optax.with_extra_args_support(optimizer).update
        return update(params, optimizer.init(params), params, **seen)

    jax.eval_shape(update, params)


def _is_used(setting: float | jax.Array) -> bool:
    """Whether a setting is not 0, as a traced one is taken to be."""
    return isinstance(setting, Tracer) or bool(setting)


def _check_range(name: str, value, *, low=None, above=None, below=None) -> None:
    if isinstance(value, Tracer):
        return
    number = value if isinstance(value, jax.Array) else as_number(value)
    bounds = {">=": low, ">": above, "<": below}
    bounds = {sign: bound for sign, bound in bounds.items() if bound is not None}
    holds = {">=": operator.ge, ">": operator.gt, "<": operator.lt}
    in_bounds = lambda number: all(holds[sign](number, bound) for sign, bound in bounds.items())
    if number is None or not math.isfinite(number) or not in_bounds(number):
        expected = " and ".join(f"{sign} {bound}" for sign, bound in bounds.items())
        raise mistake("optimizer", got=f"{name}={spelled(value)}", expected=f"{name} {expected}")
