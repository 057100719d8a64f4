"""Models whose parts are connected by a plain function: `wired`."""

import collections
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax

from jnn.compose import output_of_step
from jnn.errors import mistake
from jnn.model import (
    Model,
    Params,
    State,
    apply_child,
    as_model,
    check_children,
    init_child,
    read_child,
    scope,
    step_child,
    streams,
)


@dataclasses.dataclass
class Run:
    """The first argument of a flow: ``run(name, x)`` is the output of the part ``name`` for x."""

    call: Callable[[str, int, Any, jax.Array | None], Any]
    """``(name, number of earlier calls of it, x, mask) -> y``."""
    params: Params
    """The params of all parts."""
    mask: jax.Array | None = None
    """The mask that the whole model was given."""
    calls: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)

    def __call__(self, name: str, x: Any, **options: Any) -> Any:
        """The output of the part for x; ``mask=`` replaces the mask of the whole model."""
        earlier = self.calls[name]
        self.calls[name] += 1
        return self.call(name, earlier, x, options.get("mask", self.mask))


Flow = Callable[[Run, Any], Any]


def wired(flow: Flow, parts: Mapping[str, Model | Callable], *, streaming: bool = True) -> Model:
    """The model ``y = flow(run, x)``, in which ``run(name, x)`` is the part called ``name``.

    ``flow``       a plain JAX function. The same function takes a whole sequence and one element of
                   it, so that it must not mix elements of time; if it does, set
                   ``streaming=False``.
    ``parts``      the models, by name. A part that is called twice has one set of params, but other
                   draws and a carry of its own for each call. ``run.params[name]`` are the params
                   of a part, for tied weights: call the part first.

    `chain`, `parallel` and `residual` are the common flows; this is for all others.

    >>> import jax, jax.numpy as jnp, jnn
    >>> def flow(run, x):
    ...     gate = jax.nn.sigmoid(run("gate", x))
    ...     return gate * run("value", x) + (1 - gate) * x
    >>> value = jnn.chain(jnn.dense(4), jnp.tanh)
    >>> highway = jnn.wired(flow, {"gate": jnn.dense(4), "value": value})
    >>> params, state = highway.init(jax.random.key(0), jnp.ones(4))
    >>> sorted(params), highway.apply(params, state, jnp.ones((7, 4)))[0].shape
    (['gate', 'value'], (7, 4))
    """
    models = {name: as_model(part) for name, part in parts.items()}

    def part(name: str) -> Model:
        if name not in models:
            raise mistake(
                "wired",
                got=f"run({name!r}, ...) in the flow",
                expected=f"one of the parts {', '.join(models)}",
            )
        return models[name]

    def shapes_of_inputs(x):
        """What the flow passes to each part, as shapes and dtypes."""
        inputs: dict[str, Any] = {}

        def trace(x):
            def call(name, earlier, x, mask):
                model = part(name)
                with scope(name):
                    params, state = model.init(jax.random.key(0), x)
                    if not earlier:
                        inputs[name] = jax.tree.map(
                            lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), x
                        )
                        run.params[name] = params
                    return model.apply(run.params[name], state, x)[0]

            run = Run(call, {})
            return flow(run, x)

        jax.eval_shape(trace, x)
        return inputs

    def init(key, x):
        inputs = shapes_of_inputs(x)
        params: Params = {}
        state: State = {}
        for name, model in models.items():
            if name not in inputs:
                raise mistake(
                    "wired",
                    got=f"a part {name!r} that the flow never runs",
                    expected="a flow that uses all parts",
                )
            child_params, child_state, _ = init_child(name, model, key, inputs[name])
            params |= child_params
            state |= child_state
        return params, state

    def key_of_call(key, earlier: int):
        return key if key is None or not earlier else jax.random.fold_in(key, earlier)

    def apply(params, state, x, *, key=None, train=False, mask=None):
        check_children("wired", models, params)
        new_state = dict(state)

        def call(name, earlier, x, mask):
            options = {"key": key_of_call(key, earlier), "train": train, "mask": mask}
            y, child_state = apply_child(name, part(name), params, new_state, x, **options)
            new_state.update(child_state)
            return y

        return flow(Run(call, params, mask), x), new_state

    def carry(params, x_t, length):
        carries = {}

        def call(name, earlier, x_t, mask):
            model, child_params = part(name), params.get(name, {})
            with scope(name):
                carries[_label(name, earlier)] = carry = model.carry(child_params, x_t, length)
                return output_of_step(model, child_params, carry, x_t)

        flow(Run(call, params), x_t)
        return carries

    def step(params, state, carry, x_t):
        new_carry = {}

        def call(name, earlier, x_t, mask):
            label = _label(name, earlier)
            y_t, new_carry[label] = step_child(name, part(name), params, state, carry[label], x_t)
            return y_t

        return flow(Run(call, params), x_t), new_carry

    def read(params, state, carry, x, *, key=None, train=False, mask=None):
        new_carry = {}

        def call(name, earlier, x, mask):
            label = _label(name, earlier)
            options = {"key": key_of_call(key, earlier), "train": train, "mask": mask}
            y, new_carry[label] = read_child(
                name, part(name), params, state, {name: carry[label]}, x, **options
            )
            return y

        return flow(Run(call, params, mask), x), new_carry

    if not streaming or not streams(*models.values()):
        return Model(init, apply)
    return Model(init, apply, carry, step, read)


def _label(name: str, earlier: int) -> str:
    """The name of the carry of a call."""
    return f"{name} {earlier + 1}" if earlier else name
