"""A model is a record of pure functions; a layer is a model, and so is a whole network.

    init (key, x)                                                       -> params, state
    apply(params, state, x, *, key=None, train=False, mask=None)        -> y, state
    carry(params, x_t, length)                                          -> carry
    step (params, state, carry, x_t)                                    -> y_t, carry
    read (params, state, carry, x, *, key=None, train=False, mask=None) -> y, carry
    follow(params, state, x, mask)                                      -> mask of y

``params``  a nested dict of arrays, trained by gradient descent. A part without params has no
            entry.
``state``   a nested dict of arrays that training updates without a gradient, shared by the whole
            batch; ``{}`` where there is none.
``x, y``    arrays or pytrees of arrays: one example, or any leading axes of them.
``key``     a ``jax.random`` key for random draws in training, such as those of dropout.
``mask``    ``(..., T)``, True where an element of a padded sequence is real.
``carry``   the memory of a stream; ``length`` is the number of elements that it must have room for.

``apply`` sees a whole sequence at once and remembers nothing. ``step`` takes one element, and
``read`` any number of them in parallel: a prompt before the first generated token, or the next
chunk of a long text in training. Masked elements leave the carry as it was.

``follow`` says which elements of ``y`` are real, given those of ``x``: a layer that changes the
length of a sequence has one of its own, by default they are the same.

The laws, which `jnn.testing.check_model` checks on any model:

    purity      the same arguments give the same bits, and a second call compiles nothing
    batch       leading axes equal ``jax.vmap`` equal a Python loop, where nothing is drawn
    stream      ``step``, one element at a time, and ``read``, chunk by chunk, equal ``apply`` on
                the whole sequence
    padding     masked elements change nothing
    gradient    the gradient equals finite differences, and `jnn.remat` does not change it
    capture     `jnn.capture` does not change the output
    precision   computing in bfloat16 stays near float32
    ensemble    member i of `jnn.ensemble` equals the solo model with the same key
    depth       `jnn.repeat`, scanned or unrolled, equals its copies one after the other
    sharding    a batch that is split over devices gives what it gives on one
"""

import contextlib
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jnn.errors import JnnError, mistake
from jnn.paths import path_name
from jnn.placement import varying_over
from jnn.tags import tag
from jnn.threefry import fold_in

Params = dict[str, Any]
State = dict[str, Any]


class Init(Protocol):
    """The function that makes params and state for inputs like ``x``."""

    def __call__(self, key: jax.Array, x: Any) -> tuple[Params, State]:
        """Params and state; of ``x``, one example or a batch, only shapes and dtypes matter."""
        ...


class Apply(Protocol):
    """The function from an input to an output: a whole sequence at once, where there is time."""

    def __call__(
        self,
        params: Params,
        state: State,
        x: Any,
        *,
        key: jax.Array | None = None,
        train: bool = False,
        mask: jax.Array | None = None,
    ) -> tuple[Any, State]:
        """The output, and the new state."""
        ...


class Carry(Protocol):
    """The function that makes the empty memory of a stream."""

    def __call__(self, params: Params, x_t: Any, length: int) -> Any:
        """The memory before the first element, with room for ``length`` elements like ``x_t``."""
        ...


class Step(Protocol):
    """The function that reads one element of a stream."""

    def __call__(self, params: Params, state: State, carry: Any, x_t: Any) -> tuple[Any, Any]:
        """The output for this element, and the memory after it."""
        ...


class Read(Protocol):
    """The function that reads any number of elements of a stream in parallel."""

    def __call__(
        self,
        params: Params,
        state: State,
        carry: Any,
        x: Any,
        *,
        key: jax.Array | None = None,
        train: bool = False,
        mask: jax.Array | None = None,
    ) -> tuple[Any, Any]:
        """The outputs for these elements, and the memory after them."""
        ...


class Follow(Protocol):
    """The function from the mask of an input to the mask of the output."""

    def __call__(self, params: Params, state: State, x: Any, mask: jax.Array) -> jax.Array | None:
        """The mask of y, None where y is no sequence any more; of x only the shape matters."""
        ...


def no_params(key: jax.Array, x: Any) -> tuple[Params, State]:
    """The ``init`` of a model without params and state."""
    return {}, {}


def no_carry(params: Params, x_t: Any, length: int) -> Any:
    """The ``carry`` of a model that does not stream: it raises."""
    raise _does_not_stream("carry")


def no_memory(params: Params, x_t: Any, length: int) -> Any:
    """The ``carry`` of a model that treats each element of a sequence alone: it is empty."""
    return {}


def no_step(params: Params, state: State, carry: Any, x_t: Any) -> tuple[Any, Any]:
    """The ``step`` of a model that does not stream: it raises."""
    raise _does_not_stream("step")


def no_read(
    params: Params,
    state: State,
    carry: Any,
    x: Any,
    *,
    key: jax.Array | None = None,
    train: bool = False,
    mask: jax.Array | None = None,
) -> tuple[Any, Any]:
    """The ``read`` of a model without one: it raises. `reader` makes one from ``step``."""
    raise mistake(
        "read",
        got="a model without a read of its own",
        expected="one with it",
        remedy="Call jnn.reader(model).",
    )


def same_mask(params: Params, state: State, x: Any, mask: jax.Array) -> jax.Array:
    """The ``follow`` of a model that keeps the elements of a sequence where they are."""
    return mask


def _does_not_stream(caller: str) -> JnnError:
    return mistake(
        caller,
        got="a model that sees the whole of x at once",
        expected="one with carry and step",
        remedy="Call apply.",
    )


class Model(NamedTuple):
    """The pure functions of one model; without ``carry`` and ``step`` it does not stream.

    A custom layer is a function that returns a `Model`:

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

    init: Init
    apply: Apply
    carry: Carry = no_carry
    step: Step = no_step
    read: Read = no_read
    follow: Follow = same_mask

    def __repr__(self) -> str:
        """The function that made it, and whether it is pointwise, or streams with a memory.

        A pointwise model treats the elements of a sequence, or the rows of a table, each alone.

        >>> import jnn
        >>> jnn.dense(2), jnn.lstm(2), jnn.flatten(3)
        (<Model dense, pointwise>, <Model lstm, streams>, <Model flatten>)
        """
        name = getattr(self.apply, "__qualname__", "").split(".")[0] or type(self.apply).__name__
        kind = ", pointwise" if self.carry is no_memory else ", streams" if streams(self) else ""
        return f"<Model {name}{kind}>"


def streams(*models: Model) -> bool:
    """Whether all of the models can be read element by element.

    >>> import jnn
    >>> streams(jnn.dense(2)), streams(jnn.dense(2), jnn.flatten(3))
    (True, False)
    """
    return all(model.step is not no_step for model in models)


def reader(model: Model) -> Read:
    """The model's ``read``; for a model without one, its ``step`` scanned over x.

    x is then one array, tokens ``(..., T)`` or features ``(..., T, D)``. ``step`` knows nothing of
    training: a model that draws in training, or otherwise computes differently there, needs a
    ``read`` of its own.
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
    """``step(carry, x_t) -> y_t, carry`` over the elements of x: y, and the last carry.

    x holds tokens ``(..., T)`` or features ``(..., T, D)``. An element that ``mask`` ``(..., T)``
    hides is read as zero, whatever it holds, and leaves the carry as it was. Within a
    ``jax.shard_map`` the carry varies over the axes of x; what ``step`` closes over must not vary
    over others.

    >>> import jax.numpy as jnp
    >>> total = lambda carry, x_t: (carry + x_t, carry + x_t)
    >>> x, mask = jnp.array([[1.0], [jnp.nan], [3.0]]), jnp.array([True, False, True])
    >>> y, carry = scan_step(total, jnp.zeros(1), x, mask)
    >>> y[:, 0].tolist(), carry.tolist()
    ([1.0, 1.0, 4.0], [4.0])
    """
    time = x.ndim - (1 if jnp.issubdtype(x.dtype, jnp.integer) else 2)
    elements = jnp.moveaxis(x, time, 0)

    def advance(carry, element):
        x_t, is_real = element
        if is_real is None:
            y_t, new = step(carry, x_t)
            return new, y_t
        y_t, new = step(carry, where(is_real, x_t, jnp.zeros_like(x_t)))
        return jax.tree.map(lambda now, before: where(is_real, now, before), new, carry), y_t

    is_real = None if mask is None else jnp.moveaxis(mask, -1, 0)
    carry, y = jax.lax.scan(advance, varying_over(carry, x), (elements, is_real))
    return jax.tree.map(lambda leaf: jnp.moveaxis(leaf, 0, time), y), carry


def where(mask: jax.Array, a: jax.Array, b: jax.Array) -> jax.Array:
    """``a`` where the mask, whose axes are the first of a and b, is True, else ``b``."""
    return jnp.where(mask.reshape(mask.shape + (1,) * (a.ndim - mask.ndim)), a, b)


def pointwise(init: Init, apply: Apply) -> Model:
    """The model of a layer that treats each element of a sequence alone: its carry is empty."""

    def step(params, state, carry, x_t):
        return apply(params, state, x_t)[0], carry

    def read(params, state, carry, x, *, key=None, train=False, mask=None):
        return apply(params, state, x, key=key, train=train, mask=mask)[0], carry

    return Model(init, apply, no_memory, step, read)


def child_key(key: Any, name: str) -> Any:
    """The key of the child called ``name``, or None if there is no key.

    It depends on that name alone: adding or removing other children does not change its draws.
    """
    if key is None:
        return None
    check_key(name, key)
    return fold_in(key, zlib.crc32(name.encode()))


RAW_KEYS = ((2,), (4,))
"""The shapes of keys of ``jax.random.PRNGKey``, by JAX's implementations."""


def check_key(caller: str, key: Any) -> None:
    """Refuse a seed, also a traced one, several keys, or what else is no key, before JAX does."""
    remedy = "Pass jax.random.key(seed)."
    if not isinstance(key, jax.Array | np.ndarray | np.generic):
        got = f"a key of type {type(key).__name__}"
    elif jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        if key.ndim == 0:
            return
        got, remedy = f"keys of shape {key.shape}", "Pass one of them, or use jax.vmap."
    elif key.dtype == jnp.uint32 and key.shape in RAW_KEYS:
        return
    else:
        got = f"a key of dtype {key.dtype}" + (f" and shape {key.shape}" if key.ndim else "")
    raise mistake(caller, got=got, expected="a key of JAX", remedy=remedy)


def required_key(caller: str, key: jax.Array | None) -> jax.Array:
    """``key``, or an error if a layer that draws in training was given none."""
    if key is None:
        raise mistake(
            caller,
            got="train=True without a key",
            expected="a key to draw from",
            remedy="Pass key=jax.random.key(seed) to apply.",
        )
    check_key(caller, key)
    return key


@contextlib.contextmanager
def scope(name: str) -> Iterator[None]:
    """Put the child's ``name`` into captured paths, profiles and error messages of the block."""
    try:
        with jax.named_scope(name):
            yield
    except JnnError as error:
        message = str(error)
        inner = f"/{message[3:]}" if message.startswith("in ") else f": {message}"
        raise type(error)(f"in {name}{inner}") from error.__cause__
    except KeyError as error:
        got = f"params, state or x without {error}"
        expected = "params and state that this model's init made, and an x like that of init"
        raise mistake(f"in {name}", got=got, expected=expected) from error
    except AttributeError as error:
        x, attribute = error.obj, str(error.name)
        if not isinstance(x, tuple | list | Mapping) or not hasattr(jax.Array, attribute):
            raise
        got = f"a {type(x).__name__} of {len(x)} where it takes one array"
        remedy = "Combine several, as in jnn.parallel(a, b, combine=jnp.add)."
        raise mistake(f"in {name}", got=got, expected="an array", remedy=remedy) from error
    except TypeError as error:
        if "PRNG key type" not in str(error):
            raise
        remedy = "Pass key=jax.random.key(seed) to apply, and draw in training alone."
        got = "no key where it draws"
        raise mistake(f"in {name}", got=got, expected="a key", remedy=remedy) from error


def init_child(name: str, model: Model, key: jax.Array, x: Any) -> tuple[Params, State, Any]:
    """Initialize the child ``name`` for x.

    Returns ``{name: params}`` and ``{name: state}``, empty if it has none, and the shape of its
    output.
    """
    with scope(name):
        params, state = _pair("init", model.init(child_key(key, name), x), "params, state")
        _check_drawn(params)
        y, _ = _pair("apply", jax.eval_shape(model.apply, params, state, x), "y, state")
    return named(name, params), named(name, state), y


def apply_child(
    name: str,
    model: Model,
    params: Params,
    state: State,
    x: Any,
    *,
    key: jax.Array | None = None,
    train: bool = False,
    mask: jax.Array | None = None,
) -> tuple[Any, State]:
    """Apply the child ``name`` with its own params, state and key.

    Returns its output, tagged "output", and ``{name: state}``, empty if it has none.
    """
    with scope(name):
        if isinstance(train, Tracer):
            remedy = "Make it static, as in jax.jit(model.apply, static_argnames='train')."
            raise mistake("apply", got="a traced train", expected="True or False", remedy=remedy)
        options = {"key": child_key(key, name), "train": train, "mask": mask}
        result = model.apply(params.get(name, {}), state.get(name, {}), x, **options)
        y, state = _pair("apply", result, "y, state")
        return tag(y, "output"), named(name, state)


def _check_drawn(params: Params) -> None:
    """Refuse params that are functions, of a maker of initializers in place of an initializer."""
    for path, leaf in jax.tree.leaves_with_path(params):
        if callable(leaf):
            remedy = "Call what makes an initializer first, as in jax.nn.initializers.he_normal()."
            got = f"a function as {path_name(path)}"
            raise mistake("init", got=got, expected="an array", remedy=remedy)


def _pair(caller: str, result: Any, names: str) -> tuple[Any, Any]:
    """What ``init`` or ``apply`` returned, if it is two things of which the second is a state."""
    if isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], Mapping):
        return result
    got = f"{type(result).__name__} from {caller}"
    raise mistake("Model", got=got, expected=f"the tuple {names}, state a dict, {{}} without any")


def step_child(
    name: str, model: Model, params: Params, state: State, carry: Any, x_t: Any
) -> tuple[Any, Any]:
    """One step of the child ``name`` with its own params and state, from its ``carry``.

    Returns its output, tagged "output", and its carry.
    """
    with scope(name):
        y_t, carry = model.step(params.get(name, {}), state.get(name, {}), carry, x_t)
        return tag(y_t, "output"), carry


def read_child(
    name: str,
    model: Model,
    params: Params,
    state: State,
    carry: Mapping[str, Any],
    x: Any,
    *,
    key: jax.Array | None = None,
    train: bool = False,
    mask: jax.Array | None = None,
) -> tuple[Any, Any]:
    """Read x by the child ``name`` with its own params, state and key, from ``carry[name]``.

    Returns its output, tagged "output", and its carry.
    """
    with scope(name):
        y, new_carry = reader(model)(
            params.get(name, {}),
            state.get(name, {}),
            carry_of(name, carry),
            x,
            key=child_key(key, name),
            train=train,
            mask=mask,
        )
        return tag(y, "output"), new_carry


def carry_of(name: str, carry: Mapping[str, Any]) -> Any:
    """The carry of the child ``name``, of that of all children."""
    try:
        return carry[name]
    except (KeyError, TypeError):
        is_dict = isinstance(carry, Mapping)
        got = f"a carry without {name!r}" if is_dict else f"a carry of type {type(carry).__name__}"
        expected, remedy = f"a dict with {name!r}", "Begin with model.carry(params, x_t, length)."
        raise mistake("carry", got=got, expected=expected, remedy=remedy) from None


def named(name: str, tree: dict[str, Any]) -> dict[str, Any]:
    """``{name: tree}``, or nothing for an empty tree."""
    return {name: tree} if tree else {}


def check_names(caller: str, names: Iterable[str]) -> None:
    """Check that children have names of their own in paths, ``"a/b"`` being b within a, and keys.

    The key of a child comes from a checksum of its name, which two names may have in common.
    """
    by_checksum: dict[int, str] = {}
    for name in names:
        if not isinstance(name, str) or not name or "/" in name:
            raise mistake(caller, got=f"a part named {name!r}", expected="a name without '/'")
        other = by_checksum.setdefault(zlib.crc32(name.encode()), name)
        if other != name:
            got = f"parts named {other!r} and {name!r}, which would draw the same numbers"
            raise mistake(caller, got=got, expected="another name for one of them")


def check_children(caller: str, names: Iterable[str], params: Params, state: State) -> None:
    """Refuse params and state that belong to another model, and what is no params or no state."""
    for kind, got, tree in (("params", "parameters", params), ("state", "a state", state)):
        if not isinstance(tree, Mapping):
            got = f"{kind} of type {type(tree).__name__}"
            raise mistake(caller, got=got, expected="a dict, as init makes it")
        if strange := sorted(map(str, set(tree) - set(names))):
            raise mistake(
                caller,
                got=f"{got} named {', '.join(strange)}",
                expected=f"only {', '.join(names)}",
                remedy=f"Use the {kind} that this model's init made.",
            )


def check_copies(caller: str, n: int, *trees: Any) -> None:
    """Refuse params, state and carry that do not have a first axis of ``n`` copies."""
    for path, leaf in jax.tree.leaves_with_path(trees):
        if jnp.shape(leaf)[:1] != (n,):
            raise mistake(
                caller,
                got=f"{path_name(path[1:]) or 'an array'} of shape {jnp.shape(leaf)}",
                expected=f"a first axis of {n} copies",
                remedy="Use the params, the state and the carry that this model made.",
            )
