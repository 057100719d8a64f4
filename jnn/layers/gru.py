"""The gated recurrent unit."""

from typing import Literal

import jax.numpy as jnp

from jnn.errors import mistake
from jnn.initializers import draw, lecun_normal, orthogonal
from jnn.layers.cells import by_gates, cell, for_each_gate, memory_dtype, sigmoid
from jnn.layers.checks import check_positive
from jnn.model import Model
from jnn.precision import numerics, parameter_dtype
from jnn.tags import tag
from jnn.threefry import split


def gru(
    features: int,
    *,
    reset: Literal["after", "before"] = "after",
    kernel_init=lecun_normal(),
    recurrent_init=orthogonal(),
) -> Model:
    """The gated recurrent unit.

        a_r, a_u, a_n = x_t W + b               three blocks of ``features`` columns, in this order
        r = σ(a_r + h_{t-1} R_r)                the reset gate
        u = σ(a_u + h_{t-1} R_u)                the update gate
        n = tanh(a_n + r (h_{t-1} R_n + d))     the candidate, reset="after"
        n = tanh(a_n + (r h_{t-1}) R_n)         reset="before"
        h_t = u h_{t-1} + (1 - u) n,  y_t = h_t

    x ``(..., T, D)`` -> y ``(..., T, features)``; params ``kernel`` W ``(D, 3 features)``,
    ``recurrent_kernel`` R ``(features, 3 features)``, drawn block by block, ``bias`` b
    ``(3 features,)``, and with reset="after" ``recurrent_bias`` d ``(features,)``. The memory,
    ``{"hidden": (..., features)}``, starts at zero. With a ``mask`` ``(..., T)``, padding changes
    nothing.

    "after" has one matrix product a step; "before" is that of the paper and has two. Gates and
    memory are computed in float32 at least, since the memory is a running mean.

    Tags: "reset_gate", "update_gate", "candidate", "hidden", within the scan, so that `jnn.capture`
    returns ``(T, ..., features)``. Raises `JnnError` as `recurrent`, and for another D than in
    params.

    PyTorch has "after", the same order r, z, n with u called z, transposed matrices, two biases (b
    is their sum in the blocks of r and u), and draws all from
    ``U(-1/sqrt(features), 1/sqrt(features))``. Keras has the order z, r, h and "after" by default
    (``reset_after=True``); Flax has "after". Cho et al. 2014, https://arxiv.org/abs/1406.1078, have
    "before"; Chung et al. 2014 exchange u and 1 - u.

    >>> import jax, jax.numpy as jnp
    >>> layer, x = gru(4), jnp.ones((7, 3))
    >>> params, state = jax.jit(layer.init)(jax.random.key(0), x)
    >>> jax.jit(layer.apply)(params, state, x)[0].shape
    (7, 4)
    """
    check_positive("gru", features=features)
    if reset not in ("after", "before"):
        raise mistake(
            "gru",
            got=f"reset={reset!r}",
            expected="'after' (PyTorch, Keras, Flax) or 'before' (the paper)",
        )

    def init(key, x_t):
        keys, dtype = split(key), parameter_dtype(x_t)
        by_gate = for_each_gate(recurrent_init, 3)
        params = {
            "kernel": draw(kernel_init, keys[0], (x_t.shape[-1], 3 * features), dtype),
            "recurrent_kernel": by_gate(keys[1], (features, 3 * features), dtype),
            "bias": jnp.zeros(3 * features, dtype),
        }
        if reset == "after":
            params["recurrent_bias"] = jnp.zeros(features, dtype)
        return params

    def carry(params, x_t):
        h = jnp.zeros((*x_t.shape[:-1], features), memory_dtype(params, x_t))
        return {"hidden": numerics(h)}

    gates = 2 * features  # of reset and update

    def after(product, params, memory, x_t):
        h, a, d = memory["hidden"], numerics(x_t["input"]), numerics(params["recurrent_bias"])
        z = product("recurrent_kernel", h.astype(params["recurrent_kernel"].dtype))
        dtype, z = z.dtype, numerics(z)
        r, u = by_gates(sigmoid(a[..., :gates] + z[..., :gates]), 2)
        r = tag(r, "reset_gate")
        d = d.reshape((1,) * (z.ndim - 1) + d.shape)
        n = jnp.tanh(a[..., gates:] + r * (z[..., gates:] + d))
        return _blend(u, n, h, dtype)

    def before(product, params, memory, x_t):
        h, dtype = memory["hidden"], params["recurrent_kernel"].dtype
        z = product("gates", h.astype(dtype))
        r, u = by_gates(sigmoid(numerics(z)), 2)
        r = tag(r, "reset_gate")
        n = jnp.tanh(numerics(product("candidate", (r * h).astype(dtype))))
        return _blend(u, n, h, z.dtype)

    def split_kernel(params):
        kernel = params["recurrent_kernel"]
        return {"gates": kernel[:, :gates], "candidate": kernel[:, gates:]}

    shapes = {
        "kernel": (None, 3 * features),
        "recurrent_kernel": (features, 3 * features),
        "bias": (3 * features,),
        "recurrent_bias": (features,) if reset == "after" else None,
    }
    if reset == "after":
        named = lambda a: {"input": a}
        weights = lambda params: {"recurrent_kernel": params["recurrent_kernel"]}
        return cell("gru", shapes, init, carry, named, after, weights)
    named = lambda a: {"gates": a[..., :gates], "candidate": a[..., gates:]}
    return cell("gru", shapes, init, carry, named, before, split_kernel)


def _blend(u, n, h, dtype):
    u, n = tag(u, "update_gate"), tag(n, "candidate")
    h = tag(u * h + (1 - u) * n, "hidden")
    return h.astype(dtype), {"hidden": h}
