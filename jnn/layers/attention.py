"""Multi-head self-attention."""

from collections.abc import Collection

import jax
import jax.numpy as jnp

from jnn.errors import mistake
from jnn.initializers import Init, lecun_normal, zeros
from jnn.integers import check_fraction
from jnn.layers import cache
from jnn.layers.checks import (
    check_carry,
    check_float,
    check_positive,
    element_mask,
)
from jnn.layers.dot_product import attend, check_fused, dot_product_attention, heads_first, visible
from jnn.layers.positions import Positions
from jnn.layers.projections import NAMES, Projections
from jnn.model import Model, carry_of, check_children, check_key, named, required_key, where
from jnn.precision import parameter_dtype
from jnn.threefry import split

NO_POSITIONS = Positions()


def attention(
    heads: int,
    *,
    key_value_heads: int | None = None,
    head_features: int | None = None,
    causal: bool = False,
    window: int | None = None,
    positions: Positions | None = None,
    scale: float | None = None,
    query_norm: Model | None = None,
    use_bias: bool | Collection[str] = True,
    dropout: float = 0.0,
    fused: bool = False,
    kernel_init: Init = lecun_normal(),
    output_init: Init | None = None,
    bias_init: Init = zeros,
) -> Model:
    """Multi-head self-attention.

        y = [head_1 ... head_H] W_o,   head_h = dot_product_attention(x W_q, x W_k, x W_v)

    x ``(..., T, D)`` -> y ``(..., T, D)``; params ``query``, ``key``, ``value`` and ``output``,
    each a ``kernel`` and, by ``use_bias``, a ``bias``, and ``positions`` if these have params.

    ``key_value_heads``  fewer than ``heads``, and a divisor of it: grouped-query attention, or
                         multi-query attention with 1
    ``head_features``    features of each head, by default ``D / heads``
    ``causal``           whether elements attend only to themselves and earlier ones; the model then
                         streams
    ``window``           elements attend only to those at a distance below this
    ``positions``        `rotary`, `alibi` or `relative_buckets`; by default none: without positions
                         and mask the order of x plays no role
    ``scale``            of the logits, by default ``head_features ** -0.5`` (T5 has 1)
    ``query_norm``       a norm over the features of each head, of queries and of keys, before they
                         are rotated, with params ``query_norm`` and ``key_norm`` (Qwen3)
    ``use_bias``         whether there are biases, or the names of the params that have one
    ``dropout``          of the weights, in training
    ``fused``            see `dot_product_attention`; streaming is never fused
    ``output_init``      of the output's kernel, by default ``kernel_init``

    ``mask`` ``(..., T)`` is True where an element is real: the others are not attended to, whatever
    they hold, and positions count real elements. A mask with as many axes as x, ``(..., T, T)``,
    says which query (row) may attend to which key, for packed documents or any other pattern;
    positions are then those in the row. Attention to nothing gives 0, and then y is the output's
    bias.

    The carry of a stream is a key-value cache, plain data: ``key`` and ``value``
    ``(..., key_value_heads, length, head_features)``, keys rotated to their positions, and
    ``position`` ``(...,)``, how many elements each example has read. Where ``positions`` depend on
    the length of the sequence, ``within`` ``(..., length, 0)`` has that length in its shape, and no
    elements; `generate` keeps it while the cache grows. More elements than slots raise `JnnError`;
    under ``jax.jit``, where the count is not known, y is NaN from there on, and nothing is
    overwritten.

    Tags: "query", "key", "value", "weights". Raises `JnnError` for heads that do not divide D, a
    mask of another shape, another D than in params, and integer x.

    PyTorch's ``MultiheadAttention`` has the three kernels transposed in one ``in_proj_weight``, and
    its masks are True where this one's are False. Source: Vaswani et al. 2017,
    https://arxiv.org/abs/1706.03762.

    >>> import jax, jax.numpy as jnp
    >>> layer, x = attention(2, causal=True), jnp.ones((5, 8))
    >>> params, state = jax.jit(layer.init)(jax.random.key(0), x)
    >>> y, state = jax.jit(layer.apply)(params, state, x)
    >>> y_t, carry = layer.step(params, state, layer.carry(params, x[0], length=5), x[0])
    >>> bool(jnp.allclose(y_t, y[0], atol=1e-6)), int(carry["position"])
    (True, 1)
    """
    projections = Projections(
        caller="attention",
        heads=heads,
        key_value_heads=key_value_heads,
        head_features=head_features,
        use_bias=use_bias,
        kernel_init=kernel_init,
        output_init=output_init,
        bias_init=bias_init,
    )
    encoding = NO_POSITIONS if positions is None else positions
    dropout = check_fraction("attention", "dropout", dropout, ends="[)")
    if window is not None:
        check_positive("attention", window=window)
    check_fused("attention", fused, dropout)

    def init(key, x):
        check_float("attention", x, min_rank=1)
        check_key("attention", key)
        projections_key, positions_key = split(key)
        params = projections.init(projections_key, x.shape[-1], x.shape[-1], parameter_dtype(x))
        if query_norm is not None:
            d = params["query"]["kernel"].shape[-1] // heads
            of_head = jax.ShapeDtypeStruct((d,), parameter_dtype(x))
            for name in ("query_norm", "key_norm"):
                params |= named(name, query_norm.init(projections_key, of_head)[0])
        of_positions = encoding.init(positions_key, heads, parameter_dtype(x))
        return params | named("positions", of_positions), {}

    parts = NAMES if query_norm is None else (*NAMES, "query_norm", "key_norm")
    parts = parts if encoding.bias is None else (*parts, "positions")

    def project(params, x, position, length):
        rotate = encoding.within(length).rotate if encoding.within else encoding.rotate
        q, k, v = (projections.project(name, params, x) for name in ("query", "key", "value"))
        if query_norm is not None:
            q, k = (
                query_norm.apply(params.get(f"{name}_norm", {}), {}, a)[0]
                for name, a in (("query", q), ("key", k))
            )
        if rotate is not None:
            q, k = rotate(q, position), rotate(k, position)
        return q, k, v

    def bias_of(params, distance):
        if encoding.bias is None:
            return None
        return encoding.bias(params.get("positions", {}), distance, heads, causal)

    def apply(params, state, x, *, key=None, train=False, mask=None):
        check_children("attention", parts, params, state)
        check_float("attention", x, min_rank=2, axes="(..., T, features)")
        mask = element_mask("attention", x, mask, keys=x.shape[-2])
        real, pairs = (None, mask) if mask is not None and mask.ndim == x.ndim else (mask, None)
        x = x if real is None else where(real, x, jnp.zeros_like(x))
        position = cache.positions(real, x.shape[-2])
        distance = position[..., None, :] - position[..., :, None]
        allowed, reach = pairs, window
        if real is not None:
            # Positions count real elements, and so does the window.
            allowed, reach = real[..., None, :] & visible(distance, False, window), None
        y = dot_product_attention(
            *project(params, x, position, x.shape[-2]),
            mask=allowed,
            bias=bias_of(params, distance),
            scale=scale,
            causal=causal,
            window=reach,
            dropout=dropout,
            key=required_key("attention", key) if train and dropout > 0 else None,
            fused=fused,
        )
        return projections.merge(params, y), state

    def carry(params, x_t, length):
        check_positive("attention", length=length)
        k = jax.eval_shape(lambda x_t: projections.project("key", params, x_t), x_t)
        *batch, shared_heads, size = k.shape
        empty = jnp.zeros((*batch, shared_heads, length, size), k.dtype)
        memory = {"key": empty, "value": empty, "position": jnp.zeros(batch, jnp.int32)}
        if encoding.within is None:
            return memory
        return memory | {"within": jnp.zeros((*batch, length, 0), k.dtype)}

    def read(params, state, carry, x, *, key=None, train=False, mask=None):
        check_children("attention", parts, params, state)
        check_float("attention", x, min_rank=2, axes="(..., T, features)")
        mask = element_mask("attention", x, mask, keys=x.shape[-2])
        if mask is not None and mask.ndim == x.ndim:
            raise mistake(
                "attention",
                got="a mask of pairs",
                expected="one of elements (..., T) to read a stream",
                remedy="Call apply.",
            )
        before, keys, values = (carry_of(name, carry) for name in ("position", "key", "value"))
        check_carry("attention", before, jax.ShapeDtypeStruct(x.shape[:-2], jnp.int32))
        T, capacity = x.shape[-2], cache.capacity_of(keys)
        x = x if mask is None else where(mask, x, jnp.zeros_like(x))
        position, count = cache.advance(before, T, mask)
        length = cache.capacity_of(carry["within"]) if "within" in carry else capacity
        q, k, v = project(params, x, position, length)
        cached = jax.ShapeDtypeStruct(
            (*x.shape[:-2], *k.shape[-2:-1], capacity, k.shape[-1]), k.dtype
        )
        check_carry("attention", [keys, values], [cached, cached])
        cache.check_room("attention", before, T, mask, capacity)
        k = cache.write(keys, k, position, mask)
        v = cache.write(values, v, position, mask)
        place = jnp.arange(capacity, dtype=position.dtype).reshape((1,) * position.ndim + (-1,))
        distance = place - position[..., None]
        y = attend(
            heads_first(q),
            k,
            v,
            mask=visible(distance, True, window)[..., None, :, :],
            bias=bias_of(params, distance),
            scale=q.shape[-1] ** -0.5 if scale is None else scale,
            dropout=dropout,
            key=required_key("attention", key) if train and dropout > 0 else None,
        )
        y = projections.merge(params, heads_first(y))
        has_room = (count <= capacity).reshape(count.shape + (1,) * (y.ndim - count.ndim))
        y = jnp.where(has_room, y, jnp.nan)  # no array of NaN, which jax_debug_nans refuses
        return y, carry | {"key": k, "value": v, "position": count}

    def step(params, state, carry, x_t):
        y, carry = read(params, state, carry, x_t[..., None, :])
        return y[..., 0, :], carry

    if not causal:
        return Model(init, apply)
    return Model(init, apply, carry, step, read)
