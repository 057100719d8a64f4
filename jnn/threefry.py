"""Random bits on a CPU: the hash of JAX's keys, written out, which XLA fuses with its readers.

JAX compiles Threefry-2x32 for a CPU as a loop over groups of its rounds, through arrays in memory.
Written out, the bits are the same. Time of a step with dropout, many steps in one dispatch, and of
its compilation, over that with JAX's loop, two cores with AVX-512:

                                       jax 0.10.2        jax 0.12
                                     step  compiling   step  compiling
    MLP 784-1024-1024-10             0.99    0.87      0.94    0.85
    CNN of two convolutions          0.86    0.63      0.83    0.86
    two LSTMs of 256                 0.92    0.69      0.90    0.80
    GPT of 4 x 128                   0.90    0.85      0.87    0.66

``python -m benchmarks dropout dropout_weights`` has dropout alone: a third to a sixth of the time.

NumPy has the same hash here, for numbers that a program would only read.
"""

import contextlib
import contextvars
import functools
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.custom_batching
import jax.extend.random
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer
from jax.extend.core import ClosedJaxpr, jaxpr_as_fun

THREEFRY = jax.extend.random.threefry_prng_impl
NAME = "threefry2x32"


def unrolled(key: jax.Array) -> jax.Array:
    """``key`` for a draw: functions of `jax.random` make the same bits of it, faster on a CPU.

    For the draw alone, not to be kept: it is of another type than ``key``, with which JAX does not
    mix it. Other backends, keys that are not of Threefry, and legacy keys are left as they are.

    For draws whose arithmetic is exact, as of ``bernoulli`` and ``randint``. XLA fuses a ``normal``
    with the hash, too: its last bits may be others then, and where the last axis is short it takes
    up to five times as long. Initializers use it all the same: they are compiled for one draw.

    >>> key = jax.random.key(0)
    >>> bool((jax.random.bits(unrolled(key), (100,)) == jax.random.bits(key, (100,))).all())
    True
    """
    if jax.default_backend() != "cpu" or not _is_threefry(key):
        return key
    return jax.random.wrap_key_data(jax.random.key_data(key), impl=_UNROLLED)


def _is_threefry(key: jax.Array) -> bool:
    is_key = hasattr(key, "dtype") and jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
    return is_key and str(jax.random.key_impl(key)) == NAME


def _bits(key: jax.Array, width: int, shape: tuple[Any, ...]) -> jax.Array:
    """JAX's random bits of a key ``(2,)``: the hash of each element's number, its words XORed."""
    is_plain = all(isinstance(n, int) for n in shape) and math.prod(shape) < 2**32
    by_number = getattr(jax.config, "jax_threefry_partitionable", True)
    if width > 32 or not is_plain or not by_number:
        return THREEFRY.random_bits(key, width, shape)
    numbers = jnp.zeros(shape, jnp.uint32)
    for axis, n in enumerate(shape):
        place = lax.broadcasted_iota(jnp.uint32, shape, axis)
        numbers = numbers * np.uint32(n) + place
    high, low = _threefry(key[0], key[1], jnp.zeros(shape, jnp.uint32), numbers)
    return (high ^ low).astype(f"uint{width}")


def _threefry(k0: Any, k1: Any, x: Any, y: Any):
    """Threefry-2x32 with 20 rounds, of words x and y, arrays of JAX or NumPy.

    Source: Salmon et al. 2011, Parallel random numbers: as easy as 1, 2, 3.
    """
    keys = k0, k1, k0 ^ k1 ^ np.uint32(0x1BD11BDA)
    x, y = x + keys[0], y + keys[1]
    for group in range(5):
        for distance in ((13, 15, 26, 6), (17, 29, 16, 24))[group % 2]:
            x = x + y
            y = x ^ (y << np.uint32(distance) | y >> np.uint32(32 - distance))
        x = x + keys[(group + 1) % 3]
        y = y + keys[(group + 2) % 3] + np.uint32(group + 1)
    return x, y


def key_words(key: jax.Array) -> np.ndarray | None:
    """The words of a key, or of several, (..., 2) uint32, by which NumPy draws as `jax.random`.

    For integers that a program would only read: it need not compile the hash then. None for a key
    that is not of Threefry, or is legacy.

    >>> key = jax.random.key(0)
    >>> drawn = jax.random.bits(jax.random.fold_in(key, 7), 5)
    >>> np.array_equal(bits(folded(key_words(key), 7), 5), drawn)
    True
    """
    if not _is_threefry(key) or not getattr(jax.config, "jax_threefry_partitionable", True):
        return None
    with jax.ensure_compile_time_eval():
        return np.asarray(jax.random.key_data(key))


_on_host = contextvars.ContextVar("on_host", default=False)


@contextlib.contextmanager
def on_host():
    """Where `fold_in` and `split` derive the keys of a key at hand by NumPy.

    To compile JAX's program for it takes a CPU 0.1 to 0.2 s; once compiled it is the faster one.
    """
    token = _on_host.set(True)
    try:
        yield
    finally:
        _on_host.reset(token)


def fold_in(key: jax.Array, number: int) -> jax.Array:
    """``jax.random.fold_in(key, number)``; `on_host` it takes no program for a key at hand.

    Nor for each of the keys at hand over which it is mapped by ``jax.vmap``.

    >>> key = jax.random.key(0)
    >>> with on_host():
    ...     bool(fold_in(key, 7) == jax.random.fold_in(key, 7))
    True
    """
    return _derived(key, [number], lambda key: [jax.random.fold_in(key, number)])[0]


def split(key: jax.Array, number: int = 2) -> list[jax.Array]:
    """The keys of ``jax.random.split(key, number)``; `on_host` as by `fold_in`.

    >>> key = jax.random.key(0)
    >>> with on_host():
    ...     [bool(a == b) for a, b in zip(split(key), jax.random.split(key), strict=True)]
    [True, True]
    """
    return _derived(key, range(number), lambda key: list(jax.random.split(key, number)))


def fold_in_each(key: jax.Array, n: int) -> jax.Array:
    """The keys ``fold_in(key, i)``, i = 0 ... n - 1, as one array; `on_host` as by `fold_in`.

    >>> fold_in_each(jax.random.key(0), 3).shape
    (3,)
    """
    words = _words_at_hand(key)
    if words is None:
        return jax.vmap(functools.partial(jax.random.fold_in, key))(jnp.arange(n))
    return _key(folded(words, np.arange(n)), key)


def _derived(key: jax.Array, numbers: Sequence[int], by_jax: Callable) -> list[jax.Array]:
    """The keys that are derived from one by numbers: by NumPy where that can be, else by JAX."""
    if not _on_host.get():
        return by_jax(key)

    def by_numpy(key):
        words = _words_at_hand(key)
        return [] if words is None else [_key(folded(words, number), key) for number in numbers]

    if key.ndim == 0 and (derived := by_numpy(key)):
        return derived
    derive = jax.custom_batching.custom_vmap(by_jax)

    @derive.def_vmap
    def of_each(size, is_mapped, keys):
        derived = by_numpy(keys) or jax.vmap(by_jax)(keys)
        return derived, [True] * len(derived)

    return derive(key)


def _words_at_hand(key: jax.Array) -> np.ndarray | None:
    """The words of a key or of several (..., 2), `on_host` and where they are values here."""
    is_at_hand = isinstance(key, jax.Array) and not isinstance(key, Tracer)
    return key_words(key) if _on_host.get() and is_at_hand and key.is_fully_addressable else None


def _key(words: np.ndarray, like: jax.Array) -> jax.Array:
    """The key of some words, or the keys, where another is."""
    with jax.ensure_compile_time_eval():
        place = like.sharding if like.committed else None
        return jax.random.wrap_key_data(jax.device_put(words, place), impl=THREEFRY)


def jitted(draw: Callable[[jax.Array], Any], key: jax.Array) -> Any:
    """``jax.jit(draw)(key)``, with the keys that ``draw`` derives as arguments.

    Those of `fold_in` and `split` are computed `on_host`, and the program has no hash for each: the
    params of a ResNet-18 compile in a third of the time. Programs of different keys are the same.
    """
    if getattr(jax.config, "jax_disable_jit", False):
        return draw(key)
    with on_host():
        closed, shapes = jax.make_jaxpr(lambda: draw(key), return_shape=True)()
    is_key = [jnp.issubdtype(const.dtype, jax.dtypes.prng_key) for const in closed.consts]

    def run(keys: list[jax.Array]) -> list[jax.Array]:
        left = iter(keys)
        pairs = zip(closed.consts, is_key, strict=True)
        consts = [next(left) if is_key else const for const, is_key in pairs]
        return jaxpr_as_fun(ClosedJaxpr(closed.jaxpr, consts))()

    keys = list(itertools.compress(closed.consts, is_key))
    return jax.tree.unflatten(jax.tree.structure(shapes), jax.jit(run)(keys))


def folded(words: np.ndarray, numbers: Any) -> np.ndarray:
    """The words of ``jax.random.fold_in(key, number)``: for integers (...), words (..., 2).

    ``jax.random.split`` has the same, with the numbers 0, 1, ...
    """
    numbers = np.asarray(numbers, np.uint32)[..., None]
    hashed = _threefry(words[..., :1], words[..., 1:], np.zeros_like(numbers), numbers)
    return np.concatenate(hashed, axis=-1)


def bits(words: np.ndarray, number: int) -> np.ndarray:
    """``jax.random.bits(key, number)``, of words (..., 2) an array (..., number) uint32."""
    place = np.arange(number, dtype=np.uint32)
    high, low = _threefry(words[..., :1], words[..., 1:], np.zeros_like(place), place)
    return high ^ low


_UNROLLED = jax.extend.random.define_prng_impl(
    key_shape=(2,),
    seed=THREEFRY.seed,
    split=THREEFRY.split,
    random_bits=_bits,
    fold_in=THREEFRY.fold_in,
    name=f"{NAME}, written out",
    tag="fry",
)
