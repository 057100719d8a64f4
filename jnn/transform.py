"""Functions from models to models that change how they run, or train: `ensemble`, `remat`, `cast`,
`reparameterized`, `frozen`.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp

from jnn.errors import mistake
from jnn.model import Model, as_model, reader, streams
from jnn.paths import path_name


def ensemble(model: Model | Callable, n: int, *, x_axis: int | None = None) -> Model:
    """``n`` independent copies that run side by side as one batched program: a first axis of length
    n on params, state, carry and y.

    Member i is initialized, and draws, with ``fold_in(key, i)``: it equals the solo model with that
    key. All members see the same x, or with ``x_axis=0`` each its own slice of x and mask.

    >>> import jax, jax.numpy as jnp, jnn
    >>> committee = jnn.ensemble(jnn.dense(2), 5)
    >>> y, _ = committee.apply(*committee.init(jax.random.key(0), jnp.ones(3)), jnp.ones((7, 3)))
    >>> y.shape
    (5, 7, 2)
    """
    model = as_model(model)
    if not isinstance(n, int) or n < 1:
        raise mistake("ensemble", got=f"n={n!r}", expected="an integer >= 1")

    def keys(key):
        return (
            None if key is None else jax.vmap(lambda i: jax.random.fold_in(key, i))(jnp.arange(n))
        )

    def members(f, *axes):
        return jax.vmap(f, in_axes=axes, axis_size=n)

    def one(x):
        """The shape of one member's input: its own slice of x, where each has its own."""
        return (
            x
            if x_axis is None
            else jax.eval_shape(
                lambda x: jax.tree.map(lambda leaf: jnp.take(leaf, 0, axis=x_axis), x), x
            )
        )

    def init(key, x):
        return jax.vmap(lambda key: model.init(key, one(x)))(keys(key))

    def apply(params, state, x, *, key=None, train=False, mask=None):
        run = lambda params, state, x, key, mask: model.apply(
            params, state, x, key=key, train=train, mask=mask
        )
        return members(run, 0, 0, x_axis, 0, x_axis)(params, state, x, keys(key), mask)

    def carry(params, x_t, length):
        return members(lambda params, x_t: model.carry(params, x_t, length), 0, x_axis)(params, x_t)

    def step(params, state, carry, x_t):
        return members(model.step, 0, 0, 0, x_axis)(params, state, carry, x_t)

    def read(params, state, carry, x, *, key=None, train=False, mask=None):
        run = lambda params, state, carry, x, key, mask: reader(model)(
            params, state, carry, x, key=key, train=train, mask=mask
        )
        return members(run, 0, 0, 0, x_axis, 0, x_axis)(params, state, carry, x, keys(key), mask)

    return Model(init, apply, carry, step, read) if streams(model) else Model(init, apply)


def remat(model: Model | Callable, save: Iterable[str] = ()) -> Model:
    """The same model, which recomputes its inner values on the way back instead of keeping them,
    but for the tagged values named in ``save``.

    Less memory for about one more forward pass; the same values and gradients (``jax.checkpoint``).

    >>> import jax, jnn
    >>> deep = jnn.repeat(jnn.remat(jnn.chain(jnn.dense(64), jax.nn.gelu), save=("output",)), 12)
    """
    model = as_model(model)
    policy = jax.checkpoint_policies.save_only_these_names(*save)

    def apply(params, state, x, *, key=None, train=False, mask=None):
        run = lambda params, state, x, key, mask: model.apply(
            params, state, x, key=key, train=train, mask=mask
        )
        return jax.checkpoint(run, policy=policy)(params, state, x, key, mask)

    def read(params, state, carry, x, *, key=None, train=False, mask=None):
        run = lambda params, state, carry, x, key, mask: reader(model)(
            params, state, carry, x, key=key, train=train, mask=mask
        )
        return jax.checkpoint(run, policy=policy)(params, state, carry, x, key, mask)

    return model._replace(apply=apply, read=read) if streams(model) else model._replace(apply=apply)


def cast(model: Model | Callable, compute: Any = jnp.bfloat16, output: Any = jnp.float32) -> Model:
    """The same model computed in another floating type: params and x are cast to ``compute``, y to
    ``output``; params are kept, and trained, as they were.

    The state keeps its type, and what layers compute in float32 for accuracy (norms, softmax,
    losses) stays so. Gradients arrive in the type of params.

    >>> import jax, jax.numpy as jnp, jnn
    >>> model = jnn.cast(jnn.dense(2))
    >>> params, state = model.init(jax.random.key(0), jnp.ones(3))
    >>> params["kernel"].dtype.name, model.apply(params, state, jnp.ones(3))[0].dtype.name
    ('float32', 'float32')
    """
    model = as_model(model)

    def to(dtype, tree):
        return jax.tree.map(
            lambda leaf: leaf.astype(dtype) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf,
            tree,
        )

    def apply(params, state, x, **options):
        y, new_state = model.apply(to(compute, params), state, to(compute, x), **options)
        return to(output, y), new_state

    def carry(params, x_t, length):
        return model.carry(to(compute, params), to(compute, x_t), length)

    def step(params, state, carry, x_t):
        y_t, carry = model.step(to(compute, params), state, carry, to(compute, x_t))
        return to(output, y_t), carry

    def read(params, state, carry, x, **options):
        y, carry = reader(model)(to(compute, params), state, carry, to(compute, x), **options)
        return to(output, y), carry

    return (
        Model(model.init, apply, carry, step, read) if streams(model) else Model(model.init, apply)
    )


def reparameterized(model: Model | Callable, change: Callable[[Any], Any]) -> Model:
    """The same model with params that are a function of the params one trains:
    ``apply(change(params), state, x)``.

    ``init`` stays that of ``model``; where ``change`` takes a tree of another structure, give the
    result another one with ``_replace``.

    >>> import jax, jax.numpy as jnp, jnn
    >>> model = jnn.reparameterized(jnn.dense(2), lambda params: jax.tree.map(jnp.abs, params))
    >>> y, _ = model.apply(*model.init(jax.random.key(0), jnp.ones(3)), jnp.ones(3))
    >>> bool((y > 0).all())
    True
    """
    model = as_model(model)

    def apply(params, state, x, **options):
        return model.apply(change(params), state, x, **options)

    def carry(params, x_t, length):
        return model.carry(change(params), x_t, length)

    def step(params, state, carry, x_t):
        return model.step(change(params), state, carry, x_t)

    def read(params, state, carry, x, **options):
        return reader(model)(change(params), state, carry, x, **options)

    return (
        Model(model.init, apply, carry, step, read) if streams(model) else Model(model.init, apply)
    )


def frozen(model: Model | Callable, paths: str = ".*") -> Model:
    """The same model with a gradient of exactly zero for the params whose path matches ``paths``,
    such as ``"encoder/.*"``.

    An optimizer that decays weights changes params without a gradient too: mask it with
    `path_mask`. Raises `JnnError` at init where no path matches the regular expression.

    >>> import jax, jax.numpy as jnp, jnn
    >>> model = jnn.frozen(jnn.chain(jnn.dense(2), jnn.dense(1)), "0/.*")
    >>> params, state = model.init(jax.random.key(0), jnp.ones(3))
    >>> gradient = jax.grad(lambda params: model.apply(params, state, jnp.ones(3))[0].sum())(params)
    >>> float(abs(gradient["0"]["kernel"]).max()), float(gradient["1"]["bias"][0])
    (0.0, 1.0)
    """
    model = as_model(model)

    def stop(params):
        mask = path_mask(params, paths)
        return jax.tree.map(
            lambda leaf, is_frozen: jax.lax.stop_gradient(leaf) if is_frozen else leaf, params, mask
        )

    def init(key, x):
        params, state = model.init(key, x)
        path_mask(params, paths)
        return params, state

    return reparameterized(model, stop)._replace(init=init)


def path_mask(params: Any, paths: str) -> Any:
    """A tree like ``params``, True at each leaf whose path (``"0/kernel"``) matches the regular
    expression ``paths`` as a whole.

    Raises `JnnError`, with the paths there are, where none matches.

    >>> path_mask({"0": {"kernel": 1, "bias": 2}}, ".*/kernel")
    {'0': {'bias': False, 'kernel': True}}
    """
    leaves, structure = jax.tree.flatten_with_path(params)
    names = [path_name(path) for path, _ in leaves]
    matches = [re.fullmatch(paths, name) is not None for name in names]
    if not any(matches):
        raise mistake(
            "path_mask",
            got=f"{paths!r}, which matches no path",
            expected=f"a regular expression for some of {', '.join(names)}",
        )
    return structure.unflatten(matches)
