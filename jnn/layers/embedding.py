"""Embeddings of tokens, and the tied read-out that shares them."""

import jax
import jax.numpy as jnp
import numpy as np

from jnn.errors import mistake
from jnn.initializers import draw, normal
from jnn.layers.checks import (
    check_array,
    check_features,
    check_float,
    check_params,
    check_positive,
)
from jnn.layers.dense import linear
from jnn.model import Model, Params, check_key, pointwise
from jnn.placement import with_examples


def embedding(vocabulary: int, features: int, *, embedding_init=normal(1.0)) -> Model:
    """A learned vector for each token: ``y = embedding[x]``.

    x integers ``(...)`` in [0, vocabulary) -> y ``(..., features)``; params ``embedding``
    ``(vocabulary, features)``, drawn from N(0, 1) as in PyTorch, in JAX's default floating type,
    float32. With `unembed`, a standard deviation of ``features**-0.5`` gives initial logits of the
    order of one.

    Values of tokens are not known at compile time: a token out of range, also a negative one, gives
    NaN, where Flax takes the last vector and plain indexing counts from the end. Call
    `check_tokens` on the data. Raises `JnnError` for tokens that are not integers.

    >>> import jax, jax.numpy as jnp
    >>> layer, tokens = embedding(10, 4), jnp.array([3, 1, 3])
    >>> params, state = layer.init(jax.random.key(0), tokens)
    >>> layer.apply(params, state, tokens)[0].shape
    (3, 4)
    """
    check_positive("embedding", vocabulary=vocabulary, features=features)

    def init(key, x):
        _check_integer(x)
        check_key("embedding", key)
        vectors = draw(embedding_init, key, (vocabulary, features), jnp.result_type(float))
        return {"embedding": vectors}, {}

    def apply(params, state, x, *, key=None, train=False, mask=None):
        _check_integer(x)
        # Indexing computes in the type of the tokens, which may be uint8.
        tokens = x if jnp.iinfo(x.dtype).bits >= 32 else x.astype(jnp.int32)
        check_params("embedding", params, embedding=(vocabulary, features))
        at = jnp.asarray(params["embedding"]).at[tokens]
        vectors = at.get(mode="fill", fill_value=jnp.nan, wrap_negative_indices=False)
        return with_examples(vectors), state

    return pointwise(init, apply)


def unembed(params: Params, h: jax.Array) -> jax.Array:
    """The logits of a tied read-out, which shares the params of `embedding`: ``h @ embeddingᵀ``.

    h ``(..., features)`` -> y ``(..., vocabulary)``; ``params`` are those of the embedding, whose
    gradient is the sum over both uses. Source: Press & Wolf 2017, https://arxiv.org/abs/1608.05859.

    >>> import jax.numpy as jnp
    >>> unembed({"embedding": jnp.array([[1.0, 0.0], [0.0, 2.0]])}, jnp.array([3.0, 4.0])).tolist()
    [3.0, 8.0]
    """
    check_float("unembed", h, min_rank=1)
    check_params("unembed", params, embedding=(None, None))
    check_features("unembed", h, params["embedding"].shape[1])
    return linear(h, params["embedding"].T)


def check_tokens(tokens: np.typing.ArrayLike, vocabulary: int, caller: str = "tokens") -> None:
    """Raise `JnnError`, with its position, for the first token that is not in [0, vocabulary).

    It is for data on the host, before training.

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
            remedy="Use a larger vocabulary, or the tokenizer that belongs to the model.",
        )


def _check_integer(x) -> None:
    check_array("embedding", x)
    if not jnp.issubdtype(x.dtype, jnp.integer):
        raise mistake(
            "embedding",
            got=f"x of dtype {x.dtype}",
            expected="an array of integers, the tokens",
            remedy="Convert first: x.astype(jnp.int32).",
        )
