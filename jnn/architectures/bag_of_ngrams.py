"""The bag of n-grams, a linear model of the words and short phrases of a text."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from jnn.architectures.settings import check_settings
from jnn.errors import mistake
from jnn.initializers import zeros
from jnn.layers.checks import check_params
from jnn.layers.embedding import embedding
from jnn.model import Model, Params, apply_child, check_children, init_child
from jnn.precision import numerics

MULTIPLIER = 0x9E3779B1
"""An odd number whose products with small numbers spread over all 32 bits: 2³² over the golden
ratio (Knuth, volume 3, section 6.4).
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class BagOfNgramsConfig:
    """The settings of a `bag_of_ngrams`."""

    outputs: int
    """Classes, or values to predict."""
    vocabulary: int
    """Tokens."""
    longest: int = 2
    """The most tokens of a phrase; 1 for single tokens alone."""
    buckets: int = 2**16
    """Rows that phrases of two tokens or more share, by a hash."""

    def __post_init__(self):
        """Refuse what is no size."""
        check_settings(self)


def bag_of_ngrams(config: BagOfNgramsConfig) -> Model:
    """A linear model of the n-grams g of a text: ``y = Σ_g embedding[g] / sqrt(n) + bias``.

    x tokens ``(..., T)`` in [0, vocabulary) -> logits or values ``(..., outputs)``; params
    ``token/embedding`` ``(vocabulary, outputs)``, ``phrase/embedding`` ``(buckets, outputs)``,
    ``bias`` ``(outputs,)``, all zero at first. n is the number of tokens and phrases; its root is a
    compromise between a sum, which is more confident for longer texts, and a mean. A ``mask``
    ``(..., T)`` excludes tokens, and every phrase that contains one.

    It is the linear model of Joulin et al. 2016, https://arxiv.org/abs/1607.01759, without their
    hidden features.

    >>> import jax, jax.numpy as jnp
    >>> model = bag_of_ngrams(BagOfNgramsConfig(outputs=2, vocabulary=10, buckets=32))
    >>> params, state = jax.jit(model.init)(jax.random.key(0), jnp.arange(4))
    >>> jax.jit(model.apply)(params, state, jnp.arange(4))[0].tolist()
    [0.0, 0.0]
    """
    rows = {"token": config.vocabulary} | ({"phrase": config.buckets} if config.longest > 1 else {})
    tables = {name: embedding(n, config.outputs, embedding_init=zeros) for name, n in rows.items()}

    def init(key, x):
        params = {"bias": jnp.zeros(config.outputs, jnp.result_type(float))}
        for name, table in tables.items():
            params |= init_child(name, table, key, x)[0]
        return params, {}

    def apply(params, state, x, *, key=None, train=False, mask=None):
        if x.ndim < 1 or (mask is not None and mask.shape != x.shape):
            got = f"x {x.shape}" + (f" and mask {mask.shape}" if mask is not None else "")
            raise mistake(
                "bag_of_ngrams", got=got, expected="tokens (..., T), and a mask of the same shape"
            )
        check_children("bag_of_ngrams", ("bias", *tables), params, state)
        own = {name: leaf for name, leaf in params.items() if name not in tables}
        check_params("bag_of_ngrams", own, bias=(config.outputs,))
        total, count = jnp.zeros((), jnp.float32), jnp.zeros((), jnp.float32)
        for name, grams, real in _grams(
            config, x, jnp.ones(x.shape, bool) if mask is None else mask
        ):
            values, _ = apply_child(name, tables[name], params, {}, jnp.where(real, grams, 0))
            total = jnp.sum(jnp.where(real[..., None], numerics(values), 0), axis=-2) + total
            count = jnp.sum(real, axis=-1).astype(total.dtype) + count
        scale = jax.lax.rsqrt(jnp.maximum(count, 1))[..., None]
        bias = params["bias"].reshape((1,) * (total.ndim - 1) + (-1,))
        return (total * scale).astype(bias.dtype) + bias, state

    return Model(init, apply)


def naive_bayes(
    config: BagOfNgramsConfig, tokens: np.ndarray, mask: np.ndarray, labels: np.ndarray
) -> Params:
    """Params of a `bag_of_ngrams` by complement naive Bayes on TF-IDF, counted, not trained.

    Row g of the tables is ``idf_g (log p_gc - mean over classes of it)``, ``p_gc`` being one over
    the share that g has, after adding one, in the TF-IDF of all texts that are not of class c; rows
    that no text has are zero. ``idf_g = 1 + log((1 + N) / (1 + N_g))``, where ``N_g`` of the N
    texts have g, and a text's weights are divided by their 2-norm. tokens and ``mask`` ``(N, T)``,
    labels ``(N,)`` in [0, outputs). It is overconfident unless the logits are scaled down.

    Source: Rennie et al. 2003, "Tackling the poor assumptions of naive Bayes text classifiers",
    table 4, without its last step, as scikit-learn's ``ComplementNB`` has it.

    >>> tokens = np.array([[1, 2], [1, 3]])
    >>> config = BagOfNgramsConfig(outputs=2, vocabulary=4, longest=1)
    >>> params = naive_bayes(config, tokens, tokens > 0, np.array([0, 1]))
    >>> (params["token"]["embedding"][:, 1] > 0).tolist()
    [False, False, False, True]
    """
    grams = [
        (name, np.asarray(rows), np.asarray(real))
        for name, rows, real in _grams(config, jnp.asarray(tokens), jnp.asarray(mask))
    ]
    first = {"token": 0, "phrase": config.vocabulary}
    size = config.vocabulary + (config.buckets if config.longest > 1 else 0)
    rows = np.concatenate([rows + first[name] for name, rows, _ in grams], axis=1)
    real = np.concatenate([real for _, _, real in grams], axis=1)

    text = np.broadcast_to(np.arange(len(rows))[:, None], rows.shape)
    pairs = np.unique(np.stack([text[real], rows[real]]), axis=1)
    texts_with = np.bincount(pairs[1], minlength=size)
    idf = 1 + np.log((1 + len(rows)) / (1 + texts_with))
    weight = np.where(real, idf[rows], 0)
    weight = weight / np.maximum(
        np.sqrt(np.sum(weight**2, axis=1, keepdims=True)), np.finfo(float).tiny
    )
    total = np.zeros((size, config.outputs))
    np.add.at(total, (rows[real], labels[text[real]]), weight[real])

    others = 1 + total.sum(axis=1, keepdims=True) - total
    score = -np.log(others / others.sum(axis=0))
    table = np.where(
        texts_with[:, None] > 0, idf[:, None] * (score - score.mean(axis=1, keepdims=True)), 0
    ).astype(np.float32)
    params = {
        "token": {"embedding": table[: config.vocabulary]},
        "bias": np.zeros(config.outputs, np.float32),
    }
    return params | (
        {"phrase": {"embedding": table[config.vocabulary :]}} if config.longest > 1 else {}
    )


def _grams(config: BagOfNgramsConfig, x: jax.Array, mask: jax.Array):
    """The table, the rows, and which of them count, for each length of a phrase."""
    yield "token", x, mask
    code, real = x.astype(jnp.uint32), mask
    for length in range(2, min(config.longest, x.shape[-1]) + 1):
        following = x[..., length - 1 :].astype(jnp.uint32)
        code = (code[..., :-1] * jnp.uint32(MULTIPLIER)) ^ (following + jnp.uint32(length))
        real = real[..., :-1] & mask[..., length - 1 :]
        # The high bits of a product depend on all bits of its factors, the low ones on the low ones
        # alone.
        spread = (code * jnp.uint32(MULTIPLIER)) >> jnp.uint32(8)
        yield "phrase", (spread % jnp.uint32(config.buckets)).astype(jnp.int32), real
