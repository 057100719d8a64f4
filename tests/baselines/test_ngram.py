import numpy as np
import pytest

from jnn.baselines.ngram import character_ngrams, ngram_nats
from jnn.errors import JnnError


def probability(train, context, token, k):
    """The recursion of Witten and Bell, by counting in the text itself."""
    if k < 0:
        return 1 / (len(set(train)) + 1)
    lower = probability(train, context, token, k - 1)
    h = context[len(context) - k :]
    following = [train[i] for i in range(k, len(train)) if train[i - k : i] == h]
    if not following:
        return lower
    return (following.count(token) + len(set(following)) * lower) / (
        len(following) + len(set(following))
    )


@pytest.mark.parametrize("order", [1, 2, 3, 5])
@pytest.mark.parametrize("vocabulary", [2, 5, 40])
def test_the_losses_are_those_of_the_recursion(order, vocabulary):
    rng = np.random.default_rng(order * vocabulary)
    train, test = (
        rng.integers(0, vocabulary, 80).tolist(),
        rng.integers(0, vocabulary + 1, 40).tolist(),
    )
    nats = ngram_nats(train, test, order)
    expected = [
        -np.log(probability(train, test[:i], test[i], order - 1)) for i in range(order, len(test))
    ]
    np.testing.assert_allclose(nats, expected, rtol=1e-12)


def test_probabilities_of_all_tokens_sum_to_one():
    """With one more token for whatever the training text does not have."""
    train = np.random.default_rng(0).integers(0, 4, 200)
    total = sum(np.exp(-ngram_nats(train, np.array([1, 3, 0, token]), 3)) for token in range(5))
    np.testing.assert_allclose(total, [1.0], rtol=1e-12)


def test_numbers_of_tokens_do_not_matter():
    rng = np.random.default_rng(0)
    train, test = rng.integers(0, 6, 300), rng.integers(0, 6, 50)
    names = np.array([10**9, -5, 7, 0, 3, 2**31 - 1])
    assert np.array_equal(ngram_nats(train, test, 3), ngram_nats(names[train], names[test], 3))


@pytest.mark.parametrize("order", [0, 4, 9])
def test_impossible_orders_are_refused(order):
    with pytest.raises(
        JnnError, match=rf"order={order}, 9 and 4 tokens, expected order >= 1, and longer texts"
    ):
        ngram_nats(np.arange(9), np.arange(4), order)


def test_characters_are_scored_by_their_code_points():
    """One of them is outside of the basic plane, two units of UTF-16, and one is half of such."""
    train, test = "a😀b a😀c \ud83dab", "a😀 b\ud83d"
    codes = [[ord(character) for character in text] for text in (train, test)]
    scores = character_ngrams(train, test, orders=(1, 2))
    expected = {f"{order}-gram": np.mean(ngram_nats(*codes, order)) for order in (1, 2)}
    assert scores == pytest.approx(expected, rel=1e-12)
