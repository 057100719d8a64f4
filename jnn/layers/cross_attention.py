"""Multi-head cross attention, from one sequence to another, the memory."""

from collections.abc import Collection

import jax
import jax.numpy as jnp

from jnn.errors import mistake
from jnn.initializers import Init, lecun_normal, zeros
from jnn.integers import check_fraction
from jnn.layers.cache import capacity_of
from jnn.layers.checks import check_carry, check_float, check_names, element_mask
from jnn.layers.dot_product import attend, check_fused, dot_product_attention, heads_first
from jnn.layers.projections import NAMES, Projections
from jnn.model import Model, carry_of, check_children, required_key, where
from jnn.precision import parameter_dtype


def cross_attention(
    heads: int,
    *,
    key_value_heads: int | None = None,
    head_features: int | None = None,
    scale: float | None = None,
    use_bias: bool | Collection[str] = True,
    dropout: float = 0.0,
    fused: bool = False,
    kernel_init: Init = lecun_normal(),
    output_init: Init | None = None,
    bias_init: Init = zeros,
) -> Model:
    """Multi-head attention from x to a memory, such as the output of an encoder.

    It is `attention` with the keys and values of the memory. x is a dict of

    ``x``            ``(..., T, D)``, the elements that attend
    ``memory``       ``(..., S, E)``
    ``memory_mask``  optional, ``(..., S)``, True where an element of the memory is real: the others
                     are not attended to, whatever they hold

    and y ``(..., T, D)``; settings, params and tags are those of `attention`. A ``mask``
    ``(..., T, S)`` says which element may attend to which of the memory; one of elements,
    ``(..., T)``, changes nothing.

    It streams over ``x``: ``carry(params, x_t, length)`` computes the keys and values of
    ``x_t["memory"]`` once, as a cache; ``step`` takes ``x`` ``(..., D)`` and ``read``
    ``(..., T, D)``, and neither needs ``memory`` again.

    Raises `JnnError` as `attention`, and for an x that is not such a dict. Source: Vaswani et al.
    2017, section 3.2.3, https://arxiv.org/abs/1706.03762.

    >>> import jax, jax.numpy as jnp
    >>> layer, x = cross_attention(2), {"x": jnp.ones((5, 8)), "memory": jnp.ones((7, 6))}
    >>> params, state = jax.jit(layer.init)(jax.random.key(0), x)
    >>> params["key"]["kernel"].shape, jax.jit(layer.apply)(params, state, x)[0].shape
    ((6, 8), (5, 8))
    """
    projections = Projections(
        caller="cross_attention",
        heads=heads,
        key_value_heads=key_value_heads,
        head_features=head_features,
        use_bias=use_bias,
        kernel_init=kernel_init,
        output_init=output_init,
        bias_init=bias_init,
    )
    dropout = check_fraction("cross_attention", "dropout", dropout, ends="[)")
    check_fused("cross_attention", fused, dropout)

    def init(key, x):
        check_names("cross_attention", x, "x", "memory")
        return projections.init(
            key, x["x"].shape[-1], x["memory"].shape[-1], parameter_dtype(x["x"])
        ), {}

    def keys_and_values(params, x, examples):
        """Keys, values ``(..., S, G, d)`` and the mask of the memory of these examples."""
        memory = x["memory"]
        check_float("memory of cross_attention", memory, min_rank=2, axes="(..., S, features)")
        if memory.shape[:-2] != examples:
            got = f"x of shape {x['x'].shape} and a memory of shape {memory.shape}"
            expected = f"a memory of shape {(*examples, *memory.shape[-2:])}"
            raise mistake("cross_attention", got=got, expected=expected)
        real = element_mask("memory of cross_attention", memory, x.get("memory_mask"))
        if real is not None:
            memory = where(real, memory, jnp.zeros_like(memory))
        return (
            projections.project("key", params, memory),
            projections.project("value", params, memory),
            real,
        )

    def apply(params, state, x, *, key=None, train=False, mask=None):
        check_children("cross_attention", NAMES, params, state)
        check_names("cross_attention", x, "x", "memory")
        check_float("cross_attention", x["x"], min_rank=2, axes="(..., T, features)")
        k, v, real = keys_and_values(params, x, x["x"].shape[:-2])
        mask = element_mask("cross_attention", x["x"], mask, keys=k.shape[-3])
        y = dot_product_attention(
            projections.project("query", params, x["x"]),
            k,
            v,
            mask=_allowed(real, mask, x["x"].ndim),
            scale=scale,
            dropout=dropout,
            key=required_key("cross_attention", key) if train and dropout > 0 else None,
            fused=fused,
        )
        return projections.merge(params, y), state

    def carry(params, x_t, length):
        check_names("cross_attention", x_t, "x", "memory")
        k, v, real = keys_and_values(params, x_t, x_t["x"].shape[:-1])
        cache = {"key": heads_first(k), "value": heads_first(v)}
        return cache if real is None else cache | {"mask": real}

    def read(params, state, carry, x, *, key=None, train=False, mask=None):
        check_children("cross_attention", NAMES, params, state)
        check_names("cross_attention", x, "x")
        k, v = carry_of("key", carry), carry_of("value", carry)
        examples, S = x["x"].shape[:-2], capacity_of(k)
        q = projections.project("query", params, x["x"])
        memory = (*examples, projections.shared_heads, S, q.shape[-1])
        check_carry("cross_attention", [k, v], [jax.ShapeDtypeStruct(memory, q.dtype)] * 2)
        mask = element_mask("cross_attention", x["x"], mask, keys=S)
        allowed = _allowed(carry.get("mask"), mask, x["x"].ndim)
        y = attend(
            heads_first(q),
            k,
            v,
            mask=None if allowed is None else allowed[..., None, :, :],
            scale=q.shape[-1] ** -0.5 if scale is None else scale,
            dropout=dropout,
            key=required_key("cross_attention", key) if train and dropout > 0 else None,
        )
        return projections.merge(params, heads_first(y)), carry

    def step(params, state, carry, x_t):
        check_names("cross_attention", x_t, "x")
        y, carry = read(params, state, carry, {"x": x_t["x"][..., None, :]})
        return y[..., 0, :], carry

    return Model(init, apply, carry, step, read)


def _allowed(real: jax.Array | None, mask: jax.Array | None, rank: int) -> jax.Array | None:
    """Which pairs of an element and one of the memory are allowed; None for all.

    ``real`` is the mask of the memory; a ``mask`` of fewer axes than ``rank`` is of elements.
    """
    pairs = mask if mask is not None and mask.ndim == rank else None
    if real is None:
        return pairs
    return real[..., None, :] if pairs is None else real[..., None, :] & pairs
