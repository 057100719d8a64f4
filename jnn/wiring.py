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
    apply_child,
    as_model,
    check_children,
    init_child,
    read_child,
    scope,
    streams,
)


@dataclasses.dataclass
class Run:
    """What a flow is given: ``run(name, x)`` is the output of the part ``name``; ``run.params`` are
    those of all parts.
    """

    call: Callable[[str, int, Any, Any], Any]
    """``(name, how often it was called before, x, mask) -> y``."""
    params: Params
    mask: Any = None
    calls: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)

    def __call__(self, name: str, x: Any, **options: Any) -> Any:
        """The output of the part for x; ``mask=`` gives it another mask than the whole was
        given.
        """
        earlier = self.calls[name]
        self.calls[name] += 1
        return self.call(name, earlier, x, options.get("mask", self.mask))


Flow = Callable[[Run, Any], Any]


def wired(flow: Flow, parts: Mapping[str, Model | Callable], *, streaming: bool = True) -> Model:
    """The model ``y = flow(run, x)``, in which ``run(name, x)`` is the part called ``name``.

    ``flow``       a plain function of JAX. It is the same for a whole sequence and for one element
                   of it, so that it may not look across time; where it does, say
                   ``streaming=False``.
    ``parts``      the models, by name. A part that is called twice has one set of params, draws
                   anew each time, and has one memory for each call. ``run.params[name]`` are the
                   params of a part, for tied weights: it must have been called before.

    `chain`, `parallel` and `residual` are flows in common use; this is for the others.

    >>> import jax, jax.numpy as jnp, jnn
    >>> def flow(run, x):
    ...     gate = jax.nn.sigmoid(run("gate", x))
    ...     return gate * run("value", x) + (1 - gate) * x
    >>> highway = jnn.wired(flow, {"gate": jnn.dense(4), "value": jnn.chain(jnn.dense(4), jnp.tanh)})
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

    def init(key, x):
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
        params, state = {}, {}
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

    def again(key, earlier: int):
        return key if key is None or not earlier else jax.random.fold_in(key, earlier)

    def apply(params, state, x, *, key=None, train=False, mask=None):
        check_children("wired", models, params)
        new_state = dict(state)

        def call(name, earlier, x, mask):
            own = again(key, earlier)
            y, child_state = apply_child(
                name, part(name), params, new_state, x, key=own, train=train, mask=mask
            )
            new_state.update(child_state)
            return y

        return flow(Run(call, params, mask), x), new_state

    def carry(params, x_t, length):
        carries = {}

        def call(name, earlier, x_t, mask):
            model, own = part(name), params.get(name, {})
            with scope(name):
                carries[_label(name, earlier)] = carry = model.carry(own, x_t, length)
                return output_of_step(model, own, carry, x_t)

        flow(Run(call, params), x_t)
        return carries

    def step(params, state, carry, x_t):
        new_carry = {}

        def call(name, earlier, x_t, mask):
            label = _label(name, earlier)
            with scope(name):
                y_t, new_carry[label] = part(name).step(
                    params.get(name, {}), state.get(name, {}), carry[label], x_t
                )
            return y_t

        return flow(Run(call, params), x_t), new_carry

    def read(params, state, carry, x, *, key=None, train=False, mask=None):
        new_carry = {}

        def call(name, earlier, x, mask):
            label = _label(name, earlier)
            memory, own = {name: carry[label]}, again(key, earlier)
            y, new_carry[label] = read_child(
                name, part(name), params, state, memory, x, key=own, train=train, mask=mask
            )
            return y

        return flow(Run(call, params, mask), x), new_carry

    return (
        Model(init, apply, carry, step, read)
        if streaming and streams(*models.values())
        else Model(init, apply)
    )


def _label(name: str, earlier: int) -> str:
    """The name of the memory of a call."""
    return f"{name} {earlier + 1}" if earlier else name
