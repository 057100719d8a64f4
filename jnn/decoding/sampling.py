"""From logits to a token: temperature, top-k, top-p, min-p and a repetition penalty.

Each is a pure function that takes logits ``(..., V)`` and returns them with ``-inf`` where a token
is ruled out. The most probable token is never ruled out.
"""

import dataclasses
import math

import jax
import jax.numpy as jnp

from jnn.errors import mistake
from jnn.integers import as_number, check_integer, spelled
from jnn.precision import numerics


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sampling:
    """How the next token is chosen. The defaults draw from the model's own distribution."""

    temperature: float = 1.0
    """Logits are divided by it; 0 takes the most probable token."""
    top_k: int = 0
    """Draw among the k most probable tokens; 0 for all."""
    top_p: float = 1.0
    """Draw among the fewest most probable tokens that together have this probability."""
    min_p: float = 0.0
    """Draw among tokens at least this fraction as probable as the most probable one."""
    repetition_penalty: float = 1.0
    """Divides positive logits of tokens that occurred, multiplies negative ones; 1 for none."""

    def __post_init__(self):
        """Refuse values out of range."""
        top_k = check_integer("Sampling", "top_k", self.top_k, least=0)
        object.__setattr__(self, "top_k", top_k)
        for name, valid, expected in (
            ("temperature", lambda t: 0 <= t < math.inf, "a number >= 0"),
            ("top_p", lambda p: 0 < p <= 1, "a probability in (0, 1]"),
            ("min_p", lambda p: 0 <= p < 1, "a fraction in [0, 1)"),
            ("repetition_penalty", lambda penalty: 0 < penalty < math.inf, "a number > 0"),
        ):
            value = getattr(self, name)
            number = as_number(value)
            if number is None or not valid(number):
                raise mistake("Sampling", got=f"{name}={spelled(value)}", expected=expected)
            object.__setattr__(self, name, number)


GREEDY = Sampling(temperature=0.0)


def sample(
    key: jax.Array, logits: jax.Array, sampling: Sampling, seen: jax.Array | None = None
) -> jax.Array:
    """A token for each row of logits ``(..., V)`` -> int32 ``(...)``.

    ``seen`` ``(..., V)`` is True for the tokens that occurred. The repetition penalty is applied
    first, then the temperature, then top-k, top-p and min-p, each to the tokens the previous filter
    kept, as in Hugging Face's transformers. Computed in float32 at least.

    >>> import jax, jax.numpy as jnp
    >>> sample(jax.random.key(0), jnp.array([0.0, 3.0, 1.0]), GREEDY).item()
    1
    """
    logits = numerics(logits)
    if seen is not None and sampling.repetition_penalty != 1:
        logits = penalize_repetition(logits, seen, sampling.repetition_penalty)
    if sampling.temperature == 0:
        return _first_largest(logits)
    return _drawn(key, adjusted(logits, sampling))


VECTOR = 16
"""XLA for CPUs computes in vectors what has a multiple of so many elements, or half of it."""


def _drawn(key: jax.Array, logits: jax.Array) -> jax.Array:
    """An index of each row with the probabilities of its logits, as `jax.random.categorical` draws.

    A single row is filled up with what is never drawn: of 50,257 logits, no multiple of `VECTOR`, a
    draw takes 0.7 in place of 1.9 ms (two cores).
    """
    V = logits.shape[-1]
    if logits.size == V:
        fill = [*[(0, 0)] * (logits.ndim - 1), (0, -V % VECTOR)]
        logits = jnp.pad(logits, fill, constant_values=-jnp.inf)
    return _first_largest(logits + jax.random.gumbel(key, logits.shape, logits.dtype))


def _first_largest(x: jax.Array) -> jax.Array:
    """``argmax`` of each row, int32; of rows with a NaN the first one.

    As two reductions, before which XLA for CPUs computes x by all cores: a draw for 32 rows of
    8,192 logits takes 0.3 of the time of an ``argmax``, which computes it alone.
    """
    is_largest = (x == jnp.max(x, axis=-1, keepdims=True)) | jnp.isnan(x)
    place = jax.lax.broadcasted_iota(jnp.int32, x.shape, x.ndim - 1)
    return jnp.min(jnp.where(is_largest, place, x.shape[-1]), axis=-1)


def adjusted(logits: jax.Array, sampling: Sampling) -> jax.Array:
    """The logits that tokens are drawn from: ``-inf`` for tokens that are ruled out.

    They are divided by the temperature, which must not be 0, after the largest is subtracted, so
    that none overflows.

    >>> import jax.numpy as jnp
    >>> adjusted(jnp.array([1.0, 3.0, 2.0]), Sampling(temperature=0.5, top_k=2)).tolist()
    [-inf, 0.0, -2.0]
    """
    largest = jnp.max(logits, axis=-1, keepdims=True)
    temperature = max(float(sampling.temperature), float(jnp.finfo(logits.dtype).tiny))
    logits = jnp.where(logits == largest, 0, logits - largest) / temperature
    if sampling.top_k:
        logits = keep_top_k(logits, sampling.top_k)
    if sampling.top_p < 1:
        logits = keep_top_p(logits, sampling.top_p)
    return keep_min_p(logits, sampling.min_p) if sampling.min_p else logits


def keep_top_k(logits: jax.Array, k: int) -> jax.Array:
    """The k largest logits, and those equal to the k-th; all of them where k is at least V.

    Source: Fan, Lewis, Dauphin 2018, https://arxiv.org/abs/1805.04833.

    >>> import jax.numpy as jnp
    >>> keep_top_k(jnp.array([1.0, 3.0, 2.0]), 2).tolist()
    [-inf, 3.0, 2.0]
    """
    largest, _ = jax.lax.top_k(logits, min(k, logits.shape[-1]))
    # for a slice of them jaxlib 0.10 sorts all logits on a CPU: 50,257 in 7 in place of 0.2 ms
    least = jnp.min(largest, axis=-1, keepdims=True)
    return jnp.where(logits < least, -jnp.inf, logits)


def keep_top_p(logits: jax.Array, p: float) -> jax.Array:
    """The fewest most probable tokens whose probabilities sum to at least ``p`` (the nucleus), and
    those as probable as the last of them.

    Source: Holtzman et al. 2020, https://arxiv.org/abs/1904.09751.

    >>> import jax.numpy as jnp
    >>> keep_top_p(jnp.array([1.0, 2.0, 1.0]), 0.5).tolist()
    [-inf, 2.0, -inf]
    """
    # A subnormal p would count as 0, which no tokens at all reach too.
    least_p = jnp.maximum(p, jnp.finfo(logits.dtype).tiny)
    if jax.default_backend() == "cpu":
        return _nucleus_by_bits(logits, least_p)
    ordered = jnp.sort(logits, axis=-1, descending=True)
    probabilities = jax.nn.softmax(ordered, axis=-1)
    before = jnp.cumsum(probabilities, axis=-1) - probabilities
    least = jnp.min(jnp.where(before < least_p, ordered, jnp.inf), axis=-1, keepdims=True)
    return jnp.where(logits < least, -jnp.inf, logits)


def _nucleus_by_bits(logits: jax.Array, p: jax.Array) -> jax.Array:
    """`keep_top_p` without a sort, which takes 9 ms for 50,257 logits on a CPU; this 0.7.

    The least logit of it is found bit by bit, as the largest number such that those not below it
    have the probability p: a pass over the logits for each bit.
    """
    probabilities, ranks = jax.nn.softmax(logits, axis=-1), _in_order(logits)
    bits = 8 * ranks.dtype.itemsize

    def narrow(i, least):
        bit = jnp.left_shift(ranks.dtype.type(1), (bits - 1 - i).astype(ranks.dtype))
        larger = least | bit
        together = jnp.where(ranks >= larger[..., None], probabilities, 0).sum(axis=-1)
        return jnp.where(together >= p, larger, least)

    least = jax.lax.fori_loop(0, bits, narrow, jnp.zeros(logits.shape[:-1], ranks.dtype))
    return jnp.where(ranks < least[..., None], -jnp.inf, logits)


def _in_order(x: jax.Array) -> jax.Array:
    """Unsigned integers in the order of floats: all bits flipped of negatives, else the first."""
    unsigned = jnp.dtype(f"uint{8 * x.dtype.itemsize}")
    bits = jax.lax.bitcast_convert_type(jnp.where(x == 0, 0, x), unsigned)  # -0 is 0
    first = unsigned.type(1 << (8 * x.dtype.itemsize - 1))
    return jnp.where(bits < first, bits | first, ~bits)


def keep_min_p(logits: jax.Array, p: float) -> jax.Array:
    """The tokens at least ``p`` times as probable as the most probable one.

    Source: Nguyen et al. 2024, https://arxiv.org/abs/2407.01082.

    >>> import jax.numpy as jnp
    >>> keep_min_p(jnp.array([0.0, 2.0, 1.5]), 0.5).tolist()
    [-inf, 2.0, 1.5]
    """
    least = jnp.max(logits, axis=-1, keepdims=True) + jnp.log(p)
    return jnp.where(logits < least, -jnp.inf, logits)


def penalize_repetition(logits: jax.Array, seen: jax.Array, penalty: float) -> jax.Array:
    """The logits with tokens that were ``seen`` ``(..., V)`` made less likely.

    ``z / penalty`` where z > 0, ``z penalty`` elsewhere.

    Source: Keskar et al. 2019, https://arxiv.org/abs/1909.05858, who divide negative logits too,
    which would make those tokens more likely.

    >>> import jax.numpy as jnp
    >>> logits, seen = jnp.array([2.0, -2.0, 1.0]), jnp.array([True, True, False])
    >>> penalize_repetition(logits, seen, 2.0).tolist()
    [1.0, -4.0, 1.0]
    """
    return jnp.where(seen, jnp.where(logits > 0, logits / penalty, logits * penalty), logits)
