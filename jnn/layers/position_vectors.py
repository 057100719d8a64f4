"""Absolute position encodings, vectors that are added to the features of each element."""

import jax
import jax.numpy as jnp
import numpy as np

from jnn.errors import mistake
from jnn.initializers import Init, draw, normal
from jnn.integers import check_integer, check_number
from jnn.layers import cache
from jnn.layers.checks import (
    check_carry,
    check_features,
    check_float,
    check_params,
    check_positive,
    element_mask,
)
from jnn.model import Model, carry_of, check_key
from jnn.precision import numerics, parameter_dtype


def learned_positions(length: int, *, first: int = 0, embedding_init: Init = normal(0.02)) -> Model:
    """Add a learned vector for each position: ``y_t = x_t + embedding[t]``, t = 0 ... length - 1.

    x ``(..., T, D)`` -> y ``(..., T, D)``; params ``embedding`` ``(length, D)``, drawn from
    N(0, 0.02²) as in GPT-2 and BERT. With ``first``, as in OPT and RoBERTa, the table has as many
    rows more, before that of the first position, which are not used. With a mask, only real
    elements are counted. It streams: the carry is ``position`` ``(...,)``, how many elements each
    example has read.

    A sequence longer than ``length`` raises `JnnError`; under ``jax.jit``, where the count of a
    stream and of a mask is not known, y is NaN for elements beyond it.

    >>> import jax, jax.numpy as jnp
    >>> layer, x = learned_positions(10), jnp.zeros((4, 3))
    >>> params, state = layer.init(jax.random.key(0), x)
    >>> bool((layer.apply(params, state, x)[0] == params["embedding"][:4]).all())
    True
    """
    check_positive("learned_positions", length=length)
    first = check_integer("learned_positions", "first", first, least=0)

    def init(key, x):
        check_float("learned_positions", x, min_rank=1)
        check_key("learned_positions", key)
        shape = (first + length, x.shape[-1])
        return {"embedding": draw(embedding_init, key, shape, parameter_dtype(x))}, {}

    def vectors(params, x, position):
        check_params("learned_positions", params, embedding=(first + length, None))
        check_features("learned_positions", x, params["embedding"].shape[1])
        # A masked element before all real ones has the position -1.
        rows = jnp.asarray(params["embedding"]).at[jnp.maximum(position, 0) + first]
        return rows.get(mode="fill", fill_value=jnp.nan)

    return _adding("learned_positions", init, vectors, length)


def sinusoidal_positions(base: float = 10000.0, *, interleaved: bool = True) -> Model:
    """Add sines and cosines of decreasing frequency: ``y_t = x_t + p_t``.

        p_t[2i] = sin(t base^(-2i/D)),   p_t[2i + 1] = cos(t base^(-2i/D))

    x ``(..., T, D)`` of any length, D even -> y ``(..., T, D)``; no params. ``interleaved=False``
    has all sines before all cosines, as the code of tensor2tensor. Counts and streams as
    `learned_positions`; angles are in float32 at least. Raises `JnnError` for an odd D.

    Source: Vaswani et al. 2017, section 3.5, https://arxiv.org/abs/1706.03762.

    >>> import jax.numpy as jnp
    >>> sinusoidal_positions().apply({}, {}, jnp.zeros((1, 4)))[0].tolist()
    [[0.0, 1.0, 0.0, 1.0]]
    """
    base = check_number("sinusoidal_positions", "base", base, above=0)

    def init(key, x):
        check_float("sinusoidal_positions", x, min_rank=1)
        _check_even(x)
        return {}, {}

    def vectors(params, x, position):
        _check_even(x)
        dtype, D = numerics(x).dtype, x.shape[-1]
        frequency = jnp.asarray(base ** (-np.arange(0, D, 2) / D), dtype)
        angle = position.astype(dtype)[..., None] * frequency.reshape((1,) * position.ndim + (-1,))
        waves = jnp.sin(angle), jnp.cos(angle)
        if not interleaved:
            return jnp.concatenate(waves, axis=-1)
        return jnp.stack(waves, axis=-1).reshape(*angle.shape[:-1], D)

    return _adding("sinusoidal_positions", init, vectors, None)


def _adding(caller: str, init, vectors, length: int | None) -> Model:
    """The model of ``y = x + vectors(params, x, position)``, for sequences up to ``length``."""

    def check_length(T: int) -> None:
        if length is not None and length < T:
            raise mistake(
                caller,
                got=f"a sequence of {T} elements",
                expected=f"at most {length}",
                remedy="Increase length, or truncate x.",
            )

    def add(params, x, position):
        p = vectors(params, x, position).astype(x.dtype)
        return x + p.reshape((1,) * (x.ndim - p.ndim) + p.shape)

    def apply(params, state, x, *, key=None, train=False, mask=None):
        check_float(caller, x, min_rank=2, axes="(..., T, features)")
        mask = element_mask(caller, x, mask)
        if length is not None:
            check_length(cache.most_real(mask, x.shape[-2]))
        return add(params, x, cache.positions(mask, x.shape[-2])), state

    def carry(params, x_t, length):
        check_length(length)
        return {"position": jnp.zeros(x_t.shape[:-1], jnp.int32)}

    def read(params, state, carry, x, *, key=None, train=False, mask=None):
        check_float(caller, x, min_rank=2, axes="(..., T, features)")
        mask = element_mask(caller, x, mask)
        position = carry_of("position", carry)
        check_carry(caller, position, jax.ShapeDtypeStruct(x.shape[:-2], jnp.int32))
        if length is not None:
            cache.check_room(caller, position, x.shape[-2], mask, length)
        position, count = cache.advance(position, x.shape[-2], mask)
        return add(params, x, position), {"position": count}

    def step(params, state, carry, x_t):
        y, carry = read(params, state, carry, x_t[..., None, :])
        return y[..., 0, :], carry

    apply.__qualname__ = caller
    return Model(init, apply, carry, step, read)


def _check_even(x) -> None:
    if x.shape[-1] % 2:
        raise mistake(
            "sinusoidal_positions",
            got=f"{x.shape[-1]} features",
            expected="an even number, a sine and a cosine each",
        )
