"""A linear model of words and phrases: against counting in plain Python, and its naive Bayes
against scikit-learn's.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.naive_bayes import ComplementNB

from jnn.architectures.bag_of_ngrams import BagOfNgramsConfig, bag_of_ngrams, naive_bayes
from jnn.errors import JnnError

SINGLE = 1e-5  # sums of some ten float32
CONFIG = BagOfNgramsConfig(outputs=3, vocabulary=12, longest=3, buckets=1000)
# no token twice in a text
TEXTS = np.stack([np.random.default_rng(i).permutation(12)[:6] for i in range(20)])
MASK = np.arange(6)[None, :] < np.random.default_rng(0).integers(1, 7, 20)[:, None]
LABELS = np.arange(20) % 3


def drawn(model, seed=0):
    params, _ = model.init(jax.random.key(0), TEXTS[0])
    rng = np.random.default_rng(seed)
    return jax.tree.map(
        lambda leaf: jnp.asarray(rng.standard_normal(leaf.shape), leaf.dtype), params
    )


def test_it_adds_up_every_token_and_every_phrase_once():
    """With ones in a table, what is added up is how many tokens or phrases there are: n, n - 1 and
    n - 2.
    """
    model = bag_of_ngrams(CONFIG)
    zero = jax.tree.map(jnp.zeros_like, drawn(model))
    for real in range(1, 7):
        mask, grams = jnp.arange(6) < real, real + max(real - 1, 0) + max(real - 2, 0)
        for table, expected in (("token", real), ("phrase", grams - real)):
            params = zero | {table: jax.tree.map(jnp.ones_like, zero[table])}
            y, _ = jax.jit(model.apply)(params, {}, jnp.asarray(TEXTS[0]), mask=mask)
            np.testing.assert_allclose(y, expected / grams**0.5, rtol=SINGLE)


def test_the_order_of_a_phrase_and_its_length_change_its_row():
    model = bag_of_ngrams(CONFIG)
    params = drawn(model)
    found = {
        float(jax.jit(model.apply)(params, {}, jnp.array(text))[0][0])
        for text in ([1, 2], [2, 1], [1, 1, 2], [1, 2, 1])
    }
    assert len(found) == 4


def test_padding_changes_nothing():
    model = bag_of_ngrams(CONFIG)
    params = drawn(model)
    for tokens, mask in zip(TEXTS, MASK, strict=True):
        junk = jnp.asarray(np.where(mask, tokens, -1))
        expected = jax.jit(model.apply)(params, {}, jnp.asarray(tokens[mask]))[0]
        np.testing.assert_allclose(
            jax.jit(model.apply)(params, {}, junk, mask=jnp.asarray(mask))[0],
            expected,
            rtol=SINGLE,
            atol=SINGLE,
        )


def test_its_naive_bayes_is_scikit_learns():
    """The logits of texts of one length, without phrases: scikit-learn's, but for the norm of a
    text, and a constant for each text.
    """
    config = BagOfNgramsConfig(outputs=3, vocabulary=12, longest=1)
    params = naive_bayes(config, TEXTS, MASK, LABELS)
    words = [
        " ".join(f"w{token}" for token in tokens[mask])
        for tokens, mask in zip(TEXTS, MASK, strict=True)
    ]
    vectorizer = TfidfVectorizer(vocabulary=[f"w{token}" for token in range(12)])
    x = vectorizer.fit_transform(words)
    expected = ComplementNB(alpha=1.0).fit(x, LABELS).feature_log_prob_ * vectorizer.idf_
    np.testing.assert_allclose(
        params["token"]["embedding"].T, expected - expected.mean(axis=0), rtol=SINGLE, atol=SINGLE
    )


def test_naive_bayes_of_phrases_tells_texts_of_the_same_words_apart():
    tokens, labels = np.array([[1, 2, 3], [3, 2, 1]]), np.array([0, 1])
    config = BagOfNgramsConfig(outputs=2, vocabulary=4, buckets=1000)
    params = naive_bayes(config, tokens, np.ones((2, 3), bool), labels)
    y, _ = jax.jit(bag_of_ngrams(config).apply)(
        jax.tree.map(jnp.asarray, params), {}, jnp.asarray(tokens)
    )
    np.testing.assert_array_equal(jnp.argmax(y, axis=-1), labels)


def test_a_mask_of_another_shape_is_refused():
    model = bag_of_ngrams(CONFIG)
    with pytest.raises(JnnError, match="a mask of the same shape"):
        model.apply(drawn(model), {}, jnp.asarray(TEXTS), mask=jnp.ones(6, bool))
