"""Models of modules of Flax."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import errors, linen, nnx

from jnn.errors import mistake
from jnn.interop.flax.calls import (
    BATCH_STATS,
    call_of,
    check_collections,
    leading_axes_of,
    one_leading_axis,
    refuse_mask,
    zeros,
)
from jnn.model import Model, Params, State, child_key


def from_linen(
    module: linen.Module,
    *,
    rank: int | None = None,
    call: Callable[[Any, Any, bool], Any] | None = None,
    rngs: Iterable[str] = ("dropout",),
) -> Model:
    """The model of a module of Flax's Linen.

    params are its variables of ``params``, and the state those of ``batch_stats``, as
    ``module.init`` names them.

    ``rank``  axes of one example: the module then sees batches of exactly one leading axis; by
              default it gets x as it is
    ``call``  ``(module, x, train)`` -> y; by default ``module(x)``, with an argument such as
              ``train`` or ``deterministic`` if the module has one
    ``rngs``  names of the random streams that it draws from in training

    Raises `JnnError` for variables of other collections, such as the cache of a decoder, which have
    no place in a model, and for a mask, which modules do not have in common.

    >>> import jax, jax.numpy as jnp, jnn
    >>> model = jnn.chain(from_linen(linen.Dense(3)), jnp.tanh)
    >>> params, state = jax.jit(model.init)(jax.random.key(0), jnp.ones(2))
    >>> jax.tree.map(jnp.shape, params), model.apply(params, state, jnp.ones((5, 2)))[0].shape
    ({'0': {'bias': (3,), 'kernel': (2, 3)}}, (5, 3))
    """
    rngs = tuple(rngs)
    called = call or call_of(type(module).__call__, module)

    def draws(key: jax.Array | None, names: tuple[str, ...]) -> dict[str, jax.Array]:
        return {} if key is None else {name: child_key(key, name) for name in names}

    def init(key, x):
        with _in_words():
            variables: Any = module.init(
                draws(key, ("params", *rngs)),
                zeros(one_leading_axis(x, rank)),
                method=lambda m, x: called(m, x, False),
            )
        check_collections(f"{type(module).__name__} of Linen", variables, ("params", BATCH_STATS))
        return variables.get("params", {}), variables.get(BATCH_STATS, {})

    def apply(params, state, x, *, key=None, train=False, mask=None):
        refuse_mask("from_linen", mask)
        variables = {"params": params} | ({BATCH_STATS: state} if state else {})
        with _in_words():
            y, new = module.apply(
                variables,
                one_leading_axis(x, rank),
                method=lambda m, x: called(m, x, train),
                rngs=draws(key if train else None, rngs),
                mutable=[BATCH_STATS] if train else [],
            )
        return leading_axes_of(x, y, rank), dict(new).get(BATCH_STATS, state)

    return Model(init, apply)


@contextlib.contextmanager
def _in_words() -> Iterator[None]:
    """Errors of Linen as a `JnnError` that names the remedy."""
    try:
        yield
    except errors.ModifyScopeVariableError as error:
        raise mistake(
            "from_linen",
            got=f"a module that changes variables in evaluation ({error})",
            expected="one that does so in training alone",
            remedy="Give it an argument such as use_running_average, or call=.",
        ) from None
    except errors.InvalidRngError as error:
        raise mistake(
            "from_linen",
            got=f"a random stream that is missing ({error})",
            expected="train=True with a key, and all streams in rngs",
        ) from None
    except jax.errors.ConcretizationTypeError as error:
        raise mistake(
            "from_linen",
            got=f"a module that decides by a traced value ({str(error).splitlines()[0]})",
            expected="one that decides by values that Python knows",
            remedy="In linen.remat name flags such as deterministic by their places, of which self "
            "has 0: linen.remat(Block, static_argnums=(2,)).",
        ) from error


def from_nnx(
    module: nnx.Module | Callable[[nnx.Rngs], nnx.Module],
    *,
    rank: int | None = None,
    call: Callable[[Any, Any, bool], Any] | None = None,
) -> Model:
    """The model of a module of Flax's NNX, or of a function of ``rngs`` that makes it.

    params are its `nnx.Param`s, and the state its `nnx.BatchStat`s, by the names of attributes, and
    its arrays that are no variables: constants, which an optimizer does not change, in Flax as
    here. Of this kind are the scales of `nnx.WeightNorm`; those of `jnn.weight_norm` are trained.
    Of a module, ``init`` returns the values that it has, and of a function those that it draws.
    ``rank`` and ``call`` are as in `from_linen`; modules are set to ``train()`` and ``eval()``.

    Raises `JnnError` for variables of other kinds, such as caches, for a random key that is no
    variable, and for a mask.

    >>> import jax, jax.numpy as jnp
    >>> model = from_nnx(lambda rngs: nnx.Linear(2, 3, rngs=rngs))
    >>> params, state = jax.jit(model.init)(jax.random.key(0), jnp.ones(2))
    >>> jax.tree.map(jnp.shape, params), model.apply(params, state, jnp.ones((5, 2)))[0].shape
    ({'bias': (3,), 'kernel': (2, 3)}, (5, 3))
    """
    is_made = isinstance(module, nnx.Module)
    like = module if is_made else nnx.eval_shape(lambda: module(nnx.Rngs(0)))
    called = call or call_of(type(like).__call__, like)
    caller = f"{type(like).__name__} of NNX"
    _check_arrays(like, caller)

    def parts(module):
        graph, params, state, draws, others = nnx.split(
            module, nnx.Param, _STATE, nnx.RngState, ...
        )
        kinds = {_kind(variable): 0 for _, variable in nnx.to_flat_state(others)}
        check_collections(caller, kinds, ())
        return graph, params, state, draws

    template = parts(like)[1:]

    def init(key, x):
        built = module if is_made else module(nnx.Rngs(key))
        _, params, state, _ = parts(built)
        return _as_dict(params), _as_dict(state)

    def apply(params, state, x, *, key=None, train=False, mask=None):
        refuse_mask("from_nnx", mask)
        if train and template[2] and key is None:
            raise mistake("from_nnx", got="train=True without a key", expected="a key to draw from")
        graph = nnx.graphdef(like)
        trees = (
            _as_state(template[0], params),
            _as_state(template[1], state),
            _drawn(template[2], key),
        )
        merged = nnx.merge(graph, *trees)
        merged.train() if train else merged.eval()
        y = called(merged, one_leading_axis(x, rank), train)
        new = _as_dict(nnx.state(merged, _STATE)) if train else state
        return leading_axes_of(x, y, rank), new

    return Model(init, apply)


def _is_constant(path: Any, leaf: Any) -> bool:
    """Whether a leaf is an array of numbers that is no variable."""
    is_variable = isinstance(leaf, nnx.Variable)
    return not is_variable and not jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _check_arrays(module: nnx.Module, caller: str) -> None:
    """Refuse attributes that NNX, where it traces, does not see to be arrays."""
    for _, part in nnx.iter_modules(module):
        for name, value in vars(part).items():
            if isinstance(value, jax.Array) and not nnx.is_data(value):
                raise mistake(
                    caller,
                    got=f"the array {type(part).__name__}.{name}, which NNX loses in a program",
                    expected="one that it keeps",
                    remedy="Assign it as nnx.data(...), or give a module in place of a function.",
                )


_STATE = nnx.filterlib.Any(nnx.BatchStat, _is_constant)


def _kind(variable: Any) -> str:
    """What a variable is called, or a random key that is none."""
    return type(variable).__name__ if isinstance(variable, nnx.Variable) else "random key"


def _as_dict(state: nnx.State) -> Params | State:
    """The values of variables, as a nested dict of which the keys are text."""
    tree: dict[str, Any] = {}
    for path, variable in nnx.to_flat_state(state):
        *names, last = map(str, path)
        node = tree
        for name in names:
            node = node.setdefault(name, {})
        node[last] = variable.get_value() if isinstance(variable, nnx.Variable) else variable
    return tree


def _as_state(template: nnx.State, tree: Mapping[str, Any]) -> nnx.State:
    """The variables of ``template`` with the values of the dict."""
    variables = []
    for path, variable in nnx.to_flat_state(template):
        value: Any = tree
        for name in map(str, path):
            value = value[name]
        is_variable = isinstance(variable, nnx.Variable)
        variables.append((path, variable.replace(value) if is_variable else value))
    return nnx.from_flat_state(variables)


def _drawn(template: nnx.State, key: jax.Array | None) -> nnx.State:
    """The random streams of a module, or of each of its stacked layers, begun anew from a key."""
    start = jax.random.key(0) if key is None else key
    variables = []
    for path, variable in nnx.to_flat_state(template):
        shape = variable.get_value().shape
        if isinstance(variable, nnx.RngKey):
            value = child_key(start, "/".join(map(str, path)))
            value = jax.random.split(value, shape) if shape else value
        else:
            value = jnp.zeros(shape, jnp.uint32)
        variables.append((path, variable.replace(value)))
    return nnx.from_flat_state(variables)
