"""Windows of one long sequence of tokens, for language models.

A batch is ``{"tokens": (B, T), "targets": (B, T)}``: ``targets`` are the tokens that follow
``tokens``. Pure functions of a key and the step, on the device.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from jnn.data.checks import check_int32
from jnn.data.tokenizers.record import Tokenizer
from jnn.errors import mistake
from jnn.integers import check_integer
from jnn.threefry import unrolled


def check_long(tokens: ArrayLike, least: int, caller: str) -> np.ndarray:
    """``tokens`` as an array (N,); raises JnnError unless they are integers and N >= ``least``."""
    array = np.asarray(tokens)
    if array.ndim != 1 or not np.issubdtype(array.dtype, np.integer):
        raise mistake(
            caller,
            got=f"tokens: {array.dtype} of shape {array.shape}",
            expected="integers of shape (N,), one long sequence",
        )
    check_int32(array, f"{caller}: tokens")
    if len(array) < least:
        long, empty = "Choose shorter windows, or a smaller batch.", "Is the text empty?"
        raise mistake(
            caller,
            got=f"{len(array)} tokens",
            expected=f"at least {least}",
            remedy=long if len(array) else empty,
        )
    return array


def random_windows(
    tokens: jax.Array, key: jax.Array, step: jax.Array | int, *, length: int, batch_size: int
) -> dict[str, jax.Array]:
    """``batch_size`` windows of ``length`` tokens at random places of ``tokens`` (N,).

    All N - length places are equally likely. Raises JnnError for less than length + 1 tokens.

    >>> batch = random_windows(jnp.arange(100), jax.random.key(0), 7, length=5, batch_size=2)
    >>> batch["tokens"].shape, bool((batch["targets"] == batch["tokens"] + 1).all())
    ((2, 5), True)
    """
    _check_length("random_windows", tokens, length + 1, length)
    key = jax.random.fold_in(key, step)
    starts = jax.random.randint(unrolled(key), (batch_size,), 0, len(tokens) - length, jnp.int32)
    return _cut(tokens, starts, length)


def next_windows(
    tokens: jax.Array, step: jax.Array | int, *, length: int, batch_size: int
) -> dict[str, jax.Array]:
    """Windows that continue those of the previous step, for truncated backpropagation through time.

    Row b reads the b-th of ``batch_size`` equal stretches of ``tokens`` (N,) from its start,
    ``length`` tokens a step, for ``(N - 1) // batch_size // length`` steps; then all begin again.
    ``first`` (batch_size,) is True at such a beginning, where the state that is carried from step
    to step must be reset. Raises JnnError for stretches of no whole window.

    >>> cut = lambda step: next_windows(jnp.arange(9), step, length=2, batch_size=2)
    >>> [cut(step)["tokens"].tolist() for step in range(3)]
    [[[0, 1], [4, 5]], [[2, 3], [6, 7]], [[0, 1], [4, 5]]]
    """
    _check_length("next_windows", tokens, batch_size * length + 1, length)
    stretch = (len(tokens) - 1) // batch_size
    place = jnp.asarray(step % (stretch // length), jnp.int32)
    starts = jnp.arange(batch_size, dtype=jnp.int32) * stretch + place * length
    return {**_cut(tokens, starts, length), "first": jnp.broadcast_to(place == 0, (batch_size,))}


def _check_length(caller: str, tokens: jax.Array, least: int, length: int) -> None:
    if len(tokens) < least:
        got, expected = f"{len(tokens)} tokens for length={length}", f"at least {least}"
        remedy = "Choose shorter windows, or a smaller batch."
        raise mistake(caller, got=got, expected=expected, remedy=remedy)


def _cut(tokens: jax.Array, starts: jax.Array, length: int) -> dict[str, jax.Array]:
    cut = jax.vmap(lambda start: jax.lax.dynamic_slice_in_dim(tokens, start, length + 1))(starts)
    return {"tokens": cut[:, :-1], "targets": cut[:, 1:]}


def predicted_characters(text: str, tokenizer: Tokenizer) -> int:
    """The number of characters that `evaluation_windows` predicts: not those of the first token.

    It is what a sum of nats is divided by for nats per character, whatever the tokens are. A
    character of which the first token is only a part counts as read.

    >>> from jnn.data.tokenizers import character_tokenizer
    >>> predicted_characters("hello", character_tokenizer("hello"))
    4
    """
    first = tokenizer.encode(text)[:1]
    return len(text) - len(tokenizer.decode(first))


def evaluation_windows(
    tokens: ArrayLike, length: int, *, stride: int | None = None
) -> dict[str, np.ndarray]:
    """Windows in which each token of ``tokens`` (N,) but the first is predicted exactly once.

    They are W windows on the host. ``weight`` (W, length) float32 is 1 for the N - 1 targets that
    count, and 0 for those that only give context: the mean loss of the text is
    ``sum(weight * loss) / sum(weight)``.

    Windows start ``stride`` tokens apart, by default ``length``: with a smaller stride each
    prediction has a context of at least ``length - stride`` tokens, at ``length / stride`` times
    the cost. The last window is moved back to end with the text.

    Raises JnnError for less than length + 1 tokens, and for a stride that is not from 1 to length.

    >>> windows = evaluation_windows(np.arange(8), 4, stride=2)
    >>> windows["targets"].tolist(), windows["weight"].astype(int).tolist()
    ([[1, 2, 3, 4], [3, 4, 5, 6], [4, 5, 6, 7]], [[1, 1, 1, 1], [0, 0, 1, 1], [0, 0, 0, 1]])
    """
    length = check_integer("evaluation_windows", "length", length)
    stride = length if stride is None else check_integer("evaluation_windows", "stride", stride)
    if stride > length:
        got = f"length={length}, stride={stride}"
        raise mistake("evaluation_windows", got=got, expected="1 <= stride <= length")
    tokens = check_long(tokens, length + 1, "evaluation_windows").astype(np.int32)
    last = len(tokens) - 1 - length
    starts = np.minimum(np.arange(0, last + stride, stride), last)
    targets = starts[:, None] + 1 + np.arange(length)[None, :]
    predicted = np.concatenate([[0], starts[:-1] + length])
    return {
        "tokens": tokens[targets - 1],
        "targets": tokens[targets],
        "weight": (targets > predicted[:, None]).astype(np.float32),
    }
