"""Transformations of models: `ensemble`, `remat`, `cast`, `reparameterized`, `frozen`, `lora`."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from jnn.compose import fold_in_each
from jnn.errors import mistake
from jnn.functions import as_model
from jnn.integers import check_integer
from jnn.masks import following
from jnn.model import (
    Carry,
    Model,
    Params,
    check_copies,
    child_key,
    no_memory,
    reader,
    same_mask,
    streams,
)
from jnn.paths import check_expression, path_name


def ensemble(model: Model | Callable, n: int, *, x_axis: int | None = None) -> Model:
    """``n`` independent copies, the members, which run side by side as one batched program.

    Params, state, carry and y have a first axis of length n. Member i is initialized, and draws,
    with ``fold_in(key, i)``: it equals the solo model with that key. All members see the same x, or
    with ``x_axis=0`` each its own slice of x and mask.

    >>> import jax, jax.numpy as jnp, jnn
    >>> committee = jnn.ensemble(jnn.dense(2), 5)
    >>> y, _ = committee.apply(*committee.init(jax.random.key(0), jnp.ones(3)), jnp.ones((7, 3)))
    >>> y.shape
    (5, 7, 2)
    """
    model = as_model(model)
    n = check_integer("ensemble", "n", n)

    def keys(key):
        return None if key is None else fold_in_each("ensemble", key, n)

    def members(f, *axes):
        return jax.vmap(f, in_axes=axes, axis_size=n)

    def input_of_member(x):
        if x_axis is None:
            return x
        first = lambda leaf: jnp.take(leaf, 0, axis=x_axis)
        return jax.eval_shape(lambda x: jax.tree.map(first, x), x)

    def check_input(x):
        for leaf in jax.tree.leaves(x) if x_axis is not None else ():
            if not -leaf.ndim <= x_axis < leaf.ndim or leaf.shape[x_axis] != n:
                got, expected = f"x of shape {leaf.shape}", f"{n} members along axis {x_axis}"
                raise mistake("ensemble", got=got, expected=expected)

    def init(key, x):
        check_input(x)
        return jax.vmap(lambda key: model.init(key, input_of_member(x)))(
            fold_in_each("ensemble", key, n)
        )

    def apply(params, state, x, *, key=None, train=False, mask=None):
        check_copies("ensemble", n, params, state)
        check_input(x)
        run = lambda params, state, x, key, mask: model.apply(
            params, state, x, key=key, train=train, mask=mask
        )
        return members(run, 0, 0, x_axis, 0, x_axis)(params, state, x, keys(key), mask)

    def carry(params, x_t, length):
        check_copies("ensemble", n, params)
        check_input(x_t)
        return members(lambda params, x_t: model.carry(params, x_t, length), 0, x_axis)(params, x_t)

    def step(params, state, carry, x_t):
        check_copies("ensemble", n, params, state, carry)
        check_input(x_t)
        return members(model.step, 0, 0, 0, x_axis)(params, state, carry, x_t)

    def read(params, state, carry, x, *, key=None, train=False, mask=None):
        check_copies("ensemble", n, params, state, carry)
        check_input(x)
        run = lambda params, state, carry, x, key, mask: reader(model)(
            params, state, carry, x, key=key, train=train, mask=mask
        )
        return members(run, 0, 0, 0, x_axis, 0, x_axis)(params, state, carry, x, keys(key), mask)

    def follow(params, state, x, mask):
        run = lambda params, state, x, mask: following(
            model, params, state, x, jax.eval_shape(model.apply, params, state, x)[0], mask
        )
        return members(run, 0, 0, x_axis, x_axis)(params, state, x, mask)

    if not streams(model):
        return Model(init, apply, follow=follow)
    return Model(init, apply, _no_memory_or(carry, model), step, read, follow)


def _is_product(primitive: Any, *arrays: Any, **parameters: Any) -> bool:
    return primitive.name in ("dot_general", "conv_general_dilated", "convolution")


def _is_product_with_params(primitive: Any, *arrays: Any, **parameters: Any) -> bool:
    """Those of two activations, as within attention, have axes of a batch in both."""
    if primitive.name == "dot_general":
        _, batch = parameters["dimension_numbers"]
        return not any(batch)
    return _is_product(primitive)


REMAT_POLICIES: dict[str, Callable[..., bool] | None] = {
    "none": None,
    "products": _is_product,
    "projections": _is_product_with_params,
    "full": jax.checkpoint_policies.nothing_saveable,
}
"""What `remat` keeps of the inner values of a model, from most to least: all, the results of
products and convolutions, those of products with params alone (not what is as large as the square
of a sequence), or nothing.
"""


def remat(model: Model | Callable, save: Iterable[str] = (), *, policy: str = "full") -> Model:
    """The same model, which recomputes inner values in the backward pass (``jax.checkpoint``).

    ``policy``  what is kept, a name in `REMAT_POLICIES`: ``"full"`` recomputes everything, which
                takes the least memory and about one more forward pass; ``"projections"`` and
                ``"products"`` recompute what is cheap; ``"none"`` nothing
    ``save``    names of tagged values that are kept besides

    Values and gradients are the same. Raises `JnnError` for another policy.

    >>> import jax, jnn
    >>> deep = jnn.repeat(jnn.remat(jnn.chain(jnn.dense(64), jax.nn.gelu), save=("output",)), 12)
    """
    model = as_model(model)
    if isinstance(save, str):
        raise mistake("remat", got=f"save={save!r}", expected=f"names, as in ({save!r},)")
    if policy not in REMAT_POLICIES:
        expected = f"one of {', '.join(REMAT_POLICIES)}"
        raise mistake("remat", got=f"policy={policy!r}", expected=expected)
    kept = REMAT_POLICIES[policy]
    if kept is None:
        return model
    named = jax.checkpoint_policies.save_only_these_names(*save)
    both = jax.checkpoint_policies.save_from_both_policies(kept, named)

    def apply(params, state, x, *, key=None, train=False, mask=None):
        run = lambda params, state, x, key, mask: model.apply(
            params, state, x, key=key, train=train, mask=mask
        )
        return jax.checkpoint(run, policy=both)(params, state, x, key, mask)

    def read(params, state, carry, x, *, key=None, train=False, mask=None):
        run = lambda params, state, carry, x, key, mask: reader(model)(
            params, state, carry, x, key=key, train=train, mask=mask
        )
        return jax.checkpoint(run, policy=both)(params, state, carry, x, key, mask)

    if not streams(model):
        return model._replace(apply=apply)
    return model._replace(apply=apply, read=read)


def cast(model: Model | Callable, compute: Any = jnp.bfloat16, output: Any = jnp.float32) -> Model:
    """The same model computed in another floating-point type: mixed precision.

    Params and x are cast to ``compute``, and y to ``output``. Params are stored and trained in
    their own type, in which gradients arrive too; the state keeps its type, and layers still
    compute in float32 what needs it (norms, softmax). Raises `JnnError` for a type of integers.

    >>> import jax, jax.numpy as jnp, jnn
    >>> model = jnn.cast(jnn.dense(2))
    >>> params, state = model.init(jax.random.key(0), jnp.ones(3))
    >>> params["kernel"].dtype.name, model.apply(params, state, jnp.ones(3))[0].dtype.name
    ('float32', 'float32')
    """
    model = as_model(model)
    for name, dtype in {"compute": compute, "output": output}.items():
        if not jnp.issubdtype(jnp.dtype(dtype), jnp.floating):
            got, expected = f"{name}={jnp.dtype(dtype)}", "a floating-point type"
            raise mistake("cast", got=got, expected=expected)

    def to(dtype, tree):
        is_float = lambda leaf: jnp.issubdtype(leaf.dtype, jnp.floating)
        return jax.tree.map(lambda leaf: leaf.astype(dtype) if is_float(leaf) else leaf, tree)

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

    cast_model = model._replace(apply=apply)
    if not streams(model):
        return cast_model
    return cast_model._replace(carry=_no_memory_or(carry, model), step=step, read=read)


def reparameterized(model: Model | Callable, change: Callable[[Any], Any]) -> Model:
    """The same model with params that are a function of the trained ones.

        apply(params, state, x) = model.apply(change(params), state, x)

    ``init`` is that of ``model``; if ``change`` takes a tree of another structure, replace it:
    ``reparameterized(model, change)._replace(init=init)``.

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

    def follow(params, state, x, mask):
        return model.follow(change(params), state, x, mask)

    changed = model._replace(apply=apply)
    if model.follow is not same_mask:  # else what contains it need not trace it to follow a mask
        changed = changed._replace(follow=follow)
    if not streams(model):
        return changed
    return changed._replace(carry=_no_memory_or(carry, model), step=step, read=read)


def frozen(model: Model | Callable, paths: str = ".*") -> Model:
    """The same model with a gradient of exactly zero for some of its params.

    ``paths`` is a regular expression that the whole path of a leaf matches, such as
    ``"encoder/.*"``. An optimizer with weight decay also changes params that have no gradient: mask
    it with `path_mask`. ``init`` raises `JnnError` if no path matches.

    >>> import jax, jax.numpy as jnp, jnn
    >>> model = jnn.frozen(jnn.chain(jnn.dense(2), jnn.dense(1)), "0/.*")
    >>> params, state = model.init(jax.random.key(0), jnp.ones(3))
    >>> gradient = jax.grad(lambda params: model.apply(params, state, jnp.ones(3))[0].sum())(params)
    >>> float(abs(gradient["0"]["kernel"]).max()), float(gradient["1"]["bias"][0])
    (0.0, 1.0)
    """
    model = as_model(model)

    def stop(params):
        stopped = lambda leaf, is_frozen: jax.lax.stop_gradient(leaf) if is_frozen else leaf
        return jax.tree.map(stopped, params, path_mask(params, paths, caller="frozen"))

    def init(key, x):
        params, state = model.init(key, x)
        path_mask(params, paths, caller="frozen")
        return params, state

    return reparameterized(model, stop)._replace(init=init)


def lora(model: Model | Callable, rank: int, paths: str = ".*kernel") -> Model:
    """The same model, of which only low-rank additions to its kernels are trained (LoRA).

        W' = W + down up,   down (..., inputs, rank),   up (..., rank, outputs)

    params are ``base``, those of ``model``, whose gradient is exactly zero, and ``lora``, with
    ``down`` and ``up`` at each path of ``base`` that ``paths``, a regular expression for the whole
    path, matches. At first ``up`` is zero: the model is the one that it was. ``down`` is drawn from
    N(0, 1 / inputs). Axes before the last two, such as those of stacked blocks, are kept.

    To adapt pretrained params, put them in place of ``base``; `merge_lora` makes params of
    ``model`` of the result. Of an optimizer with weight decay, mask ``base`` with `path_mask`.

    ``init`` raises `JnnError` if no path matches, or one of a leaf that is no matrix. Source: Hu et
    al. 2021, https://arxiv.org/abs/2106.09685; their factor ``alpha / rank`` is 1 here: choose the
    learning rate.

    >>> import jax, jax.numpy as jnp, jnn
    >>> model = jnn.lora(jnn.chain(jnn.dense(6), jnn.dense(2)), 1, "0/kernel")
    >>> params, state = jax.jit(model.init)(jax.random.key(0), jnp.ones(3))
    >>> jax.tree.map(jnp.shape, params["lora"])
    {'0': {'kernel': {'down': (3, 1), 'up': (1, 6)}}}
    """
    model = as_model(model)
    rank = check_integer("lora", "rank", rank)

    def init(key, x):
        base, state = model.init(key, x)
        chosen = path_mask(base, paths, caller="lora")

        def factors(path, leaf, is_chosen):
            if not is_chosen:
                return None
            if leaf.ndim < 2:
                raise mistake(
                    "lora",
                    got=f"{path_name(path)} of shape {leaf.shape}",
                    expected="paths of kernels, of two axes or more",
                )
            *first, inputs, outputs = leaf.shape
            draws = child_key(key, path_name(path))
            down = jax.random.normal(draws, (*first, inputs, rank), leaf.dtype)
            up = jnp.zeros((*first, rank, outputs), leaf.dtype)
            return {"down": down * inputs**-0.5, "up": up}

        added = jax.tree.map_with_path(factors, base, chosen)
        return {"base": base, "lora": _without_none(added)}, state

    def change(params):
        _check_additions(params)
        return _merged(jax.lax.stop_gradient(params["base"]), params["lora"])

    return reparameterized(model, change)._replace(init=init)


def merge_lora(params: Params) -> Params:
    """The params of ``model`` that compute the same as these of ``lora(model, ...)``.

    >>> import jax.numpy as jnp
    >>> factors = {"down": jnp.ones((2, 1)), "up": jnp.ones((1, 2))}
    >>> merge_lora({"base": {"kernel": jnp.eye(2)}, "lora": {"kernel": factors}})["kernel"].tolist()
    [[2.0, 1.0], [1.0, 2.0]]
    """
    _check_additions(params)
    return _merged(params["base"], params["lora"])


def _merged(base: Any, added: Any) -> Any:
    """``base`` with what is added to some of its leaves."""
    if not isinstance(base, dict):
        return base + (added["down"] @ added["up"]).astype(base.dtype)
    if strange := sorted(added.keys() - base.keys()):
        got, expected = f"an addition to {strange[0]}", f"some of {', '.join(base)}"
        raise mistake("lora", got=got, expected=expected)
    return {
        name: _merged(part, added[name]) if name in added else part for name, part in base.items()
    }


def _check_additions(params: Any) -> None:
    """Refuse params that are not those of `lora`."""
    if not isinstance(params, Mapping) or params.keys() != {"base", "lora"}:
        is_dict = isinstance(params, Mapping)
        kind = f"with {', '.join(params)}" if is_dict else f"of type {type(params).__name__}"
        raise mistake(
            "lora",
            got=f"params {kind}",
            expected="those with base and lora",
            remedy="Use the params that the init of lora(model, ...) made.",
        )


def path_mask(params: Any, paths: str, *, caller: str = "path_mask") -> Any:
    """A tree like ``params``, True at each leaf whose path, such as ``"0/kernel"``, matches.

    ``paths`` is a regular expression for the whole path. Raises `JnnError`, which lists the paths,
    if none matches, and where it is none.

    >>> path_mask({"0": {"kernel": 1, "bias": 2}}, ".*/kernel")
    {'0': {'bias': False, 'kernel': True}}
    """
    check_expression(caller, paths)
    leaves, structure = jax.tree.flatten_with_path(params)
    names = [path_name(path) for path, _ in leaves]
    matches = [re.fullmatch(paths, name) is not None for name in names]
    if not any(matches):
        raise mistake(
            caller,
            got=f"{paths!r}, which matches no path",
            expected=f"a regular expression for some of {', '.join(names)}",
        )
    return structure.unflatten(matches)


def _no_memory_or(carry: Carry, model: Model) -> Carry:
    """``carry``, or that of pointwise models where ``model`` is one."""
    return no_memory if model.carry is no_memory else carry


def _without_none(tree: dict[str, Any]) -> dict[str, Any]:
    """The nested dict without leaves of None, and without dicts that have nothing else."""
    parts = {
        name: (_without_none(part) or None) if isinstance(part, dict) else part
        for name, part in tree.items()
    }
    return {name: part for name, part in parts.items() if part is not None}
