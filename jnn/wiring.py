"""Models whose parts are connected by a plain function: `wired`."""

import collections
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
from jax.extend.core import get_opaque_trace_state

from jnn.compose import output_of_step, zeros_like
from jnn.errors import check_function, mistake
from jnn.functions import as_model
from jnn.masks import fits, has_time, is_of_pairs
from jnn.model import (
    Model,
    Params,
    State,
    apply_child,
    carry_of,
    check_children,
    check_names,
    init_child,
    read_child,
    scope,
    step_child,
    streams,
)


class Call(NamedTuple):
    """A call of a part within a flow."""

    name: str
    x: Any
    mask: jax.Array | None
    key: jax.Array | None
    label: str
    """The name of its carry: each call of a part has its own."""
    is_inside: bool
    """Whether it is inside a transformation that the flow uses, such as ``jax.lax.scan``."""


def _trace_state() -> Any:
    return get_opaque_trace_state(convention="flax")


@dataclasses.dataclass
class Run:
    """The first argument of a flow: ``run(name, x)`` is the output of the part ``name`` for x."""

    call: Callable[[Call], Any]
    params: Params
    """The params of all parts."""
    whole_mask: jax.Array | None = None
    key: jax.Array | None = None
    """The key that the whole model was given."""
    is_of_pairs: bool = False
    """Whether the mask is of pairs of elements."""
    calls: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    trace: Any = dataclasses.field(default_factory=_trace_state)
    knows_padding: bool = False
    """Whether the flow has looked at the mask, or a part has made one value of a sequence."""

    @property
    def mask(self) -> jax.Array | None:
        """The mask that the whole model was given."""
        self.knows_padding = True
        return self.whole_mask

    def __call__(self, name: str, x: Any, **options: Any) -> Any:
        """The output of the part for x.

        ``mask=``  replaces the mask of the whole model, which holds as long as x has its elements
        ``key=``   replaces the key of the whole model, from which the part draws by its name and
                   by the number of its earlier calls

        Inside ``jax.lax.scan``, ``jax.vmap`` and their like a part is called once and runs many
        times. There the mask of x must be passed, and to a part that draws a key of its own for
        each time, such as ``jax.random.fold_in(run.key, i)`` (in ``init``, and where the model was
        given no key, ``run.key`` is None). A part that changes its state in training, or remembers
        a stream, is refused.
        """
        earlier = self.calls[name]
        self.calls[name] += 1
        is_inside = _trace_state() != self.trace
        if "mask" not in options:
            options["mask"] = self._mask_for(name, x, is_inside)
        if "key" not in options:
            options["key"] = self._key_of_call(earlier, is_inside)
        label = f"{name} {earlier + 1}" if earlier else name
        y = self.call(Call(name, x, label=label, is_inside=is_inside, **options))
        mask = options["mask"]
        if mask is not None and not has_time(mask, y, pairs=is_of_pairs(mask, x)):
            self.knows_padding = True
        return y

    def _key_of_call(self, earlier: int, is_inside: bool) -> jax.Array | None:
        if self.key is None or is_inside:
            return None
        return jax.random.fold_in(self.key, earlier) if earlier else self.key

    def _mask_for(self, name: str, x: Any, is_inside: bool) -> jax.Array | None:
        """The mask of the whole model where x has its elements, None where x has no time."""
        mask = self.whole_mask
        if mask is None:
            return None
        if not is_inside and fits(mask, x, pairs=self.is_of_pairs):
            return mask
        if not is_inside and not has_time(mask, x, pairs=self.is_of_pairs):
            return None
        shapes = ", ".join(str(leaf.shape) for leaf in jax.tree.leaves(x))
        where = " inside a transformation of JAX" if is_inside else ""
        raise mistake(
            f"wired: run({name!r}, x)",
            got=f"x of shape {shapes}{where}, and a model with a mask of shape {mask.shape}",
            expected="the mask of this x",
            remedy=f"Pass it, or None: run({name!r}, x, mask=...).",
        )


Flow = Callable[[Run, Any], Any]


def wired(flow: Flow, parts: Mapping[str, Model | Callable], *, streaming: bool = True) -> Model:
    """The model ``y = flow(run, x)``, in which ``run(name, x)`` is the part called ``name``.

    ``flow``       a plain JAX function. The same function takes a whole sequence and one element of
                   it, so that it must not mix elements of time; if it does, set
                   ``streaming=False``, and use ``run.mask`` in the flow, or it takes the padding of
                   sequences for elements. A flow that makes one value of a sequence without
                   ``run.mask`` refuses masks; of those that keep its length,
                   ``check_model(model, x, sequence=True)`` of `jnn.testing` tells.
    ``parts``      the models, by name. A part that is called twice has one set of params, but other
                   draws and a carry of its own for each call. ``run.params[name]`` are the params
                   of a part, for tied weights: call the part first.

    The mask of the whole model is that of each part's x as long as x has its elements; where a part
    changes the length of a sequence, pass the parts after it a mask of their own.

    It streams if all parts do. What does not, such as the encoder of a source, is a model of its
    own, whose output the flow takes as a part of x: ``context`` of `jnn.decoding.generate`.

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
    check_function("wired", "flow", flow, "(run, x) -> y")
    if not isinstance(parts, Mapping):
        got, expected = f"parts of type {type(parts).__name__}", "a dict of models"
        raise mistake("wired", got=got, expected=expected)
    models = {name: as_model(part) for name, part in parts.items()}
    check_names("wired", models)

    def part(name: str) -> Model:
        if name not in models:
            raise mistake(
                "wired",
                got=f"run({name!r}, ...) in the flow",
                expected=f"one of the parts {', '.join(models)}",
            )
        return models[name]

    def inputs_of_parts(key, x):
        """What the flow passes to each part at its first call, by shape: the values are zeros.

        JAX remembers the shapes of functions that it has traced, so that each part is traced once
        for them, however deep it lies.
        """
        inputs: dict[str, Any] = {}

        def call(call: Call):
            name, model = call.name, part(call.name)
            with scope(name):
                params, state = jax.eval_shape(model.init, key, call.x)
                if name not in inputs:
                    inputs[name] = jax.eval_shape(_identity, call.x)
                    run.params[name] = zeros_like(params)
                y, _ = jax.eval_shape(model.apply, run.params[name], state, call.x)
                return zeros_like(y)

        run = Run(call, {})
        flow(run, x)
        return zeros_like(inputs)

    def init(key, x):
        inputs = jax.eval_shape(inputs_of_parts, key, x)
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

    def apply(params, state, x, *, key=None, train=False, mask=None):
        check_children("wired", models, params, state)
        new_state = dict(state)

        def call(call: Call):
            name = call.name
            options = {"key": call.key, "train": train, "mask": call.mask}
            y, child_state = apply_child(name, part(name), params, new_state, call.x, **options)
            if not call.is_inside:
                new_state.update(child_state)
            elif train:
                _check_same_state(name, new_state, child_state)
            return y

        run = _run(call, params, x, key, mask)
        y = flow(run, x)
        _check_padding(run, y)
        return y, new_state

    def carry(params, x_t, length):
        carries = {}

        def call(call: Call):
            name, model, child_params = call.name, part(call.name), params.get(call.name, {})
            with scope(name):
                carry = model.carry(child_params, call.x, length)
                _check_no_memory(call, carry)
                carries[call.label] = carry
                return output_of_step(model, child_params, carry, call.x)

        flow(Run(call, params), x_t)
        return carries

    def step(params, state, carry, x_t):
        check_children("wired", models, params, state)
        new_carry = {}

        def call(call: Call):
            name, before = call.name, carry_of(call.label, carry)
            y_t, new_carry[call.label] = step_child(name, part(name), params, state, before, call.x)
            return y_t

        return flow(Run(call, params), x_t), new_carry

    def read(params, state, carry, x, *, key=None, train=False, mask=None):
        check_children("wired", models, params, state)
        new_carry = {}

        def call(call: Call):
            name, before = call.name, {call.name: carry_of(call.label, carry)}
            options = {"key": call.key, "train": train, "mask": call.mask}
            y, new_carry[call.label] = read_child(
                name, part(name), params, state, before, call.x, **options
            )
            return y

        return flow(_run(call, params, x, key, mask), x), new_carry

    if not streaming or not streams(*models.values()):
        return Model(init, apply)
    return Model(init, apply, carry, step, read)


def _identity(x: Any) -> Any:
    return x


def _run(call: Callable, params: Params, x: Any, key: Any, mask: jax.Array | None) -> Run:
    pairs = mask is not None and is_of_pairs(mask, x)
    return Run(call, params, mask, key, pairs)


def _check_padding(run: Run, y: Any) -> None:
    """Refuse a flow that makes one value of a sequence, and cannot know its padding."""
    mask = run.whole_mask
    if mask is None or run.knows_padding or has_time(mask, y, pairs=run.is_of_pairs):
        return
    raise mistake(
        "wired",
        got="a mask, and a flow that makes one value of a sequence without it",
        expected="a flow that knows which elements are real",
        remedy="Use run.mask in the flow, or a part such as jnn.last_element().",
    )


def _check_same_state(name: str, state: State, child_state: State) -> None:
    """Refuse a part that has changed its state where the change cannot come out."""
    before, after = (jax.tree.leaves(tree.get(name, {})) for tree in (state, child_state))
    if any(a is not b for a, b in zip(before, after, strict=True)):
        raise mistake(
            f"wired: run({name!r}, x)",
            got="a part that changes its state, inside a transformation of JAX",
            expected="it outside of jax.lax.scan, jax.vmap and the like",
            remedy="Give x an axis for all times, and call the part once for all of them.",
        )


def _check_no_memory(call: Call, carry: Any) -> None:
    """Refuse a part with a memory where it would be overwritten, or could not come out."""
    if call.is_inside and jax.tree.leaves(carry):
        raise mistake(
            f"wired: run({call.name!r}, x)",
            got="a part that remembers a stream, inside a transformation of JAX",
            expected="it outside of jax.lax.scan, jax.vmap and the like",
            remedy="Set streaming=False if the model need not stream.",
        )
