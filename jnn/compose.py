"""Composition of models: `chain`, `residual`, `parallel`, `repeat`.

A child is a `Model` or a plain function of one argument. A child passed by keyword has that name in
params, state and captured paths; a child passed by position is named by its position. The key of
each child depends on its name alone.
"""

import collections
import functools
from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp

from jnn import threefry
from jnn.errors import JnnError, mistake
from jnn.functions import as_model, check_keeps_apart, identity, looks_across
from jnn.integers import check_integer
from jnn.masks import axes_of_elements, follow_child, following, is_of_pairs
from jnn.model import (
    Model,
    Params,
    State,
    apply_child,
    carry_of,
    check_children,
    check_copies,
    check_key,
    check_names,
    init_child,
    no_memory,
    pointwise,
    read_child,
    reader,
    same_mask,
    scope,
    step_child,
    streams,
)
from jnn.placement import on_one_cpu, with_examples
from jnn.precision import numerics


def _children(caller: str, parts: tuple, named: dict) -> dict[str, Model]:
    if not parts and not named:
        raise mistake(caller, got="no parts", expected="at least one model")
    by_name = {str(i): part for i, part in enumerate(parts)} | named
    check_names(caller, by_name)
    return {name: as_model(part) for name, part in by_name.items()}


def chain(*parts: Model | Callable, **named: Model | Callable) -> Model:
    """One model after the other: ``y = f_n(... f_1(x))``.

    A mask goes from part to part: each says by its ``follow`` which elements of its output are
    real, until one makes a single value of the sequence.

    >>> import jax, jax.numpy as jnp, jnn
    >>> model = jnn.chain(jnn.dense(32), jax.nn.relu, out=jnn.dense(10))
    >>> params, state = jax.jit(model.init)(jax.random.key(0), jnp.ones((8, 4)))
    >>> jax.tree.map(jnp.shape, params)
    {'0': {'bias': (32,), 'kernel': (4, 32)}, 'out': {'bias': (10,), 'kernel': (32, 10)}}
    >>> y, state = model.apply(params, state, jnp.ones((8, 4)))
    """
    models = _children("chain", parts, named)

    def init(key, x):
        params: Params = {}
        state: State = {}
        for name, model in models.items():
            child_params, child_state, x = init_child(name, model, key, x)
            params |= child_params
            state |= child_state
        return params, state

    def apply(params, state, x, *, key=None, train=False, mask=None):
        check_children("chain", models, params, state)
        new_state = {}
        for name, model in models.items():
            options = {"key": key, "train": train, "mask": mask}
            y, child_state = apply_child(name, model, params, state, x, **options)
            new_state |= child_state
            mask = follow_child(name, model, params, state, x, y, mask)
            x = y
        return x, new_state

    def carry(params, x_t, length):
        carries = {}
        for name, model in models.items():
            child_params = params.get(name, {})
            with scope(name):
                carries[name] = model.carry(child_params, x_t, length)
                x_t = output_of_step(model, child_params, carries[name], x_t)
        return carries

    def step(params, state, carry, x_t):
        check_children("chain", models, params, state)
        new_carry = {}
        for name, model in models.items():
            before = carry_of(name, carry)
            x_t, new_carry[name] = step_child(name, model, params, state, before, x_t)
        return x_t, new_carry

    def read(params, state, carry, x, *, key=None, train=False, mask=None):
        check_children("chain", models, params, state)
        new_carry = {}
        for name, model in models.items():
            options = {"key": key, "train": train, "mask": mask}
            y, new_carry[name] = read_child(name, model, params, state, carry, x, **options)
            mask = follow_child(name, model, params, state, x, y, mask)
            x = y
        return x, new_carry

    def follow(params, state, x, mask):
        for name, model in models.items():
            y = shape_of_output(name, model, params, state, x, mask)
            mask, x = follow_child(name, model, params, state, x, y, mask), y
        return mask

    return assembled(models.values(), Model(init, apply, carry, step, read, follow))


def assembled(parts: Iterable[Model], whole: Model) -> Model:
    """The model made of ``parts``: it streams if all of them do, and keeps a mask if all do.

    It is pointwise if all of them are; its step is that of the parts, from empty memories.
    """
    parts = list(parts)
    if all(part.follow is same_mask for part in parts):
        whole = whole._replace(follow=same_mask)
    if all(part.carry is no_memory for part in parts):

        def step(params, state, carry, x_t):
            return whole.step(params, state, collections.defaultdict(dict), x_t)[0], carry

        return pointwise(whole.init, whole.apply)._replace(step=step, follow=whole.follow)
    return whole if streams(*parts) else Model(whole.init, whole.apply, follow=whole.follow)


def zeros_like(tree: Any) -> Any:
    """Zeros of the shapes and dtypes of a tree of arrays or of their ``jax.ShapeDtypeStruct``."""
    return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), tree)


def shape_of_output(
    name: str, model: Model, params: Params, state: State, x: Any, mask: jax.Array | None
) -> Any:
    """Zeros of the shape of the output of the child ``name``."""
    child = params.get(name, {}), state.get(name, {})
    return zeros_like(jax.eval_shape(model.apply, *child, x, mask=mask)[0])


def output_of_step(model: Model, params: Params, carry: Any, x_t: Any) -> Any:
    """Zeros of the shape of ``y_t``, the output of the model's ``step``."""
    state = state_like(model, params, x_t)
    return zeros_like(jax.eval_shape(model.step, params, state, carry, x_t)[0])


def state_like(model: Model, params: Params, x_t: Any) -> State:
    """The shapes of the state that belongs to these params, for elements like ``x_t``.

    ``init`` makes it for a sequence of one element. Where time is in ``x_t`` depends on the rank
    of an element, which only the model knows: next to the features of a vector, further in front
    for elements with more axes, wherever ``init`` makes params of the given shapes.
    """
    shapes = lambda tree: jax.tree.map(jnp.shape, tree)
    rank = max((leaf.ndim for leaf in jax.tree.leaves(x_t)), default=0)

    def init(features):
        def as_sequence(leaf):
            is_token = jnp.issubdtype(leaf.dtype, jnp.integer)
            # params that were cast to half precision were made for an input of full precision
            leaf = numerics(leaf) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf
            return jnp.expand_dims(leaf, max(leaf.ndim - (0 if is_token else features), 0))

        sequence = jax.tree.map(as_sequence, x_t)
        return jax.eval_shape(model.init, jax.random.key(0), sequence)

    for features in range(1, max(rank, 1) + 1):
        try:
            initial, state = init(features)
        except (JnnError, TypeError, ValueError):
            continue
        if shapes(initial) == shapes(params):
            return state
    return init(1)[1]


def parallel(
    *parts: Model | Callable, combine: Callable | None = None, **named: Model | Callable
) -> Model:
    """Several models on the same input: ``y = combine(f_1(x), ..., f_n(x))``.

    Without ``combine``, y is a tuple of the outputs, or a dict of them if all children are named.

    >>> import jax, jax.numpy as jnp, jnn
    >>> heads = jnn.parallel(digit=jnn.dense(10), slant=jnn.dense(1))
    >>> y, _ = heads.apply(*heads.init(jax.random.key(0), jnp.ones(4)), jnp.ones(4))
    >>> jax.tree.map(jnp.shape, y)
    {'digit': (10,), 'slant': (1,)}
    """
    models = _children("parallel", parts, named)
    if combine is not None and not callable(combine):
        got = f"combine={combine!r}"
        raise mistake("parallel", got=got, expected="a function, such as jnp.add")

    def join(outputs: dict[str, Any]):
        if combine is not None:
            return combine(*outputs.values())
        return tuple(outputs.values()) if parts else outputs

    def init(key, x):
        params: Params = {}
        state: State = {}
        outputs = {}
        for name, model in models.items():
            child_params, child_state, outputs[name] = init_child(name, model, key, x)
            params |= child_params
            state |= child_state
        # a dict would come back sorted
        jax.eval_shape(lambda *ys: join(dict(zip(outputs, ys, strict=True))), *outputs.values())
        return params, state

    def apply(params, state, x, *, key=None, train=False, mask=None):
        check_children("parallel", models, params, state)
        outputs, new_state = {}, {}
        for name, model in models.items():
            outputs[name], child_state = apply_child(
                name, model, params, state, x, key=key, train=train, mask=mask
            )
            new_state |= child_state
        if mask is not None and combine is not None:
            _check_combination(combine, x, tuple(outputs.values()), mask)
        return join(outputs), new_state

    def carry(params, x_t, length):
        carries = {}
        for name, model in models.items():
            with scope(name):
                carries[name] = model.carry(params.get(name, {}), x_t, length)
        return carries

    def step(params, state, carry, x_t):
        check_children("parallel", models, params, state)
        outputs, new_carry = {}, {}
        for name, model in models.items():
            before = carry_of(name, carry)
            outputs[name], new_carry[name] = step_child(name, model, params, state, before, x_t)
        return join(outputs), new_carry

    def read(params, state, carry, x, *, key=None, train=False, mask=None):
        check_children("parallel", models, params, state)
        outputs, new_carry = {}, {}
        for name, model in models.items():
            outputs[name], new_carry[name] = read_child(
                name, model, params, state, carry, x, key=key, train=train, mask=mask
            )
        return join(outputs), new_carry

    def follow(params, state, x, mask):
        masks = []
        for name, model in models.items():
            y = shape_of_output(name, model, params, state, x, mask)
            masks.append(follow_child(name, model, params, state, x, y, mask))
        of_sequences = [mask for mask in masks if mask is not None]
        if len({mask.shape for mask in of_sequences}) > 1:
            raise mistake(
                "parallel",
                got=f"masks of shapes {', '.join(str(mask.shape) for mask in of_sequences)}",
                expected="parts that make sequences of one length",
            )
        return functools.reduce(jnp.logical_and, of_sequences) if of_sequences else None

    if combine is not None and looks_across(combine, len(models)):
        return Model(init, apply, follow=follow)
    return assembled(models.values(), Model(init, apply, carry, step, read, follow))


def _check_combination(combine: Callable, x: Any, outputs: tuple, mask: jax.Array) -> None:
    """Refuse a ``combine`` that looks across the elements of padded sequences."""
    pairs = is_of_pairs(mask, x)  # refuses what is no mask
    n = mask.ndim - pairs
    sequences = [leaf for leaf in jax.tree.leaves(outputs) if axes_of_elements(leaf) >= n]
    shapes = [leaf.shape[:n] for leaf in sequences]
    if shapes:
        leading = mask.shape[:n] if mask.shape[:n] in shapes else shapes[0]
        of_all = functools.wraps(combine)(lambda outputs: combine(*outputs))
        check_keeps_apart("parallel", of_all, outputs, leading)


def residual(body: Model | Callable, shortcut: Model | Callable = identity) -> Model:
    """A model with a residual connection: ``y = body(x) + shortcut(x)``.

    Raises `JnnError` if the two shapes differ: pass a ``shortcut`` that changes the shape as the
    body does. Source: He et al. 2015, https://arxiv.org/abs/1512.03385.

    >>> import jax, jax.numpy as jnp, jnn
    >>> block = jnn.residual(jnn.dense(4))
    >>> block.apply(*block.init(jax.random.key(0), jnp.ones(4)), jnp.ones(4))[0].shape
    (4,)
    """
    return parallel(body=body, shortcut=shortcut, combine=_sum)


def _sum(y: Any, x: Any) -> Any:
    made = [getattr(value, "shape", f"a {type(value).__name__}") for value in (y, x)]
    if made[0] != made[1] or not hasattr(y, "shape"):
        raise mistake(
            "residual",
            got=f"a body that makes {made[0]} and a shortcut that makes {made[1]}",
            expected="arrays of equal shapes",
            remedy="Pass a shortcut such as dense(features).",
        )
    return y + x


def repeat(model: Model | Callable, n: int, *, unroll: int | bool = 1) -> Model:
    """``n`` copies of a model, one after the other, each with its own params.

    Each leaf of params and state has a first axis of length n. Copy i gets ``fold_in(key, i)``, so
    that the first copies of a deeper stack start like those of a shallower one.

    Depth is a ``jax.lax.scan``: compiled once, whatever ``n``. ``unroll=True`` unrolls it, which
    compiles longer and may run faster; both give the same values from the same params. A stream has
    a carry for each copy, and its step is always unrolled.

    Raises `JnnError` if the model's output has another shape or dtype than its input.

    >>> import jax, jax.numpy as jnp, jnn
    >>> deep = jnn.repeat(jnn.chain(jnn.dense(4), jax.nn.relu), 3)
    >>> params, state = deep.init(jax.random.key(0), jnp.ones(4))
    >>> params["0"]["kernel"].shape
    (3, 4, 4)
    """
    model = as_model(model)
    n = check_integer("repeat", "n", n)
    is_unrolled = unroll is True or unroll > 1

    def init(key, x):
        params, state = jax.vmap(model.init, in_axes=(0, None))(fold_in_each("repeat", key, n), x)
        x = jax.eval_shape(lambda x: x, x)  # NumPy's float64 is float32 in JAX
        _check_same(x, jax.eval_shape(model.apply, *jax.eval_shape(model.init, key, x), x)[0])
        return params, state

    def apply(params, state, x, *, key=None, train=False, mask=None):
        def layer(x, copy):
            (x, mask), (params, state, key) = x, copy
            y, new_state = model.apply(params, state, x, key=key, train=train, mask=mask)
            y = _computed_once(y, params) if is_unrolled else y
            return (with_examples(y), following(model, params, state, x, y, mask)), new_state

        check_copies("repeat", n, params, state)
        keys = None if key is None else fold_in_each("repeat", key, n)
        copies, x = (params, state, keys), with_examples(x)
        (y, _), state = jax.lax.scan(layer, (x, mask), copies, length=n, unroll=unroll)
        return y, state

    def carry(params, x_t, length):
        check_copies("repeat", n, params)
        return tuple(model.carry(copy, x_t, length) for copy in unstacked(params, n))

    def check(params, state, carry):
        check_copies("repeat", n, params, state)
        remedy = "Begin with model.carry(params, x_t, length)."
        if not isinstance(carry, tuple | list) or len(carry) != n:
            length = f" and length {len(carry)}" if isinstance(carry, tuple | list) else ""
            got, expected = f"a carry of type {type(carry).__name__}{length}", f"a tuple of {n}"
            raise mistake("repeat", got=got, expected=expected, remedy=remedy)
        shapes = [jax.tree.map(jnp.shape, copy) for copy in carry]
        if other := [shape for shape in shapes if shape != shapes[0]]:
            got, expected = f"carries of shapes {shapes[0]} and {other[0]}", "equal ones"
            raise mistake("repeat", got=got, expected=expected, remedy=remedy)

    def step(params, state, carry, x_t):
        # Unrolled: a scan over depth would copy all carries for each token, out of the stack and
        # back into it.
        check(params, state, carry)
        new_carry = []
        copies = zip(unstacked(params, n), unstacked(state, n), carry, strict=True)
        for params_i, state_i, carry_i in copies:
            x_t, carry_i = model.step(params_i, state_i, carry_i, x_t)
            new_carry.append(carry_i)
        return x_t, tuple(new_carry)

    def read(params, state, carry, x, *, key=None, train=False, mask=None):
        def layer(x, copy):
            params, state, carry, key = copy
            return reader(model)(params, state, carry, x, key=key, train=train, mask=mask)

        check(params, state, carry)
        stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *carry)
        keys = None if key is None else fold_in_each("repeat", key, n)
        copies = params, state, stacked, keys
        y, carry = jax.lax.scan(layer, x, copies, length=n, unroll=unroll)
        return y, tuple(unstacked(carry, n))

    def follow(params, state, x, mask):
        for params_i, state_i in zip(unstacked(params, n), unstacked(state, n), strict=True):
            mask = following(model, params_i, state_i, x, x, mask)
        return mask

    def step_without_memory(params, state, carry, x_t):  # unrolled too, with memories in a tuple
        return step(params, state, ({},) * n, x_t)[0], carry

    deep = assembled([model], Model(init, apply, carry, step, read, follow))
    return deep._replace(step=step_without_memory) if deep.carry is no_memory else deep


def _computed_once(y: Any, params: Any) -> Any:
    """``y`` of a layer with these params, and its gradient, which XLA for CPUs then computes once.

    XLA computes cheap operations again for all that read them. In an unrolled stack of residual
    blocks each gradient would sum up those of all later blocks anew: of 4 blocks the first took 350
    operations. It does not repeat a division, and cannot see that this one is by 1. A step of a GPT
    of 4 x 128 takes 0.93 of the time (0.98 with jaxlib 0.12), one of 6 x 384 0.97 (two cores).
    """
    is_float = lambda leaf: jnp.issubdtype(leaf.dtype, jnp.floating)
    floats = [leaf for leaf in jax.tree.leaves(params) if is_float(leaf) and leaf.size]
    if not floats or not on_one_cpu():
        return y
    first = jax.lax.stop_gradient(floats[0][(0,) * floats[0].ndim])
    one = jnp.where(jnp.isnan(first), first, 1)
    return jax.tree.map(lambda leaf: leaf / one.astype(leaf.dtype) if is_float(leaf) else leaf, y)


def fold_in_each(caller: str, key: jax.Array, n: int) -> jax.Array:
    """The keys ``fold_in(key, i)``, i = 0 ... n - 1, as one array."""
    check_key(caller, key)
    return threefry.fold_in_each(key, n)


def unstacked(tree: Any, n: int) -> list[Any]:
    """The n trees stacked along the first axis of every leaf.

    >>> import jax.numpy as jnp
    >>> [copy["a"].tolist() for copy in unstacked({"a": jnp.arange(2)}, 2)]
    [0, 1]
    """
    leaves, structure = jax.tree.flatten(tree)
    return [structure.unflatten([leaf[i] for leaf in leaves]) for i in range(n)]


def _check_same(x: Any, y: Any) -> None:
    shapes = lambda tree: jax.tree.map(lambda leaf: (leaf.shape, str(leaf.dtype)), tree)
    if shapes(x) != shapes(y):
        raise mistake(
            "repeat",
            got=f"a model that makes {shapes(y)} from {shapes(x)}",
            expected="an output like its input, for the next copy to take",
        )
