"""A model is a record of pure functions; a layer is a model, and so is a whole network.

    init (key, x)                                                       -> params, state
    apply(params, state, x, *, key=None, train=False, mask=None)        -> y, state
    carry(params, x_t, length)                                          -> carry
    step (params, state, carry, x_t)                                    -> y_t, carry
    read (params, state, carry, x, *, key=None, train=False, mask=None) -> y, carry

``params``  a nested dict of arrays, trained by gradient descent. A part that has none has no entry.
``state``   a nested dict of what training updates without a gradient, shared by the whole batch;
            ``{}`` where there is none.
``x, y``    arrays or pytrees of arrays: one example, or any leading axes of them.
``key``     a ``jax.random`` key for what is drawn in training, such as dropout.
``mask``    ``(..., T)``, True where an element of a padded sequence is real.
``carry``   the memory of a stream; ``length`` is the number of elements that it must be able to
            hold.

``apply`` sees a whole sequence at once and remembers nothing, ``step`` takes one element, and
``read`` any number of them in parallel: a prompt before the first word is generated, or the next
piece of a long text in training. Masked elements leave the memory as it was.

The laws, which `jnn.testing.check_model` checks on any model:

    purity      the same arguments give the same bits, and a second call compiles nothing
    batch       leading axes equal ``jax.vmap`` equal a Python loop, where nothing is drawn
    stream      ``step``, one element at a time, and ``read``, piece by piece, equal ``apply`` on
                the whole sequence
    gradient    the gradient equals finite differences; looking with `jnn.capture` changes nothing
    precision   computing in bfloat16 stays near float32
    ensemble    member i of `jnn.ensemble` equals the solo model with the same key
"""

import contextlib
import zlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jnn.errors import JnnError, mistake
from jnn.tags import tag

Params = dict[str, Any]
State = dict[str, Any]


def no_carry(params: Params, x_t: Any, length: int) -> Any:
    """The ``carry`` of a model that cannot be read element by element: it raises."""
    raise mistake(
        "carry",
        got="a model that sees the whole of x at once",
        expected="one with carry and step",
        remedy="Call apply.",
    )


def no_step(params: Params, state: State, carry: Any, x_t: Any) -> tuple[Any, Any]:
    """The ``step`` of a model that cannot be read element by element: it raises."""
    raise mistake(
        "step",
        got="a model that sees the whole of x at once",
        expected="one with carry and step",
        remedy="Call apply.",
    )


def no_read(params: Params, state: State, carry: Any, x: Any, **options: Any) -> tuple[Any, Any]:
    """The ``read`` of a model that has none of its own: it raises. `reader` makes one from
    ``step``.
    """
    raise mistake(
        "read",
        got="a model without a read of its own",
        expected="one with it",
        remedy="Call jnn.reader(model).",
    )


class Model(NamedTuple):
    """Pure functions that make one model; one without ``carry`` and ``step`` cannot be read element
    by element.

    A layer of one's own is a function that returns a `Model`:

    >>> import jax, jax.numpy as jnp, jnn
    >>> def scale():
    ...     def init(key, x):
    ...         return {"scale": jnp.ones(x.shape[-1])}, {}
    ...     def apply(params, state, x, *, key=None, train=False, mask=None):
    ...         return x * params["scale"], state
    ...     return jnn.pointwise(init, apply)
    >>> model = jnn.chain(jnn.dense(4), scale())
    >>> params, state = model.init(jax.random.key(0), jnp.ones(3))
    >>> model.apply(params, state, jnp.ones((5, 3)))[0].shape
    (5, 4)
    """

    init: Callable[..., tuple[Params, State]]
    apply: Callable[..., tuple[Any, State]]
    carry: Callable[..., Any] = no_carry
    step: Callable[..., tuple[Any, Any]] = no_step
    read: Callable[..., tuple[Any, Any]] = no_read


def streams(*models: Model) -> bool:
    """Whether all of the models can be read element by element.

    >>> import jnn
    >>> streams(jnn.dense(2)), streams(jnn.dense(2), jnn.flatten(3))
    (True, False)
    """
    return all(model.step is not no_step for model in models)


def reader(model: Model) -> Callable[..., tuple[Any, Any]]:
    """The model's ``read``; for a model without one, ``step`` scanned over an array x: tokens
    ``(..., T)`` or features ``(..., T, D)``.

    ``step`` knows no training: a model that draws in training, or otherwise computes differently
    there, needs a ``read`` of its own.
    """
    if model.read is not no_read:
        return model.read

    def read(params, state, carry, x, *, key=None, train=False, mask=None):
        return scan_step(lambda carry, x_t: model.step(params, state, carry, x_t), carry, x, mask)

    return read


def scan_step(
    step: Callable[[Any, Any], tuple[Any, Any]],
    carry: Any,
    x: jax.Array,
    mask: jax.Array | None = None,
) -> tuple[Any, Any]:
    """``step(carry, x_t) -> y_t, carry`` over the elements of x, tokens ``(..., T)`` or features
    ``(..., T, D)``: y and the last carry.

    An element that ``mask`` ``(..., T)`` leaves out is taken as zero, whatever it holds, and leaves
    the carry as it was.

    >>> import jax.numpy as jnp
    >>> total = lambda carry, x_t: (carry + x_t, carry + x_t)
    >>> y, carry = scan_step(total, jnp.zeros(1), jnp.array([[1.0], [jnp.nan], [3.0]]), jnp.array([True, False, True]))
    >>> y[:, 0].tolist(), carry.tolist()
    ([1.0, 1.0, 4.0], [4.0])
    """
    time = x.ndim - (1 if jnp.issubdtype(x.dtype, jnp.integer) else 2)
    if mask is None:
        carry, y = jax.lax.scan(
            lambda carry, x_t: step(carry, x_t)[::-1], carry, jnp.moveaxis(x, time, 0)
        )
        return jax.tree.map(lambda leaf: jnp.moveaxis(leaf, 0, time), y), carry

    def advance(carry, element):
        x_t, is_real = element
        y_t, new = step(carry, where(is_real, x_t, jnp.zeros_like(x_t)))
        return jax.tree.map(lambda now, before: where(is_real, now, before), new, carry), y_t

    carry, y = jax.lax.scan(advance, carry, (jnp.moveaxis(x, time, 0), jnp.moveaxis(mask, -1, 0)))
    return jax.tree.map(lambda leaf: jnp.moveaxis(leaf, 0, time), y), carry


def where(mask: jax.Array, a: jax.Array, b: jax.Array) -> jax.Array:
    """``a`` where the mask, whose axes are the first of a and b, is True, else ``b``."""
    return jnp.where(mask.reshape(mask.shape + (1,) * (a.ndim - mask.ndim)), a, b)


def pointwise(init: Callable, apply: Callable) -> Model:
    """The model of a layer that treats each element of a sequence alone: it streams with an empty
    memory.
    """

    def step(params, state, carry, x_t):
        return apply(params, state, x_t)[0], carry

    def read(params, state, carry, x, **options):
        return apply(params, state, x, **options)[0], carry

    return Model(init, apply, lambda params, x_t, length: {}, step, read)


def function(f: Callable[[Any], Any]) -> Model:
    """The model of a function without parameters, ``y = f(x)``, which must treat each example, and
    each element of a sequence, alone.

    >>> import jax.numpy as jnp
    >>> function(jnp.tanh).apply({}, {}, jnp.zeros(2))[0].tolist()
    [0.0, 0.0]
    """

    def apply(params, state, x, *, key=None, train=False, mask=None):
        return f(x), state

    return pointwise(lambda key, x: ({}, {}), apply)


identity = function(lambda x: x)


def as_model(part: Model | Callable) -> Model:
    """``part`` itself where it is a model; a plain function such as ``jax.nn.relu`` becomes a model
    without parameters.
    """
    if isinstance(part, Model):
        return part
    if callable(part) and not isinstance(part, type):
        return function(part)
    raise mistake(
        "jnn",
        got=f"{part!r} as a part of a model",
        expected="a Model or a function of one argument",
    )


def child_key(key: Any, name: str) -> Any:
    """The key of the child called ``name``: it depends on that name alone, so other children come
    and go without changing its draws.
    """
    return None if key is None else jax.random.fold_in(key, zlib.crc32(name.encode()))


def required_key(key: jax.Array | None, caller: str) -> jax.Array:
    """``key``, or an error where a layer that draws in training was given none."""
    if key is None:
        raise mistake(
            caller,
            got="train=True without a key",
            expected="a key to draw from",
            remedy="Pass key=jax.random.key(seed) to apply.",
        )
    return key


@contextlib.contextmanager
def scope(name: str) -> Iterator[None]:
    """Within the block values belong to the child ``name``: in captured paths, in profiles, and in
    the messages of errors.
    """
    try:
        with jax.named_scope(name):
            yield
    except JnnError as error:
        message = str(error)
        raise type(error)(
            f"in {name}/{message[3:]}" if message.startswith("in ") else f"in {name}: {message}"
        ) from None


def init_child(name: str, model: Model, key: jax.Array, x: Any) -> tuple[Params, State, Any]:
    """Initialize the child ``name`` for x: ``{name: params}``, ``{name: state}`` (empty where it
    has none), and the shape of its output.
    """
    with scope(name):
        params, state = model.init(child_key(key, name), x)
        y, _ = jax.eval_shape(model.apply, params, state, x)
    return named(name, params), named(name, state), y


def apply_child(
    name: str,
    model: Model,
    params: Params,
    state: State,
    x: Any,
    *,
    key=None,
    train=False,
    mask=None,
) -> tuple[Any, State]:
    """Run the child ``name`` with its own params, state and key: its output, and ``{name: state}``
    where it has one.
    """
    with scope(name):
        y, state = model.apply(
            params.get(name, {}),
            state.get(name, {}),
            x,
            key=child_key(key, name),
            train=train,
            mask=mask,
        )
        return tag(y, "output"), named(name, state)


def read_child(
    name: str,
    model: Model,
    params: Params,
    state: State,
    carry: Any,
    x: Any,
    *,
    key=None,
    train=False,
    mask=None,
):
    """Let the child ``name`` read x with its own params, state, carry and key: its output, and its
    carry.
    """
    with scope(name):
        own = params.get(name, {}), state.get(name, {}), carry[name]
        y, carry = reader(model)(*own, x, key=child_key(key, name), train=train, mask=mask)
        return tag(y, "output"), carry


def named(name: str, tree: dict) -> dict:
    """``{name: tree}``, or nothing for an empty tree."""
    return {name: tree} if tree else {}


def check_children(caller: str, names, params: Params) -> None:
    """Refuse parameters that belong to another model."""
    if strange := sorted(set(params) - set(names)):
        raise mistake(
            caller,
            got=f"parameters named {', '.join(strange)}",
            expected=f"only {', '.join(names)}",
            remedy="Use the params that this model's init made.",
        )
