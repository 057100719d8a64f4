"""Long short-term memory."""

import jax.numpy as jnp

from jnn.errors import mistake
from jnn.initializers import draw, lecun_normal, orthogonal
from jnn.integers import check_number
from jnn.layers.cells import by_gates, cell, for_each_gate, memory_dtype, sigmoid
from jnn.layers.checks import check_positive
from jnn.model import Model
from jnn.precision import numerics, parameter_dtype
from jnn.tags import tag
from jnn.threefry import split


def lstm(
    features: int,
    *,
    forget_bias: float = 1.0,
    peephole: bool = False,
    projection: int | None = None,
    kernel_init=lecun_normal(),
    recurrent_init=orthogonal(),
) -> Model:
    """Long short-term memory.

        i, f, g, o = x_t W + h_{t-1} R + b      four blocks of ``features`` columns, in this order
        c_t = σ(f) c_{t-1} + σ(i) tanh(g)
        h_t = σ(o) tanh(c_t),  y_t = h_t

    x ``(..., T, D)`` -> y ``(..., T, features)``; params ``kernel`` W ``(D, 4 features)``,
    ``recurrent_kernel`` R ``(features, 4 features)``, drawn block by block, ``bias``
    ``(4 features,)``, zero but for ``forget_bias`` in the block of f. The memory,
    ``{"hidden": (..., features), "cell": (..., features)}``, starts at zero. With a ``mask``
    ``(..., T)``, padding changes nothing.

    ``peephole``    the gates depend on the cell: ``i + p_i c_{t-1}``, ``f + p_f c_{t-1}``,
                    ``o + p_o c_t``, params ``peephole`` ``(3, features)`` in the order i, f, o, at
                    first zero (Gers et al. 2002, https://www.jmlr.org/papers/v3/gers02a.html).
    ``projection``  the number of features of h, ``h_t = (σ(o) tanh(c_t)) P``, params ``projection``
                    P ``(features, projection)``; then R is ``(projection, 4 features)`` and y
                    ``(..., T, projection)`` (Sak et al. 2014, https://arxiv.org/abs/1402.1128).

    Gates and cell are computed in float32 at least, since the cell is a running sum. Tags:
    "input_gate", "forget_gate", "candidate", "output_gate", "cell", "hidden", within the scan, so
    that `jnn.capture` returns ``(T, ..., features)``. Raises `JnnError` as `recurrent`, and for
    another D than in params.

    PyTorch has the same order of gates, transposed matrices, two biases of which this is the sum
    and a forget bias of 0, and draws all from ``U(-1/sqrt(features), 1/sqrt(features))``. Keras has
    the order i, f, g, o and a forget bias of 1; Flax's ``OptimizedLSTMCell`` has one matrix for
    each gate and a forget bias of 0.

    Source: Hochreiter & Schmidhuber 1997, https://doi.org/10.1162/neco.1997.9.8.1735; forget gate:
    Gers et al. 2000.

    >>> import jax, jax.numpy as jnp, jnn
    >>> layer, x = lstm(4), jnp.ones((7, 3))
    >>> params, state = jax.jit(layer.init)(jax.random.key(0), x)
    >>> y, values = jnn.capture(layer.apply)(params, state, x)
    >>> y[0].shape, values["forget_gate"].shape
    ((7, 4), (7, 4))
    """
    check_positive("lstm", features=features)
    if projection is not None:
        check_positive("lstm", projection=projection)
    forget_bias = check_number("lstm", "forget_bias", forget_bias)
    if not isinstance(peephole, bool):
        raise mistake("lstm", got=f"peephole={peephole!r}", expected="True or False")
    outputs = features if projection is None else projection

    def init(key, x_t):
        keys, dtype = split(key, 3), parameter_dtype(x_t)
        by_gate = for_each_gate(recurrent_init, 4)
        params = {
            "kernel": draw(kernel_init, keys[0], (x_t.shape[-1], 4 * features), dtype),
            "recurrent_kernel": by_gate(keys[1], (outputs, 4 * features), dtype),
            "bias": jnp.zeros(4 * features, dtype).at[features : 2 * features].set(forget_bias),
        }
        if peephole:
            params["peephole"] = jnp.zeros((3, features), dtype)
        if projection is not None:
            params["projection"] = draw(kernel_init, keys[2], (features, projection), dtype)
        return params

    def carry(params, x_t):
        h = jnp.zeros((*x_t.shape[:-1], outputs), memory_dtype(params, x_t))
        return {"hidden": h, "cell": numerics(jnp.zeros((*x_t.shape[:-1], features), h.dtype))}

    def step(product, params, memory, x_t):
        h, c = memory["hidden"], memory["cell"]
        row = lambda p: p.reshape((1,) * (c.ndim - 1) + (-1,))
        z = numerics(product("recurrent_kernel", h))
        if peephole:
            p_i, p_f, p_o = map(row, numerics(params["peephole"]))
            zero = jnp.zeros_like(c)
            z = z + jnp.concatenate([p_i * c, p_f * c, zero, zero], axis=-1)
        # One tanh for all gates, as σ(z) = 1/2 + 1/2 tanh(z/2): block by block, a CPU takes 1.4
        # times as long for the step.
        scale = row(jnp.repeat(jnp.array([0.5, 0.5, 1, 0.5], z.dtype), features))
        i, f, g, o = by_gates(scale * jnp.tanh(scale * z) + (1 - scale), 4)
        i, f, g = tag(i, "input_gate"), tag(f, "forget_gate"), tag(g, "candidate")
        c = tag(f * c + i * g, "cell")
        o = tag(sigmoid(by_gates(z, 4)[3] + p_o * c) if peephole else o, "output_gate")
        m = (o * jnp.tanh(c)).astype(h.dtype)
        h = tag(m if projection is None else product("projection", m), "hidden")
        return h, {"hidden": h, "cell": c}

    names = ("recurrent_kernel",) if projection is None else ("recurrent_kernel", "projection")
    named = lambda a: {"recurrent_kernel": a}
    weights = lambda params: {name: params[name] for name in names}
    shapes = {
        "kernel": (None, 4 * features),
        "recurrent_kernel": (outputs, 4 * features),
        "bias": (4 * features,),
        "peephole": (3, features) if peephole else None,
        "projection": None if projection is None else (features, projection),
    }
    return cell("lstm", shapes, init, carry, named, step, weights)
