"""The batch of each step: a pure function of a key and the step, so that a run can resume anywhere.

Each epoch visits the examples in a new order. Sorting random numbers for that order takes 20 ms for
48,000 examples on a CPU, far too long for a step. So the order is a keyed bijection that is
computed for the positions of the batch alone: about 4 us for any size
(``python -m benchmarks order``).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jnn.data.checks import check_arrays, check_float32
from jnn.errors import mistake
from jnn.integers import check_integer
from jnn.threefry import bits, folded, unrolled

_ROUNDS = 8
"""Rounds of mixing; with 4, a handful of examples are not equally likely at each position."""
_EPOCHS = 64
"""What the host draws at once: NumPy takes as long for one epoch."""


def steps_per_epoch(size: int, batch_size: int) -> int:
    """The number of whole batches in an epoch, floor(size / batch_size); raises JnnError for none.

    >>> steps_per_epoch(1437, 128)
    11
    """
    size = check_integer("batches", "size", size, least=0)
    batch_size = check_integer("batches", "batch_size", batch_size)
    if batch_size > size:
        remedy = "Choose a smaller batch." if size >= 1 else ""
        raise mistake(
            "batches",
            got=f"batch_size={batch_size} for {size} examples",
            expected="1 <= batch_size <= examples",
            remedy=remedy,
        )
    return size // batch_size


def batch_indices(
    key: jax.Array, step: jax.Array | int, *, size: int, batch_size: int
) -> jax.Array:
    """The indices of the examples of step ``step`` (0, 1, ...), (batch_size,) int32.

    With n = floor(size / batch_size) steps an epoch, step s takes ``batch_size`` positions of
    ``epoch_order(key, s // n)``, from position batch_size (s mod n). No example occurs twice in an
    epoch; the ``size mod batch_size`` at the end of the order, different ones in each epoch, are
    omitted. ``step`` may be traced, as within ``jax.lax.scan``; ``size`` and ``batch_size`` are
    static.

    >>> key = jax.random.key(0)
    >>> sorted(int(i) for s in range(3) for i in batch_indices(key, s, size=6, batch_size=2))
    [0, 1, 2, 3, 4, 5]
    """
    epoch, place = divmod(step, steps_per_epoch(size, batch_size))
    start = jnp.asarray(place * batch_size, jnp.int32)
    positions = start + jnp.arange(batch_size, dtype=jnp.int32)
    return _shuffled(jax.random.fold_in(key, epoch), positions, size)


def epoch_order(key: jax.Array, epoch: jax.Array | int, size: int) -> jax.Array:
    """The order of the examples in an epoch: a permutation of 0 .. size - 1, (size,) int32."""
    steps_per_epoch(size, 1)
    return _shuffled(jax.random.fold_in(key, epoch), jnp.arange(size), size)


def batch_indices_on_host(
    words: np.ndarray, steps: np.ndarray, *, size: int, batch_size: int
) -> np.ndarray:
    """`batch_indices` of ``steps`` (n,), an array (n, batch_size) int32, by NumPy.

    ``words`` are those of the key, as `jnn.threefry.key_words` has them.

    >>> from jnn.threefry import key_words
    >>> words = key_words(jax.random.key(0))
    >>> batch_indices_on_host(words, np.arange(2), size=6, batch_size=2).tolist()
    [[0, 5], [4, 3]]
    >>> [batch_indices(jax.random.key(0), step, size=6, batch_size=2).tolist() for step in range(2)]
    [[0, 5], [4, 3]]
    """
    epoch, place = np.divmod(steps, steps_per_epoch(size, batch_size))
    positions = (place[:, None] * batch_size + np.arange(batch_size)).astype(np.uint32)
    first, last = (int(n) // _EPOCHS for n in (epoch.min(), epoch.max()))
    drawn = [_drawn(words.tobytes(), block) for block in range(first, last + 1)]
    odd, offset = np.concatenate(drawn, axis=-1)[..., epoch - first * _EPOCHS]  # (_ROUNDS, n)
    limits = _mask_and_shift(size)
    x = _mixed(positions, odd[..., None], offset[..., None], *limits).ravel()
    left = np.flatnonzero(x >= size)
    while left.size:
        of = left // batch_size
        x[left] = mixed = _mixed(x[left], odd[:, of], offset[:, of], *limits)
        left = left[mixed >= size]
    return x.reshape(positions.shape).astype(np.int32)


@functools.lru_cache(maxsize=256)
def _drawn(words: bytes, block: int) -> np.ndarray:
    """The factors and offsets of a block of epochs, (2, _ROUNDS, _EPOCHS)."""
    keys = folded(np.frombuffer(words, np.uint32), block * _EPOCHS + np.arange(_EPOCHS))
    odd, offset = bits(keys, 2 * _ROUNDS).reshape(_EPOCHS, 2, _ROUNDS).transpose(1, 2, 0)
    return np.stack([odd | np.uint32(1), offset])


def _shuffled(key: jax.Array, position: jax.Array, size: int) -> jax.Array:
    """The images of ``position`` under a bijection of 0 .. size - 1 that is random by ``key``.

    Let m = 2^b be the least power of two >= size. With odd a_r and any c_r, x -> a_r x + c_r mod m
    and x -> x XOR floor(x / 2^s) are bijections of 0 .. m - 1, and so is f, the composition of
    several rounds of both. Walking f(x), f(f(x)), ... until the value is below size is then a
    bijection of 0 .. size - 1, and takes fewer than two steps on average.

    Source: Black and Rogaway, Ciphers with arbitrary finite domains, 2002; Mitchell et al.,
    Bandwidth-optimal random shuffling for GPUs, 2021.
    """
    return _walk(key, position, np.uint32(size), *_mask_and_shift(size))


def _mask_and_shift(size: int) -> tuple[np.uint32, np.uint32]:
    """m - 1 and s."""
    width = max(1, (size - 1).bit_length())
    return np.uint32(2**width - 1), np.uint32((width + 1) // 2)


def _mixed(x: Any, odd: Any, offset: Any, mask: Any, shift: Any) -> Any:
    """f(x), of arrays of JAX or NumPy."""
    for a, c in zip(odd, offset, strict=True):
        x = (x * a + c) & mask
        x = x ^ (x >> shift)
    return x


@jax.jit  # compiled once for all sizes, which are arguments here
def _walk(
    key: jax.Array, position: jax.Array, size: jax.Array, mask: jax.Array, shift: jax.Array
) -> jax.Array:
    odd, offset = jax.random.bits(unrolled(key), (2, _ROUNDS), jnp.uint32)
    mix = lambda x: _mixed(x, odd | np.uint32(1), offset, mask, shift)
    outside = lambda x: (x >= size).any()
    walk = lambda x: jnp.where(x >= size, mix(x), x)
    return jax.lax.while_loop(outside, walk, mix(position.astype(jnp.uint32))).astype(jnp.int32)


def to_device(arrays: Mapping[str, np.ndarray], caller: str = "data") -> dict[str, jax.Array]:
    """The arrays, checked by ``check_arrays``, on the default device.

    64-bit numbers become 32-bit ones unless JAX is in 64-bit mode; JnnError is raised for one that
    is out of their range.
    """
    check_arrays(arrays, caller)
    for name, array in arrays.items():
        if jax.dtypes.canonicalize_dtype(array.dtype) == np.float32:
            check_float32(array, f"{caller}[{name!r}]")
    return {name: jnp.asarray(array) for name, array in arrays.items()}


def take(arrays: Mapping[str, jax.Array], indices: jax.Array) -> dict[str, jax.Array]:
    """The examples ``indices`` of every array.

    >>> take({"x": jnp.arange(10) * 10}, jnp.array([3, 1]))["x"].tolist()
    [30, 10]
    """
    return {name: jnp.asarray(array)[indices] for name, array in arrays.items()}


def padded_batches(
    arrays: Mapping[str, np.ndarray], batch_size: int
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """All examples in order, as batches of equal shape with weights, for evaluation.

    Arrays are (B, batch_size, ...), weights (B, batch_size) float32. The last batch is filled up
    with copies of the first example, whose weight is 0; all others weigh 1. A mean over the data is
    then ``sum(weight * value) / sum(weight)``. ``batch_size`` may exceed the number of examples.

    >>> batches, weight = padded_batches({"x": np.arange(5)}, 3)
    >>> batches["x"].tolist(), weight.tolist()
    ([[0, 1, 2], [3, 4, 0]], [[1.0, 1.0, 1.0], [1.0, 1.0, 0.0]])
    """
    size = check_arrays(arrays, "padded_batches")
    batch_size = check_integer("padded_batches", "batch_size", batch_size)
    number = -(-size // batch_size)
    position = np.arange(number * batch_size)
    rows = np.where(position < size, position, 0)
    batches = {
        name: np.asarray(array)[rows].reshape(number, batch_size, *array.shape[1:])
        for name, array in arrays.items()
    }
    return batches, (position < size).astype(np.float32).reshape(number, batch_size)
