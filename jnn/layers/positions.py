"""Positions inside of attention: a rotation of queries and keys, or a bias of the logits, by how
far apart they are.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from jnn.errors import mistake
from jnn.initializers import Init, normal
from jnn.layers.checks import check_positive
from jnn.precision import numerics


class Positions(NamedTuple):
    """How `attention` knows where elements are: pure functions, of which each kind of positions has
    some.

    ``init(key, heads, dtype)``                     -> params of its own, ``{}`` where it has none
    ``rotate(x, position)``                         -> queries or keys ``(..., T, H, d)`` turned by their positions, integers ``(..., T)``
    ``bias(params, distance, heads, causal)``       -> what is added to the logits, ``(..., heads, T, S)``; ``distance`` ``(..., T, S)`` is
    the
                                                       position of the key less that of the query
    """

    init: Callable = lambda key, heads, dtype: {}
    rotate: Callable | None = None
    bias: Callable | None = None


def rotary(base: float = 10000.0, *, fraction: float = 1.0, interleaved: bool = False) -> Positions:
    """Turn pair i of features, i = 0 ... n/2 - 1, at position p by the angle ``p base^(-2i/n)``:
    logits see the distance alone.

    As complex numbers, ``a + ib`` becomes ``(a + ib) exp(i p θ)``, θ the angle at p = 1. Of each
    head's d features the first ``n = fraction * d`` are turned. Pairs are features i and i + n/2,
    as in GPT-NeoX, Llama and Hugging Face; with ``interleaved`` features 2i and 2i + 1, as in the
    paper and GPT-J: the same up to an order of the features. Angles are computed in float32 at
    least. Raises `JnnError` for a fraction outside of (0, 1], and in attention where n is odd.
    Source: Su et al. 2021, https://arxiv.org/abs/2104.09864, equation 34.

    >>> import jax.numpy as jnp
    >>> y = rotary().rotate(jnp.array([[[1.0, 0.0]]]), jnp.array([1]))  # by 1 radian
    >>> [round(value, 2) for value in y[0, 0].tolist()]
    [0.54, 0.84]
    """
    if not isinstance(fraction, int | float) or not 0 < fraction <= 1 or not base > 0:
        raise mistake(
            "rotary",
            got=f"base={base!r}, fraction={fraction!r}",
            expected="base > 0 and a fraction in (0, 1]",
        )

    def rotate(x, position):
        n = int(x.shape[-1] * fraction)
        if n < 2 or n % 2:
            raise mistake(
                "rotary",
                got=f"{n} features to turn, of {x.shape[-1]} in a head",
                expected="pairs",
                remedy="Change fraction.",
            )
        turned, rest = numerics(x[..., :n]), x[..., n:]
        frequency = jnp.asarray(base ** (-np.arange(0, n, 2) / n), turned.dtype)
        angle = position.astype(turned.dtype)[..., None] * frequency.reshape(
            (1,) * position.ndim + (-1,)
        )
        angle = angle.reshape((1,) * (x.ndim - angle.ndim - 1) + (*angle.shape[:-1], 1, n // 2))
        a, b = (
            (turned[..., ::2], turned[..., 1::2])
            if interleaved
            else (turned[..., : n // 2], turned[..., n // 2 :])
        )
        pair = a * jnp.cos(angle) - b * jnp.sin(angle), a * jnp.sin(angle) + b * jnp.cos(angle)
        turned = (
            jnp.stack(pair, axis=-1).reshape(turned.shape)
            if interleaved
            else jnp.concatenate(pair, axis=-1)
        )
        return (
            jnp.concatenate([turned.astype(x.dtype), rest], axis=-1)
            if n < x.shape[-1]
            else turned.astype(x.dtype)
        )

    return Positions(rotate=rotate)


def alibi() -> Positions:
    """Lower each logit by the distance, head by head: ``bias = -m_h |s - t|`` with the slopes
    ``m_h`` of `alibi_slopes`; no params.

    The paper is causal; |s - t| is the same there, and serves in both directions. Source: Press et
    al. 2022, https://arxiv.org/abs/2108.12409.
    """

    def bias(params, distance, heads, causal):
        slopes = jnp.asarray(alibi_slopes(heads), jnp.result_type(float))
        slopes = slopes.reshape((1,) * (distance.ndim - 2) + (heads, 1, 1))
        return -slopes * jnp.abs(distance)[..., None, :, :].astype(slopes.dtype)

    return Positions(bias=bias)


def alibi_slopes(heads: int) -> np.ndarray:
    """A geometric sequence: ``m_h = 2^(-8h/n)``, h = 1 ... n. For n no power of two, those of the
    power p below it, then every other one of 2p, as in the authors' code.

    >>> alibi_slopes(3).tolist()
    [0.0625, 0.00390625, 0.25]
    """
    power = 2 ** math.floor(math.log2(heads))
    slopes = lambda n: 2.0 ** (-8 * np.arange(1, n + 1) / n)
    return np.concatenate([slopes(power), slopes(2 * power)[::2][: heads - power]])


def relative_buckets(
    buckets: int = 32, max_distance: int = 128, *, embedding_init: Init = normal(0.02)
) -> Positions:
    """A learned bias for each head and each bucket of distances: one for each short distance, then
    wider ones, up to ``max_distance``.

    params ``embedding`` ``(buckets, heads)``. In causal attention, all buckets are for keys behind
    the query; otherwise one half is for keys behind and the other for keys ahead. T5 has one such
    table for all layers of a stack. Source: Raffel et al. 2020, https://arxiv.org/abs/1910.10683,
    section 2.1; buckets as in the authors' code, `bucket_of`.
    """
    check_positive("relative_buckets", buckets=buckets, max_distance=max_distance)
    if buckets % 2 or buckets < 4 or max_distance <= buckets // 2:
        raise mistake(
            "relative_buckets",
            got=f"buckets={buckets}, max_distance={max_distance}",
            expected="an even number of buckets, at least 4, and max_distance > buckets / 2",
        )

    def init(key, heads, dtype):
        return {"embedding": embedding_init(key, (buckets, heads), dtype)}

    def bias(params, distance, heads, causal):
        reach = jnp.arange(-max_distance, max_distance + 1)
        table = params["embedding"][
            jnp.asarray(
                bucket_of(np.arange(-max_distance, max_distance + 1), buckets, max_distance, causal)
            )
        ]
        index = jnp.clip(distance, reach[0], reach[-1]) + max_distance
        return jnp.moveaxis(table[index], -1, -3)

    return Positions(init=init, bias=bias)


def bucket_of(distance: np.ndarray, buckets: int, max_distance: int, causal: bool) -> np.ndarray:
    """T5's bucket of each distance from query to key.

    >>> bucket_of(np.array([1, 0, -1, -15, -16, -30, -1000]), 32, 128, causal=True).tolist()
    [0, 0, 1, 15, 16, 20, 31]
    """
    first = np.zeros_like(distance)
    if causal:
        n = np.maximum(-distance, 0)
    else:
        buckets //= 2
        first, n = np.where(distance > 0, buckets, 0), np.abs(distance)
    exact = buckets // 2
    # Powers of the ratio fall on integers: rounding must not put such a distance into the bucket
    # below.
    steps = np.log(np.maximum(n, exact) / exact) / np.log(max_distance / exact) * (buckets - exact)
    far = np.minimum(exact + np.floor(steps + 1e-9).astype(int), buckets - 1)
    return first + np.where(n < exact, n, far)
