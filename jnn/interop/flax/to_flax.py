"""Modules of Flax of models."""

from __future__ import annotations

from typing import Any

import jax
from flax import linen, nnx

from jnn.interop.flax.calls import BATCH_STATS
from jnn.model import Model


class JnnLinen(linen.Module):
    """A module of Linen that computes what a model of jnn does; see `to_linen`."""

    model: Model

    @linen.compact
    def __call__(self, x: Any, *, train: bool = False, mask: jax.Array | None = None) -> Any:
        """The output of the model; draws come from the stream ``dropout``."""
        if self.is_initializing():
            params, state = self.model.init(self.make_rng("params"), x)
            for name, value in params.items():
                self.put_variable("params", name, value)
            for name, value in state.items():
                self.put_variable(BATCH_STATS, name, value)
        params = dict(self.variables.get("params", {}))
        state = dict(self.variables.get(BATCH_STATS, {}))
        key = self.make_rng("dropout") if train and self.has_rng("dropout") else None
        y, new = self.model.apply(params, state, x, key=key, train=train, mask=mask)
        if self.is_mutable_collection(BATCH_STATS) and not self.is_initializing():
            for name, value in new.items():
                self.put_variable(BATCH_STATS, name, value)
        return y


def to_linen(model: Model) -> JnnLinen:
    """A module of Flax's Linen: ``module.apply(variables, x, train=..., mask=...)``.

    Its variables are ``params`` and, as ``batch_stats``, the state, both as they are in jnn.

    >>> import jax, jax.numpy as jnp, jnn
    >>> module = to_linen(jnn.dense(3))
    >>> variables = module.init(jax.random.key(0), jnp.ones(2))
    >>> jax.tree.map(jnp.shape, variables)
    {'params': {'bias': (3,), 'kernel': (2, 3)}}
    """
    return JnnLinen(model)


class JnnNNX(nnx.Module):
    """A module of NNX that computes what a model of jnn does; see `to_nnx`."""

    def __init__(self, model: Model, x: Any, *, rngs: nnx.Rngs):
        params, state = jax.jit(model.init)(rngs.params(), x)
        self.model = nnx.static(model)
        self.params = nnx.data(jax.tree.map(nnx.Param, params))
        self.state = nnx.data(jax.tree.map(nnx.BatchStat, state))
        self.rngs = rngs
        self.deterministic = False

    def __call__(self, x: Any, *, mask: jax.Array | None = None) -> Any:
        """The output of the model, in training unless ``eval()`` was called."""
        train = not self.deterministic
        is_variable = lambda leaf: isinstance(leaf, nnx.Variable)
        values = lambda tree: jax.tree.map(lambda leaf: leaf[...], tree, is_leaf=is_variable)
        key = self.rngs.dropout() if train else None
        params, state = values(self.params), values(self.state)
        y, new = self.model.apply(params, state, x, key=key, train=train, mask=mask)
        if train:
            set_value = lambda variable, value: variable.set_value(value)
            jax.tree.map(set_value, self.state, new, is_leaf=is_variable)
        return y


def to_nnx(model: Model, x: Any, *, rngs: nnx.Rngs) -> JnnNNX:
    """A module of Flax's NNX, for inputs like ``x``: ``module(x, mask=...)``.

    Its variables are ``params`` of `nnx.Param` and ``state`` of `nnx.BatchStat`. As modules of NNX
    do, it trains until ``module.eval()``.

    >>> import jax.numpy as jnp, jnn
    >>> module = to_nnx(jnn.dense(3), jnp.ones(2), rngs=nnx.Rngs(0))
    >>> module(jnp.ones((5, 2))).shape
    (5, 3)
    """
    return JnnNNX(model, x, rngs=rngs)
