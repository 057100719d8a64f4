"""Vectors for tokens, and the read-out that shares them."""

import jax
import jax.numpy as jnp
import numpy as np

from jnn.errors import mistake
from jnn.layers.checks import check_features, check_float, check_positive
from jnn.layers.dense import linear
from jnn.model import Model, Params, pointwise


def embedding(
    vocabulary: int, features: int, *, embedding_init=jax.nn.initializers.normal(1.0)
) -> Model:
    """A learned vector for each token: ``y = embedding[x]``.

    x integers ``(...)`` in [0, vocabulary) -> y ``(..., features)``; params ``embedding``
    ``(vocabulary, features)``, drawn from N(0, 1) as in PyTorch, in JAX's default floating type,
    float32. Values of tokens are not known while compiling: a token out of range, a negative one
    too, gives NaN, where Flax takes the last vector and plain indexing counts from the end. Call
    `check_tokens` on the data. Raises `JnnError` for tokens that are not integers. With `unembed`, a
    standard deviation of ``features**-0.5`` starts with logits of the order of one.

    >>> import jax, jax.numpy as jnp
    >>> layer, tokens = embedding(10, 4), jnp.array([3, 1, 3])
    >>> params, state = layer.init(jax.random.key(0), tokens)
    >>> layer.apply(params, state, tokens)[0].shape
    (3, 4)
    """
    check_positive("embedding", vocabulary=vocabulary, features=features)

    def init(key, x):
        _check_integer(x)
        return {
            "embedding": embedding_init(key, (vocabulary, features), jnp.result_type(float))
        }, {}

    def apply(params, state, x, *, key=None, train=False, mask=None):
        _check_integer(x)
        # Wide enough for any vocabulary: the tokens may be uint8, and indexing computes in their
        # type.
        tokens = x if jnp.iinfo(x.dtype).bits >= 32 else x.astype(jnp.int32)
        return jnp.asarray(params["embedding"]).at[tokens].get(
            mode="fill", fill_value=jnp.nan, wrap_negative_indices=False
        ), state

    return pointwise(init, apply)


def unembed(params: Params, h: jax.Array) -> jax.Array:
    """The logits of a read-out that shares the vectors of `embedding` (tied weights):
    ``y = h @ embeddingᵀ``.

    h ``(..., features)`` -> y ``(..., vocabulary)``; ``params`` are those of the embedding. Used in
    a plain function, the gradient of both uses is summed. Source: Press & Wolf 2017,
    https://arxiv.org/abs/1608.05859.

    >>> import jax.numpy as jnp
    >>> unembed({"embedding": jnp.array([[1.0, 0.0], [0.0, 2.0]])}, jnp.array([3.0, 4.0])).tolist()
    [3.0, 8.0]
    """
    check_float("unembed", h, min_rank=1)
    check_features("unembed", h, params["embedding"].shape[1])
    return linear(h, params["embedding"].T)


def check_tokens(tokens, vocabulary: int, caller: str = "tokens") -> None:
    """Raise `JnnError` for the first token that is not in [0, vocabulary), with its position; for
    data on the host, before training.

    >>> check_tokens([[0, 3], [9, 1]], vocabulary=9)
    Traceback (most recent call last):
    jnn.errors.JnnError: tokens: got 9 at position (1, 0), expected integers from 0 to 8. ...
    """
    tokens = np.asarray(tokens)
    if not np.issubdtype(tokens.dtype, np.integer):
        raise mistake(caller, got=f"tokens of dtype {tokens.dtype}", expected="integers")
    wrong = np.argwhere((tokens < 0) | (tokens >= vocabulary))
    if len(wrong):
        position = tuple(wrong[0].tolist())
        raise mistake(
            caller,
            got=f"{tokens[position]} at position {position}",
            expected=f"integers from 0 to {vocabulary - 1}",
            remedy="Give the embedding a larger vocabulary, or encode with the tokenizer that belongs to it.",
        )


def _check_integer(x) -> None:
    if not hasattr(x, "dtype") or not jnp.issubdtype(x.dtype, jnp.integer):
        raise mistake(
            "embedding",
            got=f"x of {f'dtype {x.dtype}' if hasattr(x, 'dtype') else f'type {type(x).__name__}'}",
            expected="an array of integers, the tokens",
            remedy="Convert first: x.astype(jnp.int32).",
        )
