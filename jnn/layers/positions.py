"""Relative position encodings of attention: rotary, ALiBi, and T5's buckets of distances."""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from jnn.errors import mistake
from jnn.initializers import Init, draw, normal
from jnn.integers import check_fraction, check_number
from jnn.layers.checks import check_params, check_positive
from jnn.precision import numerics

ROUNDING = 1e-4  # 0.58 of 200 is 115.99999999999999 in float64, 115.9999990 of a float32


class Positions(NamedTuple):
    """A position encoding of `attention`, as pure functions.

        init  (key, heads, dtype)               -> params, ``{}`` if there are none
        rotate(x, position)                     -> x, rotated by position
        bias  (params, distance, heads, causal) -> what is added to the logits
        within(length)                          -> the encoding in a sequence of this length

    ``x``         queries or keys ``(..., T, H, d)``; ``position`` integers ``(..., T)``
    ``distance``  the position of the key less that of the query, ``(..., T, S)``; the bias is
                  ``(..., heads, T, S)``

    None stands for a function that an encoding does not need. The length is that of all elements,
    or of a stream the most that it may have.
    """

    init: Callable = lambda key, heads, dtype: {}
    rotate: Callable | None = None
    bias: Callable | None = None
    within: Callable[[int], "Positions"] | None = None


class RotaryScaling(NamedTuple):
    """Slower rotation, by which a model reads sequences longer than those that it was trained on.

    Every frequency is divided by ``factor``; with a ``length``, as in Llama 3, only those that make
    less than ``low`` turns over it, while those of more than ``high`` turns stay, and between the
    two the frequency is interpolated. Sources: Chen et al. 2023, https://arxiv.org/abs/2306.15595;
    Grattafiori et al. 2024, https://arxiv.org/abs/2407.21783, with the authors' code.
    """

    factor: float
    length: int = 0
    low: float = 1.0
    high: float = 4.0

    @property
    def amplitude(self) -> float:
        """What queries and keys are multiplied by."""
        return 1.0

    def scaled(self, frequency: np.ndarray) -> np.ndarray:
        """The frequencies, in radians for each element.

        >>> RotaryScaling(2.0).scaled(np.array([1.0, 0.5])).tolist()
        [0.5, 0.25]
        """
        if not self.length:
            return frequency / self.factor
        turns = frequency * self.length / (2 * math.pi)
        share = np.clip((turns - self.low) / (self.high - self.low), 0, 1)
        return (1 - share) * frequency / self.factor + share * frequency


class YarnScaling(NamedTuple):
    """YaRN: slower rotation of the slow pairs alone, and larger logits, for longer sequences.

    Pairs are counted from the fastest, i = 0, 1, ... Those up to the one of ``fast`` turns over
    ``length`` keep their frequency, those from the one of ``slow`` turns on have it divided by
    ``factor``, and between the two it is interpolated, linearly in i; with ``rounded`` these two
    numbers i are whole. Queries and keys are multiplied by ``magnitude``, in the paper
    ``1 + ln(factor) / 10``. Source: Peng et al. 2023, https://arxiv.org/abs/2309.00071, sections
    3.2 and 3.4, with the authors' code.
    """

    factor: float
    length: int
    fast: float = 32.0
    slow: float = 1.0
    magnitude: float = 1.0
    rounded: bool = True

    @property
    def amplitude(self) -> float:
        """What queries and keys are multiplied by."""
        return self.magnitude

    def scaled(self, frequency: np.ndarray) -> np.ndarray:
        """The frequencies, in radians for each element.

        >>> YarnScaling(2.0, 64, fast=8.0).scaled(np.array([1.0, 0.1, 0.01])).round(4).tolist()
        [1.0, 0.075, 0.005]
        """
        ratio = -math.log(frequency[1] / frequency[0]) if len(frequency) > 1 else math.inf
        pair = lambda turns: math.log(self.length / (2 * math.pi * turns)) / ratio
        first, last = pair(self.fast), pair(self.slow)
        if self.rounded:
            first, last = math.floor(first), math.ceil(last)
        first, last = max(first, 0), min(last, 2 * len(frequency) - 1)
        last = last if last != first else last + 0.001
        slowed = np.clip((np.arange(len(frequency)) - first) / (last - first), 0, 1)
        return slowed * frequency / self.factor + (1 - slowed) * frequency


class LongScaling(NamedTuple):
    """LongRoPE: each pair is slowed by a factor of its own, other ones in a long sequence.

    The frequency of pair i is divided by ``short[i]``, or in a sequence of more than ``length``
    elements by ``long[i]``. Queries and keys are multiplied by ``magnitude``, which for sequences
    of ``factor * length`` is ``sqrt(1 + ln(factor) / ln(length))`` in the paper. Source: Ding et
    al. 2024, https://arxiv.org/abs/2402.13753, equations 2 and 3, as in Phi-3.
    """

    short: tuple[float, ...]
    long: tuple[float, ...]
    length: int
    magnitude: float = 1.0
    is_long: bool = False

    @property
    def amplitude(self) -> float:
        """What queries and keys are multiplied by."""
        return self.magnitude

    def scaled(self, frequency: np.ndarray) -> np.ndarray:
        """The frequencies, in radians for each element.

        >>> LongScaling((1.0, 2.0), (4.0, 8.0), 64).scaled(np.array([1.0, 0.1])).tolist()
        [1.0, 0.05]
        """
        factors = self.long if self.is_long else self.short
        if len(factors) != len(frequency):
            got = f"{len(factors)} factors for {len(frequency)} pairs of features"
            raise mistake("LongScaling", got=got, expected="one for each")
        return frequency / np.array(factors)

    def within(self, length: int) -> "LongScaling":
        """The scaling in a sequence of this length."""
        return self._replace(is_long=length > self.length)


Scaling = RotaryScaling | YarnScaling | LongScaling


def rotary(
    base: float = 10000.0,
    *,
    fraction: float = 1.0,
    interleaved: bool = False,
    scaling: Scaling | None = None,
) -> Positions:
    """Rotary positions: pair i of features is rotated at position p by ``p base^(-2i/n)``.

    As complex numbers, ``a + ib`` becomes ``(a + ib) exp(i p θ)``, θ being the angle at p = 1: then
    logits depend on the distance alone. Of each head's d features the first ``n = fraction * d``,
    rounded down, are rotated, i = 0 ... n/2 - 1.

    Pairs are features i and i + n/2, as in GPT-NeoX, Llama and Hugging Face; with ``interleaved``
    features 2i and 2i + 1, as in the paper and GPT-J, which is the same up to the order of
    features. Angles are computed in float32 at least.

    Raises `JnnError` for a fraction outside of (0, 1], and in attention if n is odd. Source: Su et
    al. 2021, https://arxiv.org/abs/2104.09864, equation 34.

    >>> import jax.numpy as jnp
    >>> y = rotary().rotate(jnp.array([[[1.0, 0.0]]]), jnp.array([1]))  # by 1 radian
    >>> [round(value, 2) for value in y[0, 0].tolist()]
    [0.54, 0.84]
    """
    base = check_number("rotary", "base", base, above=0)
    fraction = check_fraction("rotary", "fraction", fraction, ends="(]")

    def rotate(x, position):
        n = int(x.shape[-1] * fraction + ROUNDING)
        if n < 2 or n % 2:
            raise mistake(
                "rotary",
                got=f"{n} features to rotate, of {x.shape[-1]} in a head",
                expected="pairs",
                remedy="Change fraction.",
            )
        h, rest = numerics(x[..., :n]), x[..., n:]
        frequency = base ** (-np.arange(0, n, 2) / n)
        if scaling is not None:
            frequency = scaling.scaled(frequency)
            h = h * scaling.amplitude if scaling.amplitude != 1 else h
        frequency = jnp.asarray(frequency, h.dtype)
        frequency = frequency.reshape((1,) * position.ndim + (-1,))
        angle = position.astype(h.dtype)[..., None] * frequency
        angle = angle.reshape((1,) * (x.ndim - angle.ndim - 1) + (*angle.shape[:-1], 1, n // 2))
        if interleaved:
            a, b = h[..., ::2], h[..., 1::2]
        else:
            a, b = h[..., : n // 2], h[..., n // 2 :]
        pair = a * jnp.cos(angle) - b * jnp.sin(angle), a * jnp.sin(angle) + b * jnp.cos(angle)
        if interleaved:
            h = jnp.stack(pair, axis=-1).reshape(h.shape)
        else:
            h = jnp.concatenate(pair, axis=-1)
        h = h.astype(x.dtype)
        return jnp.concatenate([h, rest], axis=-1) if n < x.shape[-1] else h

    if not isinstance(scaling, LongScaling):
        return Positions(rotate=rotate)

    def within(length: int) -> Positions:
        return rotary(
            base, fraction=fraction, interleaved=interleaved, scaling=scaling.within(length)
        )

    return Positions(rotate=rotate, within=within)


def alibi() -> Positions:
    """ALiBi: a bias that falls with the distance, ``-m_h |s - t|``, with a slope for each head.

    The slopes ``m_h`` are those of `alibi_slopes`; no params. The paper's attention is causal;
    ``|s - t|`` is the same there, and extends it to both directions. Source: Press et al. 2022,
    https://arxiv.org/abs/2108.12409.
    """

    def bias(params, distance, heads, causal):
        slopes = jnp.asarray(alibi_slopes(heads), jnp.result_type(float))
        slopes = slopes.reshape((1,) * (distance.ndim - 2) + (heads, 1, 1))
        return -slopes * jnp.abs(distance)[..., None, :, :].astype(slopes.dtype)

    return Positions(bias=bias)


def alibi_slopes(heads: int) -> np.ndarray:
    """A geometric sequence: ``m_h = 2^(-8h/n)``, h = 1 ... n.

    If n is not a power of two, the slopes are those of the power p below it, then every other one
    of 2p, as in the authors' code.

    >>> alibi_slopes(3).tolist()
    [0.0625, 0.00390625, 0.25]
    """
    power = 2 ** math.floor(math.log2(heads))
    slopes = lambda n: 2.0 ** (-8 * np.arange(1, n + 1) / n)
    return np.concatenate([slopes(power), slopes(2 * power)[::2][: heads - power]])


def relative_buckets(
    buckets: int = 32, max_distance: int = 128, *, embedding_init: Init = normal(0.02)
) -> Positions:
    """T5's relative positions: a learned bias for each head and each bucket of distances.

    Each short distance has a bucket of its own, and longer ones share wider buckets, up to
    ``max_distance``; params ``embedding`` ``(buckets, heads)``. In causal attention all buckets are
    for keys before the query; otherwise one half is for keys before and the other for keys after
    it. T5 has one such table for all layers of a stack.

    Source: Raffel et al. 2020, https://arxiv.org/abs/1910.10683, section 2.1; buckets as in the
    authors' code, `bucket_of`.
    """
    check_positive("relative_buckets", buckets=buckets, max_distance=max_distance)
    if buckets % 2 or buckets < 4 or max_distance <= buckets // 2:
        raise mistake(
            "relative_buckets",
            got=f"buckets={buckets}, max_distance={max_distance}",
            expected="an even number of buckets, at least 4, and max_distance > buckets / 2",
        )

    def init(key, heads, dtype):
        return {"embedding": draw(embedding_init, key, (buckets, heads), dtype)}

    def bias(params, distance, heads, causal):
        check_params("relative_buckets", params, embedding=(buckets, heads))
        distances = np.arange(-max_distance, max_distance + 1)
        bucket = bucket_of(distances, buckets, max_distance, causal)
        table = params["embedding"][jnp.asarray(bucket)]
        index = jnp.clip(distance, -max_distance, max_distance) + max_distance
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
    # Powers of the ratio fall on integers: rounding must not move such a distance one bucket down.
    steps = np.log(np.maximum(n, exact) / exact) / np.log(max_distance / exact) * (buckets - exact)
    far = np.minimum(exact + np.floor(steps + 1e-9).astype(int), buckets - 1)
    return first + np.where(n < exact, n, far)
